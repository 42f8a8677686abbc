//! One notification's frames: rendered once per sight and dressed once per transport, when somebody first wants them.

use bytes::Bytes;

use super::frame::{Coat, Kind, Wire};
use crate::notification::{Catalogue, Notification, Position, Prepared, Sight, State, Unreadable};

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
    /// None until wanted. A body that is unreadable then is shown to nobody, on any way.
    prepared: Option<Result<Prepared, Unreadable>>,
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

    /// How often a body had to be made.
    #[must_use]
    pub fn renderings(&self) -> u64 {
        self.renderings
    }

    /// What is wrong with the body, for whoever is the first to find out.
    #[must_use]
    pub fn unreadable(&self) -> Option<&Unreadable> {
        let error = self.prepared.as_ref()?.as_ref().err()?;
        self.notification.found_unreadable().then_some(error)
    }

    fn prepared(&mut self) -> Option<&Prepared> {
        let (notification, catalogue) = (self.notification, self.catalogue);
        self.prepared.get_or_insert_with(|| Prepared::new(notification, catalogue)).as_ref().ok()
    }

    /// Where it is the state of a job, running or its end: what decides which of them is the newest.
    pub fn state_of_a_job(&mut self) -> Option<State> {
        self.prepared().filter(|prepared| prepared.is_of_a_job()).map(Prepared::state)
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
