//! What we see: every metric with its sentence, the log, and whether we are ready.
