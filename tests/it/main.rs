//! Allim's behaviours, one chapter per file, in one binary.

mod identity;
mod publish;
mod settings;
mod words;
