//! Allim's behaviours, one chapter per file, in one binary.

mod catching_up;
mod harness;
mod identity;
mod publish;
mod settings;
mod words;
