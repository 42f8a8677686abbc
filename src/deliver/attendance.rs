//! Who sits where: at most so many streams of one operator; the next one takes the place of the deadest, else the oldest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    hub::{ListenerId, ShardHandle},
    notification::AdminNo,
};

/// Tells since when something has waited for a stream's client without moving; None when nothing waits.
pub type Progress = Box<dyn Fn() -> Option<Instant> + Send>;

/// A stream whose frames have not moved for so long is taken for dead before a healthy one is.
const SILENT: Duration = Duration::from_secs(5);

struct Taken {
    id: ListenerId,
    shard: ShardHandle,
    progress: Progress,
}

type Seats = HashMap<AdminNo, Vec<Taken>>;

#[derive(Clone)]
pub struct Attendance {
    seats: Arc<Mutex<Seats>>,
    most: usize,
}

/// Held by a stream for its whole life; dropping it frees the place.
pub struct Seat {
    attendance: Attendance,
    admin: AdminNo,
    id: ListenerId,
}

impl Attendance {
    pub fn new(most: usize) -> Attendance {
        Attendance { seats: Arc::default(), most }
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat; a stream that has to go for it is named.
    pub fn sit(
        &self,
        admin: AdminNo,
        id: ListenerId,
        shard: ShardHandle,
        progress: Progress,
    ) -> (Seat, Option<(ListenerId, ShardHandle)>) {
        let mut seats = self.seats();
        let of_admin = seats.entry(admin).or_default();
        let mut replaced = None;
        if of_admin.len() >= self.most.max(1) {
            let stuck = |taken: &Taken| (taken.progress)().filter(|since| since.elapsed() > SILENT);
            let deadest = of_admin.iter().enumerate().filter_map(|(i, t)| Some((stuck(t)?, i))).min();
            let gone = of_admin.remove(deadest.map_or(0, |(_, i)| i));
            replaced = Some((gone.id, gone.shard));
        }
        of_admin.push(Taken { id, shard, progress });
        (Seat { attendance: self.clone(), admin, id }, replaced)
    }

    /// Whether nobody has taken its seat.
    pub fn sits(&self, admin: AdminNo, id: ListenerId) -> bool {
        self.seats().get(&admin).is_some_and(|of_admin| of_admin.iter().any(|taken| taken.id == id))
    }

    /// The streams of one operator.
    pub fn of(&self, admin: AdminNo) -> Vec<(ListenerId, ShardHandle)> {
        let seats = self.seats();
        seats.get(&admin).into_iter().flatten().map(|taken| (taken.id, taken.shard.clone())).collect()
    }

    pub fn count(&self) -> usize {
        self.seats().values().map(Vec::len).sum()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.attendance.seats();
        if let Some(of_admin) = seats.get_mut(&self.admin) {
            of_admin.retain(|taken| taken.id != self.id);
            if of_admin.is_empty() {
                seats.remove(&self.admin);
            }
        }
    }
}
