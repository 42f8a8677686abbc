//! Who is concerned: audience term → sight → listeners. The cost of a notification is the number of those who get it.

use std::collections::HashMap;

use crate::notification::{Audience, Sight, Term, Viewer};

/// A listener's place in its shard's slab.
pub type Key = usize;

/// The live listeners of one shard, by what may concern them.
#[derive(Debug, Default)]
pub struct Index(HashMap<Term, HashMap<Sight, Vec<Key>>>);

impl Index {
    pub fn add(&mut self, key: Key, viewer: &Viewer, sight: Sight) {
        for term in viewer.terms() {
            self.0.entry(term).or_default().entry(sight).or_default().push(key);
        }
    }

    /// With the very viewer and sight it was added with.
    pub fn remove(&mut self, key: Key, viewer: &Viewer, sight: Sight) {
        for term in viewer.terms() {
            let Some(sights) = self.0.get_mut(&term) else { continue };
            if let Some(keys) = sights.get_mut(&sight) {
                if let Some(i) = keys.iter().position(|&k| k == key) {
                    keys.swap_remove(i);
                }
                if keys.is_empty() {
                    sights.remove(&sight);
                }
            }
            if sights.is_empty() {
                self.0.remove(&term);
            }
        }
    }

    /// Candidates, by sight; who is in two terms of the union comes twice.
    pub fn candidates<'a>(&'a self, audience: &'a Audience) -> impl Iterator<Item = (Sight, &'a [Key])> + 'a {
        let sights = audience.terms().iter().filter_map(|term| self.0.get(term));
        sights.flatten().map(|(&sight, keys)| (sight, keys.as_slice()))
    }
}
