//! The demo's shop: an ordinary Kafka producer, which publishes for as long as a page wants to see something.

mod closing;
pub mod events;
pub mod exports;
pub mod timeline;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use self::{closing::Closing, exports::Export, timeline::Timeline};
use crate::{
    demo::accounts,
    http::{Demo, File, Pace},
    notification::{AdminNo, Viewer},
    publish::{Outgoing, Producer, event::fresh_id},
};

/// Wishes that wait; more are somebody's mistake.
const WISHES: usize = 64;
/// Between two looks at whether anybody is there.
const LOOK: Duration = Duration::from_millis(250);

/// What is asked of the shop.
enum Wish {
    /// `ends_after` the last listener has left.
    Go {
        pace: Pace,
        ends_after: Duration,
    },
    Say(String),
    Export {
        admin: u64,
        mall: u64,
        number: oneshot::Sender<String>,
    },
}

/// A handle. The shop ends with the last one.
#[derive(Clone)]
pub struct Mall {
    wishes: mpsc::Sender<Wish>,
    pace: watch::Receiver<Pace>,
}

impl Mall {
    /// The handle, and the shop itself, to be run; nothing happens before somebody asks. `listeners` says how many
    /// there are.
    pub fn new<L>(producer: Producer, listeners: L) -> (Mall, impl Future<Output = ()> + Send + use<L>)
    where
        L: Fn() -> usize + Send + 'static,
    {
        let (wishes, inbox) = mpsc::channel(WISHES);
        let (now, pace) = watch::channel(Pace::Off);
        (Mall { wishes, pace }, run(producer, listeners, inbox, now))
    }
}

impl Demo for Mall {
    fn go(&self, pace: Pace, ends_after: Duration) -> bool {
        self.wishes.try_send(Wish::Go { pace, ends_after }).is_ok()
    }

    fn pace(&self) -> Pace {
        *self.pace.borrow()
    }

    fn say(&self, line: String) -> bool {
        self.wishes.try_send(Wish::Say(line)).is_ok()
    }

    fn export(&self, viewer: &Viewer) -> Option<oneshot::Receiver<String>> {
        let (number, told) = oneshot::channel();
        let mall = viewer.malls().first()?.get();
        self.wishes.try_send(Wish::Export { admin: viewer.admin.get(), mall, number }).ok()?;
        Some(told)
    }

    fn file(&self, number: &str, admin: AdminNo) -> Option<File> {
        Export::file(number, admin.get())
    }

    fn cast(&self) -> Value {
        accounts::cast()
    }
}

/// With Kafka away what is due now is lost, as a shop's would not be; the next things come in time.
async fn publish(producer: &Producer, record: &Outgoing) -> bool {
    let sent = producer.send(record).await;
    if let Err(failed) = &sent {
        tracing::debug!(%failed, "the demo's shop could not publish");
    }
    sent.is_ok()
}

async fn run(
    producer: Producer,
    listeners: impl Fn() -> usize,
    mut inbox: mpsc::Receiver<Wish>,
    pace_now: watch::Sender<Pace>,
) {
    let began = Instant::now();
    let mut timeline = Timeline::new(Timestamp::now().as_second());
    let mut closing = Closing::default();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace_now.send_replace(timeline.pace());
        let next = timeline.next().map(|at| began + at);
        tokio::select! {
            wish = inbox.recv() => match wish {
                None => return,
                Some(Wish::Go { pace, ends_after: after }) => {
                    tracing::debug!(?pace, "the demo's shop");
                    closing.asked(after, began.elapsed());
                    timeline.go(pace, began.elapsed());
                }
                Some(Wish::Say(line)) => {
                    publish(&producer, &Outgoing { key: None, headers: Vec::new(), value: line.into_bytes() }).await;
                }
                Some(Wish::Export { admin, mall, number }) => {
                    // Where none begins the question is dropped, and that is the answer.
                    if let Some(export) = timeline.export(admin, mall, began.elapsed()) {
                        let _ = number.send(export.name());
                    }
                }
            },
            () = sleep_until(next.unwrap_or(began)), if next.is_some() => {
                for what in timeline.due(began.elapsed()) {
                    let now = Timestamp::now();
                    if !publish(&producer, &events::of(&what, now).record(&fresh_id(), now)).await {
                        break;
                    }
                }
            }
            _ = look.tick(), if timeline.pace() != Pace::Off => {
                if closing.is_due(listeners(), began.elapsed()) {
                    timeline.go(Pace::Off, began.elapsed());
                }
            }
        }
    }
}
