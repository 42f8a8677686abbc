//! Somebody who listens: whose eyes, what of it they see, and where the frames go.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use tokio::sync::Notify;

use super::frame::{Coat, Frame, Wire};
use crate::notification::{Sight, Viewer};

/// Numbers the streams of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u64);

impl fmt::Display for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What became of frames that were offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It will be sent whole, or the connection ends.
    Taken,
    /// Nothing of it was taken: too much waits already.
    Full,
    /// Nobody is there any more.
    Gone,
}

/// Where frames leave: a bounded queue that a connection drains, later also a socket itself.
pub trait Outlet: Send {
    fn offer(&mut self, frame: Wire) -> Offer;

    /// Ready when there is room again; `Gone` when nobody is there any more.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Offer>;

    /// Nothing waits to be sent.
    fn is_empty(&self) -> bool;

    /// When something last left for the listener, or when the first of what waits was put there.
    fn last_progress(&self) -> Instant;

    /// Says goodbye, over the bound if need be, and ends.
    fn finish(&mut self, bye: Wire);

    /// What waits is not for the listener any more.
    fn forget(&mut self);
}

/// Reaches a listener wherever on its shard it is: live, or catching up.
#[derive(Default)]
pub struct Control {
    /// Rights that changed while it was catching up.
    pub(super) new_viewer: RefCell<Option<Arc<Viewer>>>,
    pub(super) bye: RefCell<Option<Frame>>,
    /// Its place in the shard's slab while it is live.
    pub(super) live_at: Cell<Option<usize>>,
    pub(super) gone: Cell<bool>,
    /// What it is told beside the log, while it is catching up.
    words: RefCell<Vec<Frame>>,
    wake: Notify,
}

/// Words that wait for one listener; of more the oldest are void: the next page, or the next count, says it all.
const WORDS: usize = 16;

impl Control {
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until there is something to take from here.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// The client is not there any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.get()
    }

    pub fn take_bye(&self) -> Option<Frame> {
        self.bye.borrow_mut().take()
    }

    pub(super) fn add_word(&self, word: Frame) {
        let mut words = self.words.borrow_mut();
        if words.len() == WORDS {
            words.remove(0);
        }
        words.push(word);
        drop(words);
        self.wake();
    }

    #[must_use]
    pub fn has_words(&self) -> bool {
        !self.words.borrow().is_empty()
    }

    pub fn take_words(&self) -> Vec<Frame> {
        self.words.take()
    }

    pub fn take_viewer(&self) -> Option<Arc<Viewer>> {
        self.new_viewer.borrow_mut().take()
    }
}

/// A listener, whatever it is doing. It belongs to one shard for its whole life.
pub struct Listener {
    pub id: ListenerId,
    pub viewer: Arc<Viewer>,
    pub sight: Sight,
    pub coat: &'static dyn Coat,
    pub outlet: Box<dyn Outlet>,
    pub control: Rc<Control>,
    /// Which life of the log its position belongs to (see [`super::Hub`]).
    pub life: u64,
    /// Dropped with the listener: seats, counters, permits.
    pub guard: Box<dyn Any + Send>,
}

impl Listener {
    /// Other rights; the language that was asked for stays.
    pub fn see_as(&mut self, viewer: Arc<Viewer>) {
        self.sight = Sight::of(&viewer, Some(self.sight.lang));
        self.viewer = viewer;
    }
}
