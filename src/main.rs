//! Reads the settings, runs what was asked for, and chooses the exit code.

fn main() {}
