//! The small broker, asked by clients that know nothing of it, and by one that says what no client would.

mod administration;
mod faults;
mod groups;
mod raw;
mod records;
mod restarts;
mod strangers;
mod support;
