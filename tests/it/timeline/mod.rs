//! The timeline's engines held to their contract, by a small reference in memory and by faults of the file.

mod cases;
mod contract;
mod engines;
mod plan;
mod reference;
mod world;
