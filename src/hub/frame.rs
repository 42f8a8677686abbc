//! What a listener is sent, free of transport, and the coat that a transport puts around it.

use std::time::Duration;

use bytes::Bytes;

/// The kinds of frame: SSE's `event:`, WebSocket's `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Hello,
    Notification,
    Job,
    Gap,
    Status,
    Read,
    Beat,
    Bye(ByeReason),
}

impl Kind {
    /// The name on the wire and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Hello => "hello",
            Kind::Notification => "notification",
            Kind::Job => "job",
            Kind::Gap => "gap",
            Kind::Status => "status",
            Kind::Read => "read",
            Kind::Beat => "beat",
            Kind::Bye(_) => "bye",
        }
    }
}

/// Why a listener may have missed something that cannot be given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// Older than what is remembered.
    Retention,
    /// Another log: the topic or the cluster is a new one.
    Epoch,
    /// The log became shorter than what we had read of it.
    Truncated,
    /// A position that this log never gave out.
    Unknown,
    /// The viewer's rights changed: what is on the screen may be too much or too little.
    Scope,
    /// More was missed than a stream brings.
    TooMany,
    /// It is neither remembered any more nor recorded yet, or the timeline does not answer.
    Store,
    /// It went from Kafka before it was recorded.
    Lost,
}

/// Whether there is a list that says what a gap has left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// There is no timeline.
    None,
    /// It is complete.
    Now,
    /// It will be: a `status` with `kept` says when.
    Later,
}

impl GapReason {
    /// The word on the wire and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            GapReason::Retention => "retention",
            GapReason::Epoch => "epoch",
            GapReason::Truncated => "truncated",
            GapReason::Unknown => "unknown",
            GapReason::Scope => "scope",
            GapReason::TooMany => "tooMany",
            GapReason::Store => "store",
            GapReason::Lost => "lost",
        }
    }
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByeReason {
    /// The node stops.
    Restart,
    /// Too much to do.
    Overload,
    /// The account service is ill, and the token unknown.
    Accounts,
    /// It read nothing for too long.
    Slow,
    /// The token ended.
    Expired,
    /// The account service does not know the token any more.
    Revoked,
    /// One stream too many of one operator.
    Replaced,
}

impl ByeReason {
    /// The word on the wire and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ByeReason::Restart => "restart",
            ByeReason::Overload => "overload",
            ByeReason::Accounts => "accounts",
            ByeReason::Slow => "slow",
            ByeReason::Expired => "expired",
            ByeReason::Revoked => "revoked",
            ByeReason::Replaced => "replaced",
        }
    }
}

/// One thing to tell a listener.
#[derive(Debug, Clone)]
pub struct Frame {
    pub kind: Kind,
    /// Where the listener stands once it has this frame; None leaves its place as it was.
    pub position: Option<String>,
    /// JSON on one line.
    pub body: Bytes,
    /// How long a client shall wait before it comes back, should the connection end.
    pub retry: Option<Duration>,
}

/// A frame in the bytes of a transport: what is the listener's own, then what all of its kind share.
#[derive(Debug, Clone)]
pub struct Wire {
    pub kind: Kind,
    pub head: Bytes,
    pub body: Bytes,
}

impl Wire {
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a transport dresses frames. The body is made once and shared; the head carries the position.
pub trait Coat: Send + Sync {
    /// Names the transport: frames dressed by coats of one name are the same bytes.
    fn name(&self) -> &'static str;

    /// The part that does not depend on the listener's place.
    fn body(&self, kind: Kind, json: &[u8], retry: Option<Duration>) -> Bytes;

    /// The part that does.
    fn head(&self, kind: Kind, position: Option<&str>, body: &Bytes) -> Bytes;

    /// Head and body in one piece, for whoever sends the same to many.
    fn dress(&self, frame: &Frame) -> Wire {
        let body = self.body(frame.kind, &frame.body, frame.retry);
        let head = self.head(frame.kind, frame.position.as_deref(), &body);
        Wire { kind: frame.kind, head: Bytes::new(), body: [head, body].concat().into() }
    }
}

impl Frame {
    /// Why it is the last one; None for all others.
    #[must_use]
    pub fn bye(&self) -> Option<ByeReason> {
        if let Kind::Bye(reason) = self.kind { Some(reason) } else { None }
    }

    /// Whether it is the goodbye to somebody whose rights have ended.
    #[must_use]
    pub fn ends_rights(&self) -> bool {
        matches!(self.bye(), Some(ByeReason::Expired | ByeReason::Revoked))
    }

    /// Something was missed; the stream goes on at `position`, and the list has the rest.
    #[must_use]
    pub fn gap(reason: GapReason, position: String, list: List) -> Frame {
        let list = match list {
            List::None => "",
            List::Now => r#","link":"/timeline""#,
            List::Later => r#","link":"/timeline","list":"later""#,
        };
        let body = format!(r#"{{"reason":"{}"{list}}}"#, reason.name()).into();
        Frame { kind: Kind::Gap, position: Some(position), body, retry: None }
    }

    /// Whether what comes is all there is, or why it may not be.
    #[must_use]
    pub fn status(live: bool, reason: &str) -> Frame {
        let body =
            if live { r#"{"live":true}"#.into() } else { format!(r#"{{"live":false,"reason":"{reason}"}}"#).into() };
        Frame { kind: Kind::Status, position: None, body, retry: None }
    }

    /// What a gap called for later is in the list now.
    #[must_use]
    pub fn kept() -> Frame {
        Frame { kind: Kind::Status, position: None, body: r#"{"kept":true}"#.into(), retry: None }
    }

    /// What the viewer has read changed: `body` is a JSON object on one line.
    #[must_use]
    pub fn read(body: Bytes) -> Frame {
        Frame { kind: Kind::Read, position: None, body, retry: None }
    }

    /// Still here, and everything up to `position` has been sent.
    #[must_use]
    pub fn beat(position: String) -> Frame {
        Frame { kind: Kind::Beat, position: Some(position), body: "{}".into(), retry: None }
    }
}
