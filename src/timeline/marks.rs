//! What of it an operator has read: a watermark per log, later starts for rights gained later, and single exceptions.
//!
//! Everything is merged by maximum, so the order and the repeats of what is marked do not matter (D10).

use std::collections::HashMap;

use crate::notification::{Coordinates, Epoch, Term, Vector};

/// A place in each log: what is before it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watermarks(pub HashMap<Epoch, Vector>);

impl Watermarks {
    #[must_use]
    pub fn is_behind(&self, at: Coordinates) -> bool {
        at.offset < self.next(at.epoch, at.partition)
    }

    #[must_use]
    pub fn next(&self, epoch: Epoch, partition: usize) -> u64 {
        self.0.get(&epoch).map_or(0, |next| next.get(partition))
    }

    pub fn raise(&mut self, epoch: Epoch, next: &Vector) {
        self.0.entry(epoch).or_default().raise(next);
    }

    /// The partition ends there now: what comes behind it is new, and nobody has read it. True: that changed something.
    pub fn cut(&mut self, epoch: Epoch, partition: usize, end: u64) -> bool {
        let Some(next) = self.0.get_mut(&epoch).filter(|next| next.get(partition) > end) else { return false };
        next.set(partition, end);
        // The same place has one form: no zeros at the end.
        let mut shortest = Vector::default();
        shortest.raise(next);
        *next = shortest;
        true
    }
}

/// Without the exceptions, of which there may be many: those are asked for one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    pub read: Watermarks,
    /// Rights that came after the first sight.
    pub starts: HashMap<Term, Watermarks>,
}

impl Marks {
    /// From which offset on what reaches through this term is unread.
    #[must_use]
    pub fn start(&self, term: Term, epoch: Epoch, partition: usize) -> u64 {
        let since = self.starts.get(&term).map_or(0, |start| start.next(epoch, partition));
        since.max(self.read.next(epoch, partition))
    }

    /// Whether it counts as read, by all the terms through which it is seen, without an exception.
    #[must_use]
    pub fn is_read(&self, at: Coordinates, through: &[Term]) -> bool {
        through.iter().all(|&term| at.offset < self.start(term, at.epoch, at.partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_through_an_older_right_too_is_unread() {
        let mut marks = Marks::default();
        marks.read.raise(Epoch(1), &Vector::new(vec![5]));
        marks.read.raise(Epoch(1), &Vector::new(vec![3, 7]));
        let mall: Term = "mall:7".parse().unwrap();
        marks.starts.entry(mall).or_default().raise(Epoch(1), &Vector::new(vec![9]));
        let at = |epoch, partition, offset| Coordinates { epoch: Epoch(epoch), partition, offset };
        let table: [(Coordinates, &[Term], bool); 7] = [
            (at(1, 0, 4), &[Term::Everyone], true),
            (at(1, 0, 5), &[Term::Everyone], false),
            (at(1, 0, 8), &[mall], true),
            (at(1, 0, 9), &[mall], false),
            (at(1, 0, 8), &[mall, Term::Everyone], false),
            (at(1, 1, 6), &[mall, Term::Everyone], true),
            (at(2, 0, 0), &[Term::Everyone], false),
        ];
        for (at, through, read) in table {
            assert_eq!(marks.is_read(at, through), read, "{at:?} {through:?}");
        }
    }
}
