//! What an administrator does with a topic, by the same requests with either broker.

use std::collections::BTreeSet;

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};

use super::{PATIENCE, apache::SOON, kafka::Place, until};

fn admin(place: Place) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", place.to_string()).create().expect("an administrator")
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}

/// As the contract wants it: stamped by the log.
pub async fn create(place: Place, partitions: i32, replicas: i32) {
    let topic = NewTopic::new(place.topic, partitions, TopicReplication::Fixed(replicas))
        .set("message.timestamp.type", "LogAppendTime");
    let topic = if replicas == 3 { topic.set("min.insync.replicas", "2") } else { topic };
    admin(place).create_topics(&[topic], &options()).await.unwrap()[0].clone().unwrap();
    answers(place, partitions).await;
}

/// As somebody made it who did not read ours.
pub async fn create_with(place: Place, partitions: i32, settings: &[(&str, &str)]) {
    let topic = NewTopic::new(place.topic, partitions, TopicReplication::Fixed(1));
    let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    admin(place).create_topics(&[topic], &options()).await.unwrap()[0].clone().unwrap();
    answers(place, partitions).await;
}

pub async fn delete(place: Place) {
    admin(place).delete_topics(&[place.topic], &options()).await.unwrap()[0].clone().unwrap();
}

/// The same name, another topic.
pub async fn create_anew(place: Place, partitions: i32) {
    delete(place).await;
    let gone = async || {
        let topic = NewTopic::new(place.topic, partitions, TopicReplication::Fixed(1));
        admin(place).create_topics(&[topic], &options()).await.unwrap()[0].is_ok()
    };
    until("the topic can be created again", gone).await;
    answers(place, partitions).await;
}

/// So many partitions in all.
pub async fn grow(place: Place, partitions: usize) {
    let grown = NewPartitions::new(place.topic, partitions);
    admin(place).create_partitions(&[grown], &options()).await.unwrap()[0].clone().unwrap();
}

/// Deletes what lies before these offsets: partition, offset.
pub async fn delete_records(place: Place, before: &[(usize, u64)]) {
    let mut up_to = TopicPartitionList::new();
    for &(partition, offset) in before {
        let (partition, offset) = (i32::try_from(partition).unwrap(), i64::try_from(offset).unwrap());
        up_to.add_partition_offset(place.topic, partition, Offset::Offset(offset)).unwrap();
    }
    let deleted = admin(place).delete_records(&up_to, &options()).await.unwrap();
    assert!(deleted.elements().iter().all(|element| element.error().is_ok()), "{deleted:?}");
}

/// Waits until there are brokers, and so many partitions of the topic that each have a leader.
pub async fn answers(place: Place, partitions: i32) {
    let asking = tokio::task::spawn_blocking(move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", place.to_string()).set("reconnect.backoff.max.ms", "100");
        let client: BaseConsumer = config.create().expect("a client");
        let give_up = std::time::Instant::now() + PATIENCE;
        while led(&client, place.topic).is_none_or(|led| led < partitions) {
            assert!(std::time::Instant::now() < give_up, "no leaders at {place} within {PATIENCE:?}");
            std::thread::sleep(SOON);
        }
    });
    asking.await.expect("the brokers answer");
}

/// How many records were ever appended: the ends of all partitions together.
pub async fn appended(place: Place, partitions: i32) -> i64 {
    let asking = tokio::task::spawn_blocking(move || {
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", place.to_string()).create().expect("a client");
        let end = |partition| client.fetch_watermarks(place.topic, partition, PATIENCE).expect("its ends").1;
        (0..partitions).map(end).sum()
    });
    asking.await.expect("it is asked")
}

/// A setting of the topic, as the broker that has it holds it to be.
pub async fn setting(place: Place, name: &str) -> String {
    let described = admin(place).describe_configs(&[ResourceSpecifier::Topic(place.topic)], &options()).await.unwrap();
    let entries = &described[0].as_ref().unwrap().entries;
    let entry = entries.iter().find(|entry| entry.name == name).unwrap_or_else(|| panic!("there is no {name}"));
    entry.value.clone().unwrap_or_default()
}

/// The names of all settings that a broker has; it says nothing of one that it does not know.
pub async fn settings_of_a_broker(place: Place) -> BTreeSet<String> {
    let described = admin(place).describe_configs(&[ResourceSpecifier::Broker(1)], &options()).await.unwrap();
    described[0].as_ref().unwrap().entries.iter().map(|entry| entry.name.clone()).collect()
}

/// How one partition is kept.
pub struct Replicas {
    /// The broker that leads; below 1: none.
    pub leader: i32,
    /// The broker that leads when all are well.
    pub first: i32,
    pub in_sync: usize,
}

/// How each partition is kept; nothing where nobody answers.
pub async fn replicas(place: Place) -> Vec<Replicas> {
    let asking = tokio::task::spawn_blocking(move || {
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", place.to_string()).create().expect("a client");
        let Ok(metadata) = client.fetch_metadata(Some(place.topic), PATIENCE / 10) else { return vec![] };
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        let replicas = partitions.map(|one| Replicas {
            leader: one.leader(),
            first: one.replicas().first().copied().unwrap_or(-1),
            in_sync: one.isr().len(),
        });
        replicas.collect()
    });
    asking.await.expect("it is asked")
}

/// How many partitions of the topic have a leader; None: nobody answers.
fn led(client: &BaseConsumer, topic: &str) -> Option<i32> {
    let metadata = client.fetch_metadata(None, PATIENCE / 10).ok()?;
    let partitions = metadata.topics().iter().filter(|one| one.name() == topic).flat_map(|one| one.partitions());
    i32::try_from(partitions.filter(|partition| partition.leader() >= 0).count()).ok()
}
