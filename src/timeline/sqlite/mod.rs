//! The embedded store, SQLite: one file that people can open with their own tools.

mod beside;
pub mod dead_letters;

pub use beside::{Beside, NotOpen};
