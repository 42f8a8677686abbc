//! Where a stream begins: whether the position that somebody brought is taken up, refused, or not yet known (D1).

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{
    goodbye::jittered,
    hello,
    session::{Over, Session},
};
use crate::{
    hub::{Frame, GapReason, Place},
    notification::{Position, Vector},
};

/// How long a position may wait for the leader's word before the listener is told that it is not yet known.
const WORD_OF_THE_LEADER: Duration = Duration::from_secs(2);
/// Between two tries to get it.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Where somebody wants to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nowhere: from now on.
    Newcomer,
    /// From the beginning of what memory has.
    Earliest,
    At(Position),
    /// Something that is no position.
    Malformed,
}

/// Said by whoever wants everything that memory has.
const EARLIEST: &str = "earliest";

impl Asked {
    /// As clients name it; nothing is nowhere.
    #[must_use]
    pub fn named(text: &str) -> Asked {
        match text {
            "" => Asked::Newcomer,
            EARLIEST => Asked::Earliest,
            text => Position::decode(text).map_or(Asked::Malformed, Asked::At),
        }
    }
}

impl Session {
    /// Says hello, and a gap if the position is refused; returns where the stream goes on.
    pub(super) async fn decide(&mut self, asked: &Asked, came: Timestamp, connected: Instant) -> Result<Vector, Over> {
        let mut said: Option<(&str, Instant)> = None;
        loop {
            let known = self.log.borrow_and_update().known;
            let decision = if known { self.judge(asked, came, connected).await } else { None };
            if let Some((place, refused)) = decision {
                self.listener.life = place.life;
                let recovered = match asked {
                    Asked::Newcomer | Asked::Earliest => None,
                    Asked::At(_) | Asked::Malformed => Some(refused.is_none()),
                };
                let position = refused.is_none().then(|| place.position().to_string());
                self.hello(position, recovered).await?;
                if let Some(reason) = refused {
                    self.gap(reason, &place).await?;
                }
                return Ok(place.next);
            }
            if !self.greeted {
                self.greeted = true;
                self.hello(None, None).await?;
            }
            let reason = match self.log.borrow().reason {
                "" => "kafka",
                reason => reason,
            };
            // Also a sign of life, for whoever waits long: there is no place yet that a beat could name.
            if said.is_none_or(|(before, at)| before != reason || at.elapsed() >= self.life.settings.heartbeat) {
                said = Some((reason, Instant::now()));
                self.send(self.dress(&Frame::status(false, reason))).await?;
            }
            self.wait_for_the_log(if known { ASK_AGAIN } else { self.life.settings.heartbeat }).await?;
        }
    }

    /// Whether a position is accepted. None: it can be neither accepted nor refused yet.
    async fn judge(&self, asked: &Asked, came: Timestamp, connected: Instant) -> Option<(Place, Option<GapReason>)> {
        let hub = self.shard.hub();
        let beginning = hub.beginning()?;
        let position = match asked {
            Asked::Newcomer if self.greeted => return Some((hub.since(came)?, None)),
            Asked::Newcomer => return Some((hub.here()?, None)),
            Asked::Earliest => return Some((beginning, None)),
            Asked::Malformed => return Some((self.life.past.instead(beginning), Some(GapReason::Unknown))),
            Asked::At(position) if position.epoch != beginning.epoch => {
                return Some((self.life.past.instead(beginning), Some(GapReason::Epoch)));
            }
            Asked::At(position) => position,
        };
        let here = hub.here()?;
        let all_within = async {
            for (partition, next) in position.next.iter().filter(|&(p, next)| next > here.next.get(p)) {
                if !hub.reaches(partition, next, connected).await? {
                    return Some(false);
                }
            }
            Some(true)
        };
        if !tokio::time::timeout(WORD_OF_THE_LEADER, all_within).await.ok().flatten()? {
            return Some((self.life.past.instead(beginning), Some(GapReason::Unknown)));
        }
        if !beginning.next.within(&position.next)
            && let Err((reason, place)) = self.life.past.reaches_back(&self.listener.viewer, position, &beginning).await
        {
            return Some((place, Some(reason)));
        }
        Some((Place { next: position.next.clone(), ..beginning }, None))
    }

    async fn hello(&mut self, position: Option<String>, recovered: Option<bool>) -> Result<(), Over> {
        let unread = self.life.past.unread(&self.listener.viewer).await;
        let settings = &self.life.settings;
        let retry = jittered(settings.retry);
        let frame = hello::frame(&self.listener.viewer, position, recovered, unread, settings.heartbeat, retry);
        self.send(self.dress(&frame)).await
    }
}
