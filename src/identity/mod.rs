//! Who is asking: a token becomes a viewer, or the reason why not.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::Semaphore,
    time::{Instant as Deadline, timeout_at},
};

mod account_service;
mod answer;
mod cache;
mod cluster_key;
mod ledger;
mod publishers;
mod signal;
pub mod tickets;
mod token;

pub use account_service::CannotAsk;
pub use cluster_key::ClusterKey;
pub use ledger::Moment;
pub use publishers::{Malls, NotAllowed, Publisher, Publishers};
pub use signal::{Hears, NotASignal, Signal, SignalsAre};
pub use tickets::Tickets;
pub use token::{NotAHash, NotAToken, Token, TokenHash};

use account_service::{AccountService, Failed};
use cache::{Cache, Known};

use crate::{
    notification::{AdminNo, Viewer},
    telemetry::Metrics,
};

/// What the station needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Asked with the token in `token_header`.
    pub accounts_url: String,
    /// The header that carries the token to the account service; `Authorization` sends `Bearer …`, any other the bare token.
    pub token_header: String,
    /// The cookie that browsers send us.
    pub token_cookie: String,
    /// Where in the answer each field stands (JSON pointers).
    pub pointers: Pointers,
    /// How long an answer serves without asking again.
    pub fresh: Duration,
    /// How long it serves while the account service is ill.
    pub stale: Duration,
    /// How long a refusal is remembered, in a cache of its own so that bad tokens push out no good one.
    pub refused: Duration,
    /// One look-up; a person waits behind it.
    pub timeout: Duration,
    /// Look-ups at once: what an ill account service can bind of us, and we of it.
    pub concurrent: usize,
    /// Tokens remembered.
    pub remembered: u64,
}

/// JSON pointers into the account service's answer.
#[derive(Debug, Clone)]
pub struct Pointers {
    pub admin_no: String,
    pub name: String,
    pub status: String,
    /// An array of malls or one mall object.
    pub malls: String,
    /// Within one mall.
    pub mall_no: String,
    /// Null or absent for operators.
    pub partner_no: String,
    pub permits_private_information: String,
    pub locale: String,
    pub expires_at: String,
}

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The token opens nothing: 401, and a new token is wanted.
    #[error("the token is not known")]
    Unknown,
    /// The account service is ill and this token has no answer that still serves: come back later, with the same token.
    #[error("the account service gives no answer")]
    Unavailable,
}

/// A handle; clones share one memory.
#[derive(Debug, Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    service: AccountService,
    cache: Cache,
    turns: Semaphore,
    timeout: Duration,
    /// Where questions run: not on the thread of a shard that wants an answer.
    runtime: Handle,
    complained_at: Mutex<Option<Instant>>,
    metrics: Metrics,
}

/// An ill service is complained about once in so long.
const BETWEEN_COMPLAINTS: Duration = Duration::from_secs(30);

impl Identity {
    /// Asks nobody yet. To be called on the runtime that shall do the asking.
    pub fn new(settings: &Settings, metrics: &Metrics) -> Result<Identity, CannotAsk> {
        let inner = Inner {
            service: AccountService::new(settings)?,
            cache: Cache::new(settings),
            turns: Semaphore::new(settings.concurrent),
            timeout: settings.timeout,
            runtime: Handle::current(),
            complained_at: Mutex::default(),
            metrics: metrics.clone(),
        };
        Ok(Identity { inner: Arc::new(inner) })
    }

    /// Whose token this is, as of the last `fresh` time. Answers within the timeout, whatever the service does.
    pub async fn who(&self, token: &Token) -> Result<Arc<Viewer>, Refused> {
        self.inner.who(token, false).await
    }

    /// The same, asked anew: for the re-checks of open streams. Those who do so at once share one question.
    pub async fn ask_anew(&self, token: &Token) -> Result<Arc<Viewer>, Refused> {
        self.inner.who(token, true).await
    }

    /// Acts on a signal: whoever asks from here on gets no answer whose question began before.
    pub fn hear(&self, signal: Signal) {
        let ledger = &self.inner.cache.ledger;
        match signal {
            Signal::TokenRevoked(hash) => ledger.token(hash),
            Signal::TokensRevoked(admin) => ledger.ended(admin),
            Signal::AdminChanged(admin) => ledger.admin(admin),
            Signal::ReadChanged(_) | Signal::Unknown => {}
        }
    }

    /// The same, for everybody.
    pub fn forget_everybody(&self) {
        self.inner.cache.ledger.everybody();
    }

    /// Where signals are promised and cannot be read, older answers do not serve.
    pub fn signals_are(&self, state: SignalsAre) {
        self.inner.cache.signals_are_unheard(state == SignalsAre::Unreadable);
    }

    /// To be taken before [`Identity::who`], for whoever wants to know later what was said since.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.inner.cache.ledger.now()
    }

    /// Whether something was said about this token or this operator after that moment.
    #[must_use]
    pub fn was_told_since(&self, moment: Moment, token: &Token, admin: AdminNo) -> bool {
        self.inner.cache.ledger.is_void(token.hash(), admin, moment)
    }

    /// Whether it was said after that moment that this token has ended.
    #[must_use]
    pub fn has_ended_since(&self, moment: Moment, token: &Token, admin: AdminNo) -> bool {
        self.inner.cache.ledger.has_ended(token.hash(), admin, moment)
    }
}

