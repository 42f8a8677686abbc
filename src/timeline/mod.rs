//! THE MEMORY: what is kept beyond recent memory; so far the records that nobody could understand.

pub mod command;
pub mod dead_letter_topic;
pub mod dead_letters;
mod growth;
pub mod redrive;
pub mod sqlite;

pub use growth::Growth;
