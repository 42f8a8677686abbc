//! The kept way: who was away for days finds everything, and whoever comes back continues without hole or repeat.

mod coming_back;
mod lists;
mod trouble;
