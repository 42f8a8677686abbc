//! Jobs while a listener catches up: of the running ones the newest state is kept back, and told when all else is.

use std::collections::HashMap;

use crate::{
    hub::Item,
    notification::{MallNo, State, Verdict},
};

/// Which job of which mall.
type Key = (Option<MallNo>, String);

/// What one catch-up has met of jobs. It forgets with the catch-up: afterwards its client knows what it shows.
#[derive(Default)]
pub struct Jobs {
    /// The newest state of each, told or not.
    known: HashMap<Key, State>,
    /// Running ones yet to be told, the one that moved last at the end.
    waiting: Vec<(Option<Key>, Item)>,
}

impl Jobs {
    /// Takes a state. What it gives back is the end of a job, an ordinary notification that has to be sent now.
    pub fn take(&mut self, state: State, item: Item) -> Option<Item> {
        let running = state.running;
        let key = state.key.clone().map(|key| (state.mall, key));
        if let Some(key) = &key {
            if self.known.get(key).is_some_and(|known| state.meets(known) == Verdict::Late) {
                return Some(item).filter(|_| !running);
            }
            self.waiting.retain(|(of, _)| of.as_ref() != Some(key));
            self.known.insert(key.clone(), state);
        }
        if running {
            self.waiting.push((key, item));
            return None;
        }
        Some(item)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The running ones, to be told now.
    pub fn take_waiting(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.waiting).into_iter().map(|(_, item)| item).collect()
    }
}
