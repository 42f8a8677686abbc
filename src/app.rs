//! Builds every station and joins them; starts and drains in order; the only file that knows all.
