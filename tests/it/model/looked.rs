//! What a run looked at: one that looked at nothing proves nothing.

use std::{collections::BTreeMap, fmt, io::Write};

/// How often each thing happened, over all worlds of a run.
#[derive(Debug, Clone, Default)]
pub struct Looked(BTreeMap<&'static str, u64>);

impl Looked {
    pub fn at(&mut self, what: &'static str) {
        self.times(what, 1);
    }

    pub fn times(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }

    /// Said also where a test that passes says nothing.
    pub fn report(&self, worlds: &str) {
        let _ = writeln!(std::io::stderr(), "{worlds}: {self}");
    }

    /// Fails a run that did not look often enough.
    pub fn at_least(&self, times: u64, what: &[&str]) {
        for what in what {
            let looked = self.0.get(what).copied().unwrap_or_default();
            assert!(looked >= times, "the run looked at little: {what} {looked} times of {times}; {self}");
        }
    }
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<String> = self.0.iter().map(|(what, times)| format!("{what} {times}")).collect();
        f.write_str(&each.join(", "))
    }
}
