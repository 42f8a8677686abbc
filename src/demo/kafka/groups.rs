//! All consumer groups, and the clock that ends sessions and rebalances; a group without members costs nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use kafka_protocol::error::ResponseError;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::group::Group;
use super::member::Answer;
use super::topics::locked;

/// Groups that have members at the same time; each has at least one connection.
const MAX_GROUPS: usize = 128;

struct Watched {
    group: Group,
    /// Told when the group's next date may have moved to an earlier one.
    changed: Arc<Notify>,
}

/// The groups that have members now. Their committed offsets live elsewhere and longer.
#[derive(Default)]
pub(super) struct Groups {
    watched: Mutex<HashMap<String, Watched>>,
    /// One clock per group; they end with this.
    clocks: Mutex<JoinSet<()>>,
}

impl Groups {
    /// Runs `act` on a group, which is made where there is none.
    pub(super) fn join<T>(self: &Arc<Self>, name: &str, act: impl FnOnce(&mut Group) -> T) -> Result<T, ResponseError> {
        if name.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        let mut all = locked(&self.watched);
        if !all.contains_key(name) {
            if all.len() >= MAX_GROUPS {
                return Err(ResponseError::GroupMaxSizeReached);
            }
            let changed = Arc::new(Notify::new());
            all.insert(name.to_owned(), Watched { group: Group::new(), changed: Arc::clone(&changed) });
            let mut clocks = locked(&self.clocks);
            while clocks.try_join_next().is_some() {}
            clocks.spawn(watch(Arc::downgrade(self), name.to_owned(), changed));
        }
        let watched = all.get_mut(name).ok_or(ResponseError::InvalidGroupId)?;
        let result = act(&mut watched.group);
        watched.changed.notify_one();
        Ok(result)
    }

    /// Runs `act` on a group that has members.
    pub(super) fn with<T>(&self, name: &str, act: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let mut all = locked(&self.watched);
        let watched = all.get_mut(name)?;
        let result = act(&mut watched.group);
        watched.changed.notify_one();
        Some(result)
    }

    /// Runs `act` without telling the clock: for what can only move dates later, which is every heartbeat.
    pub(super) fn quietly<T>(&self, name: &str, act: impl FnOnce(&mut Group) -> T) -> Option<T> {
        locked(&self.watched).get_mut(name).map(|watched| act(&mut watched.group))
    }

    pub(super) fn names(&self) -> Vec<String> {
        locked(&self.watched).keys().cloned().collect()
    }

    /// Lets time act on a group; when nobody is left in it, it is dropped and its clock stops.
    fn tick(&self, name: &str) -> Option<Instant> {
        let mut all = locked(&self.watched);
        let watched = all.get_mut(name)?;
        let next = watched.group.tick(Instant::now());
        if watched.group.is_empty() {
            all.remove(name);
            return None;
        }
        next
    }
}

/// The clock of one group: sleeps until the group's next date, or until that has changed.
async fn watch(groups: Weak<Groups>, name: String, changed: Arc<Notify>) {
    loop {
        let Some(next) = groups.upgrade().and_then(|groups| groups.tick(&name)) else {
            return;
        };
        tokio::select! {
            () = sleep_until(next) => {}
            () = changed.notified() => {}
        }
    }
}

/// Waits for an answer that other members bring about; `None` when it was taken away from the one who asked.
pub(super) async fn answered<T>(answer: Answer<T>) -> Option<T> {
    match answer {
        Answer::Now(answer) => Some(answer),
        Answer::Later(receiver) => receiver.await.ok(),
    }
}
