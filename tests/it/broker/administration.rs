//! Topics are created, grown, deleted and described as administrators expect.

use rdkafka::admin::{AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::raw::Raw;
use super::support::*;

async fn partitions(broker: &allim::demo::kafka::Broker, topic: &'static str) -> usize {
    ask(broker, move |consumer| {
        let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).unwrap();
        metadata.topics()[0].partitions().len()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_created_grown_and_deleted() {
    let (folder, broker) = broker().await;
    let (admin, options) = (admin(&broker), AdminOptions::new());
    let topic = NewTopic::new("new", 2, TopicReplication::Fixed(1)).set("retention.ms", "1000");
    let created = within("create", admin.create_topics([&topic], &options)).await.unwrap();
    assert_eq!(created, [Ok("new".to_owned())]);
    let again = within("create", admin.create_topics([&topic], &options)).await.unwrap();
    assert_eq!(again, [Err(("new".to_owned(), RDKafkaErrorCode::TopicAlreadyExists))]);
    assert_eq!(partitions(&broker, "new").await, 2);

    let more = NewPartitions::new("new", 5);
    let grown = within("grow", admin.create_partitions([&more], &options)).await.unwrap();
    assert_eq!(grown, [Ok("new".to_owned())]);
    assert_eq!(partitions(&broker, "new").await, 5);
    publish(&producer(&broker, &[]), "new", 4, b"x").await;

    let first_id = Raw::connect(&broker).await.topic_id("new").await;
    within("delete", admin.delete_topics(&["new"], &options)).await.unwrap()[0].as_ref().unwrap();
    assert_eq!(partitions(&broker, "new").await, 0);
    let gone = std::fs::read_dir(folder.path().join("topics")).unwrap();
    assert!(gone.flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with("new@")));

    within("create", admin.create_topics([&topic], &options)).await.unwrap()[0].as_ref().unwrap();
    assert_eq!(watermarks(&broker, "new", 1).await, (0, 0), "the old records are gone");
    assert_ne!(Raw::connect(&broker).await.topic_id("new").await, first_id, "and it is another topic");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused() {
    let (_folder, broker) = broker().await;
    let (admin, options) = (admin(&broker), AdminOptions::new());
    let refused = |name: &'static str, topic: NewTopic<'static>| {
        let (admin, options) = (&admin, &options);
        async move {
            let result = within(name, admin.create_topics([&topic], options)).await.unwrap();
            result.into_iter().next().unwrap().unwrap_err().1
        }
    };
    let replicas = NewTopic::new("a", 1, TopicReplication::Fixed(3));
    assert_eq!(refused("replicas", replicas).await, RDKafkaErrorCode::InvalidReplicationFactor);
    let many = NewTopic::new("a", 65, TopicReplication::Fixed(1));
    assert_eq!(refused("partitions", many).await, RDKafkaErrorCode::InvalidPartitions);
    let name = NewTopic::new("a/b", 1, TopicReplication::Fixed(1));
    assert_eq!(refused("name", name).await, RDKafkaErrorCode::InvalidTopic);
    let compact = NewTopic::new("a", 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    assert_eq!(refused("compact", compact).await, RDKafkaErrorCode::InvalidConfig);
    let mut created = 0;
    loop {
        let name = format!("t{created}");
        let topic = NewTopic::new(&name, 1, TopicReplication::Fixed(1));
        match within("bound", admin.create_topics([&topic], &options)).await.unwrap().remove(0) {
            Ok(_) => created += 1,
            Err((_, code)) => break assert_eq!(code, RDKafkaErrorCode::PolicyViolation),
        }
        assert!(created < 64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_not_created_by_naming_it() {
    let (_folder, broker) = broker().await;
    let own = [("allow.auto.create.topics", "true"), ("topic.metadata.propagation.max.ms", "100")];
    let producer = producer(&broker, &own);
    let refused = try_publish(&producer, "typo", 0, b"x").await.unwrap_err();
    assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::UnknownTopicOrPartition));
    assert_eq!(partitions(&broker, "typo").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_created_by_naming_it_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let settings = allim::demo::kafka::Settings { auto_create_topics: true, ..settings(folder.path()) };
    let broker = allim::demo::kafka::Broker::start(settings).await.unwrap();
    let producer = producer(&broker, &[("allow.auto.create.topics", "true")]);
    assert_eq!(publish(&producer, "new", 0, b"x").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_that_is_told_is_true() {
    let (_folder, broker) = broker().await;
    let (admin, options) = (admin(&broker), AdminOptions::new());
    let described = within("describe", admin.describe_configs([&ResourceSpecifier::Topic(TOPIC)], &options)).await;
    let described = described.unwrap().remove(0).unwrap();
    let told = |name: &str| described.get(name).unwrap().value.clone().unwrap();
    assert_eq!(told("cleanup.policy"), "delete");
    assert_eq!(told("message.timestamp.type"), "LogAppendTime");
    assert_eq!(told("retention.ms"), "-1");
    assert_eq!(told("unclean.leader.election.enable"), "false");
    assert_eq!(told("max.message.bytes"), allim::demo::kafka::DEFAULT_MAX_MESSAGE_BYTES.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn records_can_be_deleted_up_to_an_offset_for_good() {
    let (folder, broker) = broker().await;
    let producer = producer(&broker, &[]);
    for _ in 0..5 {
        publish(&producer, TOPIC, 0, b"x").await;
    }
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(TOPIC, 0, Offset::Offset(3)).unwrap();
    let deleted = within("delete", admin(&broker).delete_records(&before, &AdminOptions::new())).await.unwrap();
    assert_eq!(deleted.find_partition(TOPIC, 0).unwrap().offset(), Offset::Offset(3));
    assert_eq!(watermarks(&broker, TOPIC, 0).await, (3, 5));
    broker.stop().await;
    let broker = allim::demo::kafka::Broker::start(settings(folder.path())).await.unwrap();
    assert_eq!(watermarks(&broker, TOPIC, 0).await, (3, 5));
    let reader = reader(&broker, TOPIC, 0, Offset::Beginning, &[]);
    assert_eq!(rdkafka::Message::offset(&next(&reader).await), 3);
}
