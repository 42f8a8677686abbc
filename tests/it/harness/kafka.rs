//! The broker of a chapter: the demo's in this process, or Apache Kafka where `BROKER=apache` asks for it.

use std::{fmt, net::SocketAddr, path::PathBuf};

use allim::demo::kafka::{self, Broker};
use tempfile::TempDir;

use super::{apache, topics};

pub const TOPIC: &str = "BACKOFFICE-NOTIFICATIONS";

/// What stays with the small broker when the chapters run over Apache Kafka, and why.
const STAYS_WITH_THE_SMALL_BROKER: &[(&str, &str)] = &[
    (
        "catching_up::listeners_hop_between_two_nodes_of_which_one_is_behind",
        "one node's fetches of one partition are held, which no setting of Apache Kafka does",
    ),
    (
        "log_life::fault_07_a_broker_that_is_behind_tells_of_no_other_log",
        "metadata name fewer partitions for as long as the test wants",
    ),
    (
        "log_life::a_client_that_stands_still_is_replaced_and_nothing_is_missed",
        "the connections that are open are not served any more, and new ones are",
    ),
    (
        "regressions::records_that_go_while_memory_is_refilled_do_not_stop_the_start",
        "the first fetch of one node is held until its records are deleted",
    ),
];

/// A topic and where its brokers are.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    brokers: &'static str,
    pub topic: &'static str,
}

impl Place {
    /// Kept for the rest of the run, so that a place can be handed on like a number.
    pub fn new(brokers: String, topic: String) -> Place {
        Place { brokers: brokers.leak(), topic: topic.leak() }
    }

    /// The topic beside it on which rights that end or change are told.
    pub fn signals(&self) -> Place {
        self.beside(&format!("{}-signals", self.topic))
    }

    /// Another topic of the same brokers.
    pub fn beside(&self, topic: &str) -> Place {
        Place { brokers: self.brokers, topic: topic.to_owned().leak() }
    }

    /// The first of the brokers, for who speaks to it byte by byte.
    pub fn socket(&self) -> SocketAddr {
        self.brokers.split(',').next().and_then(|first| first.parse().ok()).expect("an address")
    }
}

/// The list of brokers, as clients are told.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.brokers)
    }
}

/// The usual topic of a broker at this address.
impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Place {
        Place::new(address.to_string(), TOPIC.to_owned())
    }
}

pub struct Kafka {
    pub address: Place,
    partitions: i32,
    behind: Behind,
}

enum Behind {
    Small(Small),
    /// Apache Kafka: all chapters' (None), or one of this chapter alone.
    Apache(Option<apache::Cluster>),
}

struct Small {
    broker: Option<Broker>,
    data: PathBuf,
    _folder: TempDir,
}

impl Kafka {
    pub async fn start() -> Kafka {
        Kafka::with_partitions(3).await
    }

    /// 0: the topic does not exist.
    pub async fn with_partitions(partitions: i32) -> Kafka {
        if apache::chosen() { Kafka::shared_apache(partitions).await } else { Kafka::small(partitions).await }
    }

    /// For who takes it away or freezes it: with Apache Kafka all chapters share one, and this one is not.
    pub async fn alone(partitions: i32) -> Kafka {
        if apache::chosen() { Kafka::own_apache(partitions, 1).await } else { Kafka::small(partitions).await }
    }

    /// The small broker also where Apache Kafka was chosen, for the reason in the list.
    pub async fn always_small(test: &str, partitions: i32) -> Kafka {
        let found = STAYS_WITH_THE_SMALL_BROKER.iter().find(|(name, _)| name.ends_with(test));
        let (_, reason) = found.unwrap_or_else(|| panic!("{test} has to be in the list, with its reason"));
        if apache::chosen() {
            apache::report("stays", &format!(": {reason}"));
        }
        Kafka::small(partitions).await
    }

    async fn small(partitions: i32) -> Kafka {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().to_owned();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let small = Small { broker: None, data, _folder: folder };
        let mut kafka = Kafka { address: nowhere.into(), partitions, behind: Behind::Small(small) };
        kafka.come_back().await;
        kafka
    }

    /// Apache Kafka, whatever was chosen: a topic on the broker of all.
    pub async fn shared_apache(partitions: i32) -> Kafka {
        apache::report("apache", "");
        let (brokers, topic) = apache::shared().await;
        Kafka { address: Place::new(brokers, topic), partitions, behind: Behind::Apache(None) }.with_topic(1).await
    }

    /// Apache Kafka, whatever was chosen: brokers of this chapter's own, each with all the records.
    pub async fn own_apache(partitions: i32, brokers: usize) -> Kafka {
        apache::report("apache", "");
        let cluster = apache::Cluster::start(brokers).await;
        let address = Place::new(cluster.list(), TOPIC.to_owned());
        let kafka = Kafka { address, partitions, behind: Behind::Apache(Some(cluster)) };
        kafka.with_topic(i32::try_from(brokers).expect("few")).await
    }

    async fn with_topic(self, replicas: i32) -> Kafka {
        topics::answers(self.address, 0).await;
        if self.partitions > 0 {
            topics::create(self.address, self.partitions, replicas).await;
        }
        self
    }

    /// The small broker, with its faults at hand.
    pub fn broker(&self) -> &Broker {
        match &self.behind {
            Behind::Small(small) => small.broker.as_ref().expect("the broker is away"),
            Behind::Apache(_) => panic!("this wants `Kafka::always_small` and a reason in its list"),
        }
    }

    /// The processes of Apache Kafka, with theirs.
    pub fn nodes(&mut self) -> &mut [apache::Node] {
        match &mut self.behind {
            Behind::Apache(Some(cluster)) => &mut cluster.nodes,
            _ => panic!("this wants `Kafka::alone`: what others use as well is not taken away"),
        }
    }

    /// Gone, with its port.
    pub async fn go_away(&mut self) {
        match &mut self.behind {
            Behind::Small(small) => small.broker.take().expect("the broker is away already").stop().await,
            Behind::Apache(_) => self.nodes()[0].end("TERM").await,
        }
    }

    /// Where it was, with what it had; returns when it answers.
    pub async fn come_back(&mut self) {
        let Behind::Small(small) = &mut self.behind else {
            self.nodes()[0].again().await;
            return topics::answers(self.address, self.partitions).await;
        };
        let topics = if self.partitions == 0 { vec![] } else { vec![(TOPIC.to_owned(), self.partitions)] };
        let settings = kafka::Settings {
            listen: self.address.socket(),
            data_dir: small.data.clone(),
            max_bytes: kafka::DEFAULT_MAX_BYTES,
            segment_bytes: kafka::DEFAULT_SEGMENT_BYTES,
            max_message_bytes: kafka::DEFAULT_MAX_MESSAGE_BYTES,
            topics,
            auto_create_topics: false,
            default_partitions: 3,
        };
        let broker = Broker::start(settings).await.expect("the broker starts");
        self.address = broker.address().into();
        small.broker = Some(broker);
    }

    /// Keeps its connections and answers nothing.
    pub fn freeze(&mut self) {
        match &self.behind {
            Behind::Small(_) => self.broker().pause(),
            Behind::Apache(_) => self.nodes()[0].signal("STOP"),
        }
    }

    pub fn thaw(&mut self) {
        match &self.behind {
            Behind::Small(_) => self.broker().resume(),
            Behind::Apache(_) => self.nodes()[0].signal("CONT"),
        }
    }
}
