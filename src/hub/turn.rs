//! One notification's frames: rendered once per sight and dressed once per transport, when somebody first wants them.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::frame::{Coat, Kind, Wire};
use crate::{
    notification::{Catalogue, Notification, Position, Prepared, Sight, Unreadable},
    telemetry::Metrics,
};

/// Many find out about one record, and a broken producer sends thousands: the log has one line per reason and minute.
const COMPLAINED_EVERY: Duration = Duration::from_secs(60);

fn complain(error: Unreadable, notification: &Notification) {
    static SPOKEN: Mutex<Vec<(&'static str, Instant)>> = Mutex::new(Vec::new());
    let (reason, now) = (error.code(), Instant::now());
    let mut spoken = SPOKEN.lock().unwrap_or_else(PoisonError::into_inner);
    spoken.retain(|(_, at)| now.duration_since(*at) < COMPLAINED_EVERY);
    if spoken.iter().all(|(known, _)| *known != reason) {
        spoken.push((reason, now));
        tracing::warn!(reason, notification.id = %notification.id, "a record turned out to be unreadable: {error}");
    }
}

struct Dressed {
    coat: &'static str,
    sight: Sight,
    body: Bytes,
    /// With the position of the many, in one piece.
    shared: Option<Wire>,
}

/// Lives for one announcement on one shard, or for one notification on its way to somebody who catches up.
pub struct Turn<'a> {
    notification: &'a Notification,
    catalogue: &'a Catalogue,
    /// None until wanted; `Some(None)` once it turned out to be unreadable.
    prepared: Option<Option<Prepared>>,
    dressed: Vec<Dressed>,
    position: Option<String>,
    renderings: u64,
}

impl<'a> Turn<'a> {
    #[must_use]
    pub fn new(notification: &'a Notification, catalogue: &'a Catalogue) -> Turn<'a> {
        Turn { notification, catalogue, prepared: None, dressed: Vec::new(), position: None, renderings: 0 }
    }

    #[must_use]
    pub fn notification(&self) -> &'a Notification {
        self.notification
    }

    /// Counts what the turn cost. A body that turned out unreadable when first wanted is shown to nobody, on any way.
    pub fn settle(&self, metrics: &Metrics) {
        metrics.frames_encoded.inc_by(self.renderings);
        if matches!(self.prepared, Some(None)) && self.notification.found_unreadable() {
            metrics.unreadable_later.inc();
        }
    }

    fn prepared(&mut self) -> Option<&Prepared> {
        let (notification, catalogue) = (self.notification, self.catalogue);
        self.prepared
            .get_or_insert_with(|| match Prepared::new(notification, catalogue) {
                Ok(prepared) => Some(prepared),
                Err(error) => {
                    complain(error, notification);
                    None
                }
            })
            .as_ref()
    }

    /// Whether it is the state of a running job, and what it replaces on the screen.
    pub fn job(&mut self) -> (bool, Option<String>) {
        self.prepared().map_or((false, None), |prepared| (prepared.is_job(), prepared.collapse_key()))
    }

    /// None for what cannot be read.
    pub fn kind(&mut self) -> Option<Kind> {
        Some(if self.prepared()?.is_job() { Kind::Job } else { Kind::Notification })
    }

    fn dressed(&mut self, coat: &'static dyn Coat, sight: Sight) -> Option<usize> {
        let kind = self.kind()?;
        let reduced = self.prepared()?.reduce(sight);
        let same = |d: &Dressed| d.coat == coat.name() && d.sight == reduced;
        if let Some(i) = self.dressed.iter().position(same) {
            return Some(i);
        }
        let json = self.prepared()?.json(reduced);
        self.renderings += 1;
        let body = coat.body(kind, json.as_bytes(), None);
        self.dressed.push(Dressed { coat: coat.name(), sight: reduced, body, shared: None });
        Some(self.dressed.len() - 1)
    }

    /// For everybody who stands where the node stands: `position` is the same in every call.
    pub fn shared(&mut self, coat: &'static dyn Coat, sight: Sight, position: impl Fn() -> Position) -> Option<Wire> {
        let i = self.dressed(coat, sight)?;
        if let Some(wire) = &self.dressed[i].shared {
            return Some(wire.clone());
        }
        let kind = self.kind()?;
        let id = self.position.get_or_insert_with(|| position().to_string());
        let body = &self.dressed[i].body;
        let head = coat.head(kind, (kind != Kind::Job).then_some(id.as_str()), body);
        let wire = Wire { kind, head: Bytes::new(), body: [head.as_ref(), body.as_ref()].concat().into() };
        self.dressed[i].shared = Some(wire.clone());
        Some(wire)
    }

    /// For somebody with a place of its own: the body is shared, the head is not.
    pub fn own(&mut self, coat: &'static dyn Coat, sight: Sight, position: &Position) -> Option<Wire> {
        let i = self.dressed(coat, sight)?;
        let kind = self.kind()?;
        let body = self.dressed[i].body.clone();
        let id = (kind != Kind::Job).then(|| position.to_string());
        Some(Wire { kind, head: coat.head(kind, id.as_deref(), &body), body })
    }
}
