//! What nobody could understand: listed, shown, sent once more, and brought to a topic of its own.

mod listed;
mod redriven;
mod support;
mod topic;
mod whole_way;
