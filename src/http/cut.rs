//! The demo's cut: an operator's streams break off in the middle, as with a pulled cable, and stay away for a while.
//!
//! A body that fails makes hyper drop its connection; that is the whole mechanism. Nothing of it is in the way of a
//! stream that is real.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{deliver::QueueBody, notification::AdminNo};

#[derive(Default)]
struct Line {
    cut_until: Option<Instant>,
    /// Cancelled for the streams that were open at the cut.
    cut: CancellationToken,
}

/// Whose lines are cut. A cheap clone.
#[derive(Clone, Default)]
pub struct Cuts(Arc<Mutex<HashMap<AdminNo, Line>>>);

/// This operator's line is cut for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOff;

impl Cuts {
    /// Breaks off what is open, and refuses what comes within this time.
    pub fn cut(&self, admin: AdminNo, time: Duration) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Line { cut_until: Some(Instant::now() + time), cut: CancellationToken::new() };
        if let Some(before) = lines.insert(admin, line) {
            before.cut.cancel();
        }
    }

    /// For a stream that opens: cancelled when it is to break off.
    pub fn line(&self, admin: AdminNo) -> Result<CancellationToken, CutOff> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(admin).or_default();
        if line.cut_until.is_some_and(|until| Instant::now() < until) { Err(CutOff) } else { Ok(line.cut.clone()) }
    }
}

/// A stream's body until it is cut.
struct Cuttable {
    body: Option<QueueBody>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// A body that breaks off at the cut.
pub fn cuttable(body: QueueBody, cut: CancellationToken) -> Body {
    Body::new(Cuttable { body: Some(body), cut: Box::pin(cut.cancelled_owned()) })
}

/// A body that breaks off at once: not even the head of the answer leaves.
pub fn broken() -> Body {
    let cut = CancellationToken::new();
    cut.cancel();
    Body::new(Cuttable { body: None, cut: Box::pin(cut.cancelled_owned()) })
}

impl http_body::Body for Cuttable {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            None => Poll::Ready(None),
        }
    }
}
