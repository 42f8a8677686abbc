//! First signal: drain; second: end.
