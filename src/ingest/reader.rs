//! The reader: one thread that polls Kafka, decodes, and hands on, in the order of each partition.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex, Once, PoisonError,
        mpsc::{Receiver, TryRecvError},
    },
    time::Duration,
};

use jiff::Timestamp;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};
use tokio_util::sync::CancellationToken;

use super::{
    Broken, Incoming, Next, RawRecord, Reason, Rejected, Understand,
    client::{Consumer, Line},
    native,
};
use crate::{
    notification::{Coordinates, Epoch, Unreadable, Vector},
    telemetry::Metrics,
};

/// How long a poll waits: no longer than an order of the pulse may wait.
const POLL: Duration = Duration::from_millis(100);

type Header<'a> = (&'a str, Option<&'a [u8]>);

/// What the pulse asks of the reader. The reader tells the next step of it, for it alone knows when the last record of
/// the assignment before has been handed on. With a new assignment it takes up the client of now.
pub enum Order {
    /// A log begins: read every partition from there.
    Begin { epoch: Epoch, number: u64, from: Vector },
    /// Read so many partitions anew from where we are, but for those that are not what they were.
    Again { number: u64, partitions: usize, broken: Option<Break> },
    /// Read these as well: the topic has grown.
    Add(Vec<(usize, u64)>),
}

/// Partitions that go on elsewhere, and why.
pub struct Break {
    pub reason: Broken,
    pub goes_on: Vec<(usize, u64)>,
}

/// What the reader has seen, for the pulse to judge.
#[derive(Default)]
pub struct Seen(Mutex<State>);

#[derive(Default)]
struct State {
    /// Reached its end since it was assigned, and nothing has come since.
    at_end: HashMap<usize, bool>,
    /// The number of the assignment that `at_end` speaks of.
    assignment: u64,
    /// A partition goes on nowhere by itself.
    lost: bool,
    /// The client reported something.
    trouble: bool,
    /// The brokers let us see a partition, and not read it.
    denied: bool,
}

impl Seen {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether that assignment is the one that is being read.
    pub fn assigned(&self, assignment: u64) -> bool {
        self.with(|state| state.assignment == assignment)
    }

    /// The partition's end was reached, since that assignment and after its last record.
    pub fn at_end(&self, partition: usize, assignment: u64) -> bool {
        self.with(|state| state.assignment == assignment && state.at_end.get(&partition).copied().unwrap_or(false))
    }

    /// A partition has had to stop since the last question: its offset is out of range, or it is not the one it was.
    pub fn take_lost(&self) -> bool {
        self.with(|state| std::mem::take(&mut state.lost))
    }

    /// The client has reported an error since the last question.
    pub fn take_trouble(&self) -> bool {
        self.with(|state| std::mem::take(&mut state.trouble))
    }

    /// A partition could not be read since the last question, for want of the right to.
    pub fn take_denied(&self) -> bool {
        self.with(|state| std::mem::take(&mut state.denied))
    }

    /// The same, without taking it.
    pub fn is_troubled(&self) -> bool {
        self.with(|state| state.trouble || state.lost)
    }
}

pub struct Reader<T> {
    pub line: Arc<Line>,
    pub consumer: Arc<Consumer>,
    pub topic: String,
    pub understand: Box<dyn Understand<T>>,
    pub metrics: Metrics,
    pub next: Arc<dyn Next<T>>,
    pub seen: Arc<Seen>,
    /// The newest leader epoch of each partition's records. It never falls in one log.
    pub leader_epochs: HashMap<usize, u32>,
    /// Partitions of which something has not been handed on.
    pub withheld: HashSet<usize>,
    pub inbox: Receiver<Order>,
    pub stop: CancellationToken,
}

impl<T> Reader<T> {
    pub fn run(mut self) {
        let mut epoch = Epoch(0);
        while !self.stop.is_cancelled() {
            match self.inbox.try_recv() {
                Ok(Order::Begin { epoch: of, number, from }) => {
                    epoch = of;
                    self.next.begins(epoch, from.clone());
                    // Whatever the client of before has said until now is of a log that is over: each partition tells
                    // of its loss by itself, also after the pulse has heard of the first.
                    self.seen.with(|state| (state.lost, state.trouble) = (false, false));
                    self.assign_all(number, from.partitions());
                }
                Ok(Order::Again { number, partitions, broken }) => {
                    if let Some(Break { reason, goes_on }) = broken {
                        let mut position = self.next.position();
                        goes_on.iter().for_each(|&(partition, next)| position.set(partition, next));
                        self.next.breaks(reason, position);
                    }
                    self.assign_all(number, partitions);
                }
                Ok(Order::Add(from)) => self.assign(&from, Consumer::incremental_assign),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return,
            }
            let consumer = Arc::clone(&self.consumer);
            match consumer.poll(POLL) {
                Some(Ok(message)) => self.record(&message, epoch),
                Some(Err(error)) => self.trouble(&error),
                None => {}
            }
        }
    }

