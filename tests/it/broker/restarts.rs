//! Restarts: everything acknowledged is there again, torn ends are cut, old segments go when the bound is reached.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use allim::demo::kafka::{Broker, Settings, StartError};
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::raw::Raw;
use super::support::*;

/// The files of a partition that end like this, oldest first.
fn files(folder: &Path, partition: i32, ending: &str) -> Vec<PathBuf> {
    let topic = std::fs::read_dir(folder.join("topics")).unwrap().next().unwrap().unwrap().path();
    let entries = std::fs::read_dir(topic.join(partition.to_string())).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_the_same_port_keeps_everything() {
    let (folder, broker) = broker().await;
    let address = broker.address();
    let producer = producer(&broker, &[("enable.idempotence", "true")]);
    let follower = reader(&broker, TOPIC, 1, Offset::Beginning, &[]);
    for n in 0..4_u8 {
        publish(&producer, TOPIC, 1, &[n]).await;
        next(&follower).await;
    }
    let mut done = TopicPartitionList::new();
    done.add_partition_offset(TOPIC, 1, Offset::Offset(2)).unwrap();
    let group: StreamConsumer = client(&broker, &[("group.id", "kept")]);
    group.commit(&done, CommitMode::Sync).unwrap();
    let id = Raw::connect(&broker).await.topic_id(TOPIC).await;
    let cluster = ask(&broker, |c| c.client().fetch_cluster_id(DEADLINE).unwrap()).await;

    broker.stop().await;
    let broker = Broker::start(Settings { listen: address, ..settings(folder.path()) }).await.unwrap();

    assert_eq!(broker.address(), address);
    assert_eq!(Raw::connect(&broker).await.topic_id(TOPIC).await, id);
    assert_eq!(ask(&broker, |c| c.client().fetch_cluster_id(DEADLINE).unwrap()).await, cluster);
    assert_eq!(watermarks(&broker, TOPIC, 1).await, (0, 4));
    let asked = done.clone();
    let committed =
        tokio::task::spawn_blocking(move || group.committed_offsets(asked, DEADLINE).unwrap()).await.unwrap();
    assert_eq!(committed.find_partition(TOPIC, 1).unwrap().offset(), Offset::Offset(2));
    // The clients of before go on by themselves.
    assert_eq!(publish(&producer, TOPIC, 1, &[4]).await, 4);
    assert_eq!(next(&follower).await.payload(), Some([4].as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_broker_in_the_folder_is_refused() {
    let (folder, broker) = broker().await;
    let second = Broker::start(settings(folder.path())).await;
    assert!(matches!(second, Err(StartError::InUse(_))));
    broker.stop().await;
    Broker::start(settings(folder.path())).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_without_the_file_that_names_them_are_not_thrown_away() {
    let (folder, broker) = broker().await;
    publish(&producer(&broker, &[]), TOPIC, 0, b"x").await;
    broker.stop().await;
    let names = folder.path().join("topics.json");
    let kept = std::fs::read(&names).unwrap();
    std::fs::remove_file(&names).unwrap();
    let refused = Broker::start(settings(folder.path())).await.err().unwrap();
    assert!(refused.to_string().contains("topics.json is missing"), "{refused}");
    std::fs::write(&names, b"{").unwrap();
    let refused = Broker::start(settings(folder.path())).await.err().unwrap();
    assert!(refused.to_string().contains("topics.json cannot be understood"), "{refused}");
    std::fs::write(&names, kept).unwrap();
    let broker = Broker::start(settings(folder.path())).await.unwrap();
    assert_eq!(watermarks(&broker, TOPIC, 0).await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let (_folder, broker) = broker().await;
    let other = tempfile::tempdir().unwrap();
    let refused = Broker::start(Settings { listen: broker.address(), ..settings(other.path()) }).await.err().unwrap();
    assert!(refused.to_string().contains(&broker.address().to_string()), "{refused}");
}

/// Publishes five records, stops, lets `harm` at the newest segment file, starts again: the end that is left.
async fn after(harm: impl FnOnce(&Path)) -> i64 {
    let (folder, broker) = broker().await;
    let producer = producer(&broker, &[]);
    for n in 0..5_u8 {
        publish(&producer, TOPIC, 0, &[n]).await;
    }
    broker.stop().await;
    harm(files(folder.path(), 0, "log").last().unwrap());
    let broker = Broker::start(settings(folder.path())).await.unwrap();
    let (start, end) = watermarks(&broker, TOPIC, 0).await;
    assert_eq!(start, 0);
    // What is left is whole, and what comes next follows it.
    let producer = super::support::producer(&broker, &[]);
    assert_eq!(publish(&producer, TOPIC, 0, b"next").await, end);
    let reader = reader(&broker, TOPIC, 0, Offset::Beginning, &[]);
    for n in 0..end {
        assert_eq!(next(&reader).await.payload(), Some([u8::try_from(n).unwrap()].as_slice()));
    }
    assert_eq!(next(&reader).await.payload(), Some(b"next".as_slice()));
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_batch_at_the_end_is_cut() {
    let end = after(|path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 3).unwrap();
    });
    assert_eq!(end.await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_behind_the_end_is_cut() {
    let end = after(|path| {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(&[0xa5; 200]).unwrap();
    });
    assert_eq!(end.await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_changed_ends_the_log() {
    let end = after(|path| {
        let mut bytes = std::fs::read(path).unwrap();
        let third = bytes.len() / 5 * 3 - 2;
        bytes[third] ^= 1;
        std::fs::write(path, bytes).unwrap();
    });
    assert_eq!(end.await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_segments_go_when_the_bound_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let small = Settings { max_bytes: 400_000, segment_bytes: 50_000, ..settings(folder.path()) };
    let broker = Broker::start(small.clone()).await.unwrap();
    let producer = producer(&broker, &[]);
    publish(&producer, TOPIC, 1, b"alone in its partition, and the oldest").await;
    for _ in 0..100 {
        publish(&producer, TOPIC, 0, &[1; 10_000]).await;
    }
    let bytes: u64 = files(folder.path(), 0, "log").iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(bytes <= 400_000, "{bytes}");
    let (start, end) = watermarks(&broker, TOPIC, 0).await;
    assert!(start > 50 && end == 100, "{start} to {end}");
    assert_eq!(watermarks(&broker, TOPIC, 1).await, (1, 1), "its place is kept");
    let read = reader(&broker, TOPIC, 0, Offset::Beginning, &[]);
    assert_eq!(next(&read).await.offset(), start);
    // Who asks for what is gone is told, and decides itself where to go on.
    let late = reader(&broker, TOPIC, 0, Offset::Offset(0), &[]);
    let told = within("out of range", late.recv()).await.err();
    let reset = KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset);
    assert_eq!(told, Some(reset));

    broker.stop().await;
    let broker = Broker::start(small.clone()).await.unwrap();
    assert_eq!(watermarks(&broker, TOPIC, 0).await, (start, end));
    assert_eq!(watermarks(&broker, TOPIC, 1).await, (1, 1));
    broker.stop().await;

    // Without their index files older segments are known by their headers.
    for index in files(folder.path(), 0, "index") {
        std::fs::remove_file(index).unwrap();
    }
    let broker = Broker::start(small).await.unwrap();
    assert_eq!(watermarks(&broker, TOPIC, 0).await, (start, end));
    let read = reader(&broker, TOPIC, 0, Offset::Beginning, &[]);
    for offset in start..end {
        assert_eq!(next(&read).await.offset(), offset);
    }
}
