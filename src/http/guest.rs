//! Who may listen, whatever the transport: a page that may come in, a token or a ticket, and a place in the crowd.

use std::{net::IpAddr, sync::Arc};

use http::request::Parts;
use tokio_util::sync::CancellationToken;

use super::{
    Doors, caller::Caller, cut::CutOff, extract, origin::Page, problem::Problem, proof::Proof, recheck::Watched,
};
use crate::{
    deliver::{Arrival, Asked, Goodbye, Overloaded, Progress, QueueBody, queue},
    hub::{Coat, Command, ListenerId, Outlet, ShardHandle},
    identity::{Moment, Token},
    notification::{Lang, Viewer},
};

/// Somebody who may come in.
pub struct Guest {
    viewer: Arc<Viewer>,
    lang: Option<Lang>,
    proof: Proof,
    /// When his rights were asked for.
    since: Moment,
    /// Where new streams are counted by it.
    address: Option<IpAddr>,
    /// In the demo: cancelled when his line is cut.
    pub line: Option<CancellationToken>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// What is wrong is his to mend.
    Away(Problem),
    /// He shall come back.
    Later(Goodbye),
    /// In the demo: his line is cut for now.
    Cut,
}

impl From<Problem> for Turned {
    fn from(problem: Problem) -> Turned {
        match problem {
            Problem::AccountsUnavailable => Turned::Later(Goodbye::Accounts),
            Problem::Overload => Turned::Later(Goodbye::Overload),
            problem => Turned::Away(problem),
        }
    }
}

impl From<Overloaded> for Turned {
    fn from(_: Overloaded) -> Turned {
        Turned::Later(Goodbye::Overload)
    }
}

impl Guest {
    pub async fn of(parts: &Parts, doors: &Doors) -> Result<Guest, Turned> {
        let caller = parts.extensions.get::<Caller>();
        if caller.is_some_and(|caller| caller.surplus) {
            return Err(Turned::Later(Goodbye::Overload));
        }
        let page = Page::of(&parts.headers, &doors.settings.allowed_origins)?;
        let lang = extract::lang(&parts.uri)?;
        let proof = Proof::of(parts, &page, doors)?;
        if doors.streams.is_draining() {
            return Err(Turned::Later(Goodbye::Restart { window: doors.streams.settings().drain_window }));
        }
        let since = doors.identity.now();
        let viewer = proof.viewer(doors).await?;
        let line = doors.demo.as_ref().map(|demo| demo.cuts.line(viewer.admin)).transpose();
        let line = line.map_err(|CutOff| Turned::Cut)?;
        let address = caller.and_then(|caller| doors.limits.address(caller.peer, &parts.headers));
        Ok(Guest { viewer, lang, proof, since, address, line })
    }

    /// Uses up his ticket and takes a place; what he is told comes out of the queue.
    pub fn enter(self, coat: &'static dyn Coat, doors: &Doors) -> Result<(Coming, QueueBody), Turned> {
        let Guest { viewer, lang, proof, since, address, .. } = self;
        proof.spend(&viewer, doors)?;
        // Only behind it: a used ticket, found in some log, could else keep its operator out.
        if !doors.limits.allow(viewer.admin, address) {
            return Err(Turned::Later(Goodbye::Overload));
        }
        let (id, shard) = doors.streams.place();
        let tell_gone = shard.clone();
        let gone = move || {
            // A full inbox loses this word; the next beat finds out.
            let _ = tell_gone.tell(Command::Gone(id));
        };
        let settings = doors.streams.settings();
        let (outlet, body, progress) = queue(settings.queue_frames, settings.queue_bytes, gone);
        let outlet = Box::new(outlet);
        Ok((Coming { id, shard, viewer, lang, token: proof.token, since, coat, outlet, progress }, body))
    }
}

/// Somebody who is in, and has yet to say where he goes on.
pub struct Coming {
    id: ListenerId,
    shard: ShardHandle,
    viewer: Arc<Viewer>,
    lang: Option<Lang>,
    token: Token,
    since: Moment,
    coat: &'static dyn Coat,
    outlet: Box<dyn Outlet>,
    progress: Progress,
}

impl Coming {
    /// His rights may have ended, or become others, while he was silent.
    pub async fn look_again(&mut self, doors: &Doors) -> Result<(), Turned> {
        let since = doors.identity.now();
        let now = doors.identity.who(&self.token).await.map_err(Problem::from)?;
        if now.admin != self.viewer.admin {
            return Err(Problem::BadToken.into());
        }
        (self.viewer, self.since) = (now, since);
        Ok(())
    }

    pub fn begin(self, asked: Asked, doors: &Doors) -> Result<(), Overloaded> {
        let Coming { id, shard, viewer, lang, token, since, coat, outlet, progress } = self;
        let watched = Watched { id, shard: shard.clone(), token, viewer: Arc::clone(&viewer) };
        let guard = Box::new(doors.recheck.watch(watched));
        doors.streams.open(Arrival { id, viewer, lang, coat, outlet, asked, guard }, &shard, progress)?;
        doors.recheck.opened(id, since);
        Ok(())
    }
}
