//! An outlet that is a bounded queue: a shard fills it, the connection's task drains it as the body of a response.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::attendance::Progress;
use crate::hub::{Offer, Outlet, Wire};

struct State {
    pieces: VecDeque<Bytes>,
    frames: usize,
    bytes: usize,
    /// The length of the frame that did not fit: room is what it fits into.
    refused: usize,
    finished: bool,
    gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    last_progress: Instant,
}

struct Shared {
    state: Mutex<State>,
    most_frames: usize,
    most_bytes: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One frame always fits into an empty queue, however large it is.
    fn has_room(&self, state: &State, len: usize) -> bool {
        state.frames == 0 || (state.frames < self.most_frames && state.bytes + len <= self.most_bytes)
    }
}

impl State {
    fn push(&mut self, wire: Wire) {
        if self.frames == 0 {
            self.last_progress = Instant::now();
        }
        self.frames += 1;
        self.bytes += wire.len();
        self.refused = 0;
        if !wire.head.is_empty() {
            self.pieces.push_back(wire.head);
        }
        self.pieces.push_back(wire.body);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// The writing end.
pub struct QueueOutlet(Arc<Shared>);

/// The reading end, a response's body. Its drop tells the shard that the client is gone.
pub struct QueueBody {
    shared: Arc<Shared>,
    gone: Option<Box<dyn FnOnce() + Send + Sync>>,
}

/// Both ends of a queue, and a look at its progress. `gone` is called when the client goes before the stream has ended.
#[must_use]
pub fn queue(
    most_frames: usize,
    most_bytes: usize,
    gone: impl FnOnce() + Send + Sync + 'static,
) -> (QueueOutlet, QueueBody, Progress) {
    let state = State {
        pieces: VecDeque::new(),
        frames: 0,
        bytes: 0,
        refused: 0,
        finished: false,
        gone: false,
        reader: None,
        writer: None,
        last_progress: Instant::now(),
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), most_frames, most_bytes });
    let watched = Arc::clone(&shared);
    let progress = move || {
        let state = watched.state();
        (state.frames > 0).then_some(state.last_progress)
    };
    let body = QueueBody { shared: Arc::clone(&shared), gone: Some(Box::new(gone)) };
    (QueueOutlet(shared), body, Box::new(progress))
}

impl Outlet for QueueOutlet {
    fn offer(&mut self, frame: Wire) -> Offer {
        let mut state = self.0.state();
        if state.gone {
            return Offer::Gone;
        }
        if !self.0.has_room(&state, frame.len()) {
            state.refused = frame.len();
            return Offer::Full;
        }
        state.push(frame);
        Offer::Taken
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Offer> {
        let mut state = self.0.state();
        if state.gone {
            return Poll::Ready(Offer::Gone);
        }
        // Half of the bound, so that a slow reader is not served frame by frame. A frame that still does not fit then
        // waits on: told of room, its sender would only be refused again, at once and without end.
        let half = state.frames <= self.0.most_frames / 2 && state.bytes <= self.0.most_bytes / 2;
        if half && self.0.has_room(&state, state.refused) {
            return Poll::Ready(Offer::Taken);
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn is_empty(&self) -> bool {
        self.0.state().frames == 0
    }

    fn last_progress(&self) -> Instant {
        self.0.state().last_progress
    }

    fn finish(&mut self, bye: Wire) {
        let mut state = self.0.state();
        state.push(bye);
        state.finished = true;
    }

    fn forget(&mut self) {
        let mut state = self.0.state();
        state.pieces.clear();
        (state.frames, state.bytes) = (0, 0);
    }
}

impl Drop for QueueOutlet {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.finished = true;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }
}

impl Body for QueueBody {
    type Data = Bytes;
    type Error = Infallible;

    /// Everything that waits leaves as one piece: one chunk, one write.
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut state = self.shared.state();
        if state.pieces.is_empty() {
            if state.finished {
                return Poll::Ready(None);
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let data = match state.pieces.len() {
            1 => state.pieces.pop_front().unwrap_or_default(),
            _ => {
                let mut all = Vec::with_capacity(state.bytes);
                state.pieces.drain(..).for_each(|piece| all.extend_from_slice(&piece));
                all.into()
            }
        };
        state.frames = 0;
        state.bytes = 0;
        state.last_progress = Instant::now();
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

impl Drop for QueueBody {
    fn drop(&mut self) {
        let ended = {
            let mut state = self.shared.state();
            state.gone = true;
            if let Some(writer) = state.writer.take() {
                writer.wake();
            }
            state.finished
        };
        if let (false, Some(gone)) = (ended, self.gone.take()) {
            gone();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use http_body_util::BodyExt;

    use super::*;
    use crate::hub::Kind;

    fn wire(text: &'static str) -> Wire {
        Wire {
            kind: Kind::Notification,
            head: Bytes::from_static(b"id: x\n"),
            body: Bytes::from_static(text.as_bytes()),
        }
    }

    /// Whoever reads slowly and is logged out does not read on.
    #[test]
    fn what_waits_is_forgotten_and_the_goodbye_is_not() {
        let (mut outlet, mut body, _) = queue(2, 1024, || ());
        assert!(matches!(outlet.offer(wire("one")), Offer::Taken));
        assert!(matches!(outlet.offer(wire("two")), Offer::Taken));
        assert!(matches!(outlet.offer(wire("three")), Offer::Full));
        outlet.forget();
        outlet.finish(wire("bye"));
        let mut read = || body.frame().now_or_never().unwrap().map(|frame| frame.unwrap().into_data().unwrap());
        assert_eq!(read().unwrap(), "id: x\nbye");
        assert_eq!(read(), None);
    }
}
