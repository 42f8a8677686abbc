//! The words: who sees what, how it reads, and what is refused.

mod catalogue;
