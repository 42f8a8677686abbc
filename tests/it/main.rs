//! What Allim does, as one test binary: a folder per part.

mod words;
