//! Where partitions end, as their leaders tell it: whether a position can be one of this log (D1).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use rdkafka::{
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::client::Line;

/// An older answer must be asked again before it says anything.
const FRESH: Duration = Duration::from_secs(1);
/// One question to a leader.
const QUESTION: Duration = Duration::from_secs(2);

/// Whoever can tell where partitions end.
pub trait Leaders: Send + Sync {
    /// Whether `next` can be a position in `partition` for somebody who connected at `connected`: an answer up to a
    /// second old may say yes, only one asked after the connect may say no. None: the leader did not answer.
    fn reach(&self, partition: usize, next: u64, connected: Instant) -> BoxFuture<'_, Option<bool>>;
}

/// An answer, with the time of its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    asked: Instant,
    /// None: there is no such partition.
    offset: Option<u64>,
}

#[derive(Default)]
struct Partition {
    /// Held while a question is in flight: one per partition.
    asking: tokio::sync::Mutex<()>,
    answer: Mutex<Option<End>>,
}

struct Inner {
    /// The client ends with `Ingest::stop`, whoever still has questions.
    line: Weak<Line>,
    topic: String,
    partitions: Mutex<HashMap<usize, Arc<Partition>>>,
}

/// A cheap clone.
#[derive(Clone)]
pub struct Ends(Arc<Inner>);

impl Ends {
    pub(super) fn new(line: &Arc<Line>, topic: String) -> Ends {
        let line = Arc::downgrade(line);
        Ends(Arc::new(Inner { line, topic, partitions: Mutex::default() }))
    }

    async fn reaches(&self, partition: usize, next: u64, connected: Instant) -> Option<bool> {
        let slot = {
            let mut partitions = self.0.partitions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(partitions.entry(partition).or_default())
        };
        let says = |answer: Option<End>| {
            let answer = answer?;
            let enough = answer.offset.is_some_and(|end| next <= end);
            let may_accept = enough && answer.asked.elapsed() < FRESH;
            let may_refuse = !enough && answer.asked > connected;
            if may_accept || may_refuse { Some(enough) } else { None }
        };
        let known = || *slot.answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = says(known()) {
            return Some(answer);
        }
        let _one_in_flight = slot.asking.lock().await;
        if let Some(answer) = says(known()) {
            return Some(answer);
        }
        let answer = self.ask(partition).await?;
        *slot.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        says(Some(answer))
    }

    async fn ask(&self, partition: usize) -> Option<End> {
        let inner = Arc::clone(&self.0);
        let question = move || {
            let asked = Instant::now();
            let number = i32::try_from(partition).ok()?;
            match inner.line.upgrade()?.consumer().fetch_watermarks(&inner.topic, number, QUESTION) {
                Ok((_, high)) => Some(End { asked, offset: u64::try_from(high).ok() }),
                Err(KafkaError::MetadataFetch(
                    RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopicOrPartition,
                )) => Some(End { asked, offset: None }),
                Err(_) => None,
            }
        };
        tokio::task::spawn_blocking(question).await.ok().flatten()
    }
}

impl Leaders for Ends {
    fn reach(&self, partition: usize, next: u64, connected: Instant) -> BoxFuture<'_, Option<bool>> {
        Box::pin(self.reaches(partition, next, connected))
    }
}