impl Inner {
    async fn who(self: &Arc<Self>, token: &Token, anew: bool) -> Result<Arc<Viewer>, Refused> {
        let deadline = Deadline::now() + self.timeout;
        let hash = token.hash();
        loop {
            if self.cache.ledger.is_over(hash) {
                return Err(Refused::Unknown);
            }
            let known = self.look_up(token, hash, anew, deadline).await?;
            if self.cache.serves(hash, &known) {
                return Ok(known.viewer);
            }
            // Void while we asked: that answer is thrown away. Ends, since after the deadline nothing is asked.
            if Deadline::now() >= deadline {
                return Err(Refused::Unavailable);
            }
        }
    }

    async fn look_up(
        self: &Arc<Self>,
        token: &Token,
        hash: TokenHash,
        anew: bool,
        deadline: Deadline,
    ) -> Result<Known, Refused> {
        let lookups = &self.metrics.lookups;
        if self.cache.is_refused(hash).await {
            lookups.with("refused").inc();
            return Err(Refused::Unknown);
        }
        if anew {
            self.cache.no_longer_fresh(hash).await;
        } else if let Some(known) = self.cache.fresh(hash).await {
            lookups.with("fresh").inc();
            return Ok(known);
        }
        let answer = if self.cache.was_ill_just_now(hash).await {
            Err(Failed::Ill("a moment ago"))
        } else {
            // In a task of its own: whoever leaves while others wait takes no question with them. The inner bound ends
            // the question for all who share it; the outer one ends our wait, where we joined one that began later.
            let (inner, token) = (self.clone(), token.clone());
            let shared = async move { inner.cache.fresh_or(hash, inner.ask(&token, hash, deadline)).await };
            match timeout_at(deadline, self.runtime.spawn(shared)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_ended)) => Err(Failed::Ill("the question failed")),
                Err(_elapsed) => Err(LATE),
            }
        };
        match answer {
            Ok(known) => {
                lookups.with("asked").inc();
                Ok(known)
            }
            Err(Failed::Refused) => {
                lookups.with("refused").inc();
                Err(Refused::Unknown)
            }
            Err(Failed::Ill(_)) => match self.cache.last_good(hash).await {
                Some(known) => {
                    lookups.with("stale").inc();
                    Ok(known)
                }
                None => {
                    lookups.with("ill").inc();
                    Err(Refused::Unavailable)
                }
            },
        }
    }

    /// One question, of which there are few at once; what comes of it is remembered before anybody else can ask.
    async fn ask(&self, token: &Token, hash: TokenHash, deadline: Deadline) -> Result<Known, Failed> {
        let asked = self.cache.ledger.now();
        let question = async {
            let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
            if Deadline::now() >= deadline {
                // Our turn came when nobody waits for the answer any more.
                return Err(LATE);
            }
            let began = Instant::now();
            let answer = self.service.ask(token).await;
            self.metrics.lookup_seconds.observe(began.elapsed().as_secs_f64());
            answer
        };
        let answer = timeout_at(deadline, question).await.unwrap_or(Err(LATE));
        match answer {
            Ok(_) => {}
            Err(Failed::Refused) => self.cache.refuse(hash).await,
            Err(Failed::Ill(reason)) => {
                self.complain(reason);
                self.cache.ill(hash).await;
            }
        }
        answer.map(|viewer| Known { viewer: Arc::new(viewer), asked, answered: Instant::now() })
    }

    fn complain(&self, reason: &'static str) {
        let now = Instant::now();
        let mut at = self.complained_at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.is_none_or(|at| now.duration_since(at) >= BETWEEN_COMPLAINTS) {
            *at = Some(now);
            tracing::warn!(reason, "the account service gave no answer; known operators go on for a while");
        } else {
            tracing::debug!(reason, "the account service gave no answer");
        }
    }
}

const LATE: Failed = Failed::Ill("late");

#[cfg(test)]
mod tests {
    use super::*;

    /// The usual settings, for the tests of this station.
    pub fn settings(accounts_url: &str) -> Settings {
        let text = str::to_owned;
        Settings {
            accounts_url: text(accounts_url),
            token_header: text("Authorization"),
            token_cookie: text("allim_token"),
            pointers: Pointers {
                admin_no: text("/adminNo"),
                name: text("/name"),
                status: text("/adminStatus"),
                malls: text("/malls"),
                mall_no: text("/mallNo"),
                partner_no: text("/partner/partnerNo"),
                permits_private_information: text("/permitsPrivateInformation"),
                locale: text("/locale"),
                expires_at: text("/expiresAt"),
            },
            fresh: Duration::from_secs(30),
            stale: Duration::from_secs(300),
            refused: Duration::from_secs(5),
            timeout: Duration::from_millis(1500),
            concurrent: 32,
            remembered: 100_000,
        }
    }
}