    /// From where the next step stands; what the assignment before still had in its queues is void.
    fn assign_all(&mut self, number: u64, partitions: usize) {
        self.consumer = self.line.consumer();
        self.leader_epochs.clear();
        self.withheld.clear();
        let position = self.next.position();
        let from: Vec<(usize, u64)> = (0..partitions).map(|partition| (partition, position.get(partition))).collect();
        self.assign(&from, Consumer::assign);
        self.seen.with(|state| {
            state.at_end.clear();
            state.assignment = number;
        });
    }

    fn assign(&self, from: &[(usize, u64)], how: fn(&Consumer, &TopicPartitionList) -> Result<(), KafkaError>) {
        let mut list = TopicPartitionList::new();
        for &(partition, offset) in from {
            let (Ok(partition), Ok(offset)) = (i32::try_from(partition), i64::try_from(offset)) else { continue };
            if let Err(error) = list.add_partition_offset(&self.topic, partition, Offset::Offset(offset)) {
                tracing::error!(%error, kafka.partition = partition, "a partition cannot be assigned");
            }
        }
        if let Err(error) = how(&self.consumer, &list) {
            tracing::error!(%error, "the partitions cannot be assigned");
        }
    }

    fn record(&mut self, message: &BorrowedMessage<'_>, epoch: Epoch) {
        let (Ok(partition), Ok(offset)) = (usize::try_from(message.partition()), u64::try_from(message.offset()))
        else {
            return;
        };
        if self.is_of_another_log(partition, message) {
            return;
        }
        self.seen.with(|state| state.at_end.insert(partition, false));
        let timestamp = message.timestamp().to_millis().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let coordinates = Coordinates { epoch, partition, offset };
        let (headers, refused) = headers(message).map_or_else(|refused| (Vec::new(), Some(refused)), |all| (all, None));
        let raw = RawRecord {
            coordinates,
            timestamp: timestamp.unwrap_or_else(Timestamp::now),
            key: message.key(),
            headers,
            value: message.payload(),
        };
        let content = self.understand.understand(&raw, refused);
        self.next.record(Incoming { partition, offset, content });
    }

    /// A leader epoch that falls shows a topic that was created anew and is already longer than what we have read. From
    /// there on nothing of the partition is handed on: the pulse looks whether the log is still the same.
    fn is_of_another_log(&mut self, partition: usize, message: &BorrowedMessage<'_>) -> bool {
        let Some(epoch) = native::leader_epoch(message) else { return false };
        let newest = self.leader_epochs.entry(partition).or_insert(epoch);
        let fell = epoch < *newest;
        *newest = epoch.max(*newest);
        if fell {
            self.withheld.insert(partition);
            self.seen.with(|state| state.lost = true);
        }
        fell
    }

    fn trouble(&mut self, error: &KafkaError) {
        match error {
            KafkaError::PartitionEOF(number) => {
                if let Ok(partition) = usize::try_from(*number) {
                    self.step_over_holes(partition, *number);
                    self.seen.with(|state| state.at_end.insert(partition, true));
                }
            }
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                self.seen.with(|state| state.lost = true);
            }
            error => {
                let denied = error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed);
                self.seen.with(|state| {
                    state.trouble = true;
                    state.denied |= denied;
                });
                self.metrics.kafka_errors.inc();
                tracing::debug!(%error, "the Kafka client reports");
            }
        }
    }

    /// At the end of a partition everything has been handed on that was there to be handed on. Only now: whatever comes
    /// since an assignment shows that librdkafka has done with its place of before.
    fn step_over_holes(&self, partition: usize, number: i32) {
        if self.withheld.contains(&partition) {
            return;
        }
        if let Some(next) = native::position(&self.consumer, &self.topic, number) {
            self.next.steps_over(partition, next);
        }
    }
}

