//! The broker of a chapter: the demo's, in this process, with its faults at hand.

use std::{net::SocketAddr, path::PathBuf};

use allim::demo::kafka::{self, Broker};
use tempfile::TempDir;

pub const TOPIC: &str = "BACKOFFICE-NOTIFICATIONS";

pub struct Kafka {
    pub address: SocketAddr,
    partitions: i32,
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
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().to_owned();
        let mut kafka =
            Kafka { address: "127.0.0.1:0".parse().unwrap(), partitions, broker: None, data, _folder: folder };
        kafka.come_back().await;
        kafka
    }

    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("the broker is away")
    }

    /// Gone, with its port.
    pub async fn go_away(&mut self) {
        self.broker.take().expect("the broker is away already").stop().await;
    }

    /// Where it was, with what it had.
    pub async fn come_back(&mut self) {
        let topics = if self.partitions == 0 { vec![] } else { vec![(TOPIC.to_owned(), self.partitions)] };
        let settings = kafka::Settings {
            listen: self.address,
            data_dir: self.data.clone(),
            max_bytes: kafka::DEFAULT_MAX_BYTES,
            segment_bytes: kafka::DEFAULT_SEGMENT_BYTES,
            max_message_bytes: kafka::DEFAULT_MAX_MESSAGE_BYTES,
            topics,
            auto_create_topics: false,
            default_partitions: 3,
        };
        let broker = Broker::start(settings).await.expect("the broker starts");
        self.address = broker.address();
        self.broker = Some(broker);
    }
}
