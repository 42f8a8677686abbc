//! The timeline's engines held to their contract, by a small reference in memory and by faults of the file.

mod cases;
mod contract;
mod crash;
mod damage;
mod engines;
mod ill;
mod plan;
mod recording;
mod reference;
mod world;