/// rdkafka panics at a header whose name is not UTF-8, which any producer may write and which stays in the log: without
/// this, one such record would end the reading of every node, and again at each start.
fn headers<'m>(message: &'m BorrowedMessage<'m>) -> Result<Vec<Header<'m>>, Rejected> {
    thread_local!(static TRYING: Cell<bool> = const { Cell::new(false) });
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !TRYING.get() {
                usual(info);
            }
        }));
    });
    let read = || message.headers().map(|all| all.iter().map(|h| (h.key, h.value)).collect()).unwrap_or_default();
    TRYING.set(true);
    let headers = panic::catch_unwind(AssertUnwindSafe(read));
    TRYING.set(false);
    let detail = "the name of a header is not UTF-8".to_owned();
    headers.map_err(|_| Rejected { reason: Reason::Unreadable(Unreadable::NotUtf8), detail })
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{SyncSender, sync_channel},
        thread,
    };

    use super::*;
    use crate::ingest::{Incoming, LogIs, Settings};

    /// Takes up whatever comes, and understands nothing.
    #[derive(Default)]
    struct Nowhere(Mutex<Vector>);

    impl Next<()> for Nowhere {
        fn begins(&self, _: Epoch, start: Vector) {
            *self.0.lock().unwrap() = start;
        }
        fn record(&self, _: Incoming<()>) {}
        fn steps_over(&self, _: usize, _: u64) {}
        fn breaks(&self, _: Broken, next: Vector) {
            *self.0.lock().unwrap() = next;
        }
        fn position(&self) -> Vector {
            self.0.lock().unwrap().clone()
        }
        fn log_is(&self, _: LogIs) {}
    }

    impl Understand<()> for Nowhere {
        fn understand(&mut self, _: &RawRecord<'_>, _: Option<Rejected>) -> Option<()> {
            None
        }
    }

    /// A reader whose brokers are nowhere: what it has seen is what the test says.
    struct Alone {
        seen: Arc<Seen>,
        orders: SyncSender<Order>,
        stop: CancellationToken,
        running: Option<thread::JoinHandle<()>>,
    }

    impl Alone {
        fn start() -> Alone {
            let settings = Settings {
                bootstrap_servers: "127.0.0.1:1".into(),
                topic: "t".into(),
                group_id: "g".into(),
                client_id: "c".into(),
                properties: Vec::new(),
                legacy_text: false,
                type_prefix: String::new(),
                max_record_bytes: 1,
                stall: Duration::from_secs(60),
            };
            let (metrics, stop, seen) = (Metrics::new(), CancellationToken::new(), Arc::new(Seen::default()));
            let line = Arc::new(Line::new(&settings, "t", &metrics).unwrap());
            let (orders, inbox) = sync_channel(4);
            let reader = Reader {
                consumer: line.consumer(),
                line,
                topic: "t".into(),
                understand: Box::<Nowhere>::default(),
                metrics,
                next: Arc::<Nowhere>::default(),
                seen: Arc::clone(&seen),
                leader_epochs: HashMap::new(),
                withheld: HashSet::new(),
                inbox,
                stop: stop.clone(),
            };
            let running = Some(thread::spawn(move || reader.run()));
            Alone { seen, orders, stop, running }
        }

        fn order(&self, number: u64, order: Order) {
            self.orders.send(order).unwrap();
            while !self.seen.assigned(number) {
                assert!(!self.running.as_ref().unwrap().is_finished(), "the reader is gone");
                thread::yield_now();
            }
        }
    }

    impl Drop for Alone {
        fn drop(&mut self) {
            self.stop.cancel();
            let _ = self.running.take().unwrap().join();
        }
    }

    /// Else the log would begin a second time at once: the client of before tells of each partition by itself, and goes
    /// on telling while the pulse asks how the new log is.
    #[test]
    fn a_log_that_begins_knows_nothing_of_what_the_client_before_has_lost() {
        let reader = Alone::start();
        reader.seen.with(|state| state.lost = true);
        reader.order(1, Order::Begin { epoch: Epoch(1), number: 1, from: Vector::new(vec![0; 3]) });
        assert!(!reader.seen.take_lost());
        // Within one log it stays said: what showed it (a leader epoch that fell) is not shown a second time.
        reader.seen.with(|state| state.lost = true);
        reader.order(2, Order::Again { number: 2, partitions: 3, broken: None });
        assert!(reader.seen.take_lost());
    }
}
