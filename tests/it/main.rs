//! Allim's behaviours, one chapter per file, in one binary.

mod settings;
mod words;
