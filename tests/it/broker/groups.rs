//! Consumer groups: partitions are shared, handed over, and continued where they were left.

use std::collections::HashSet;

use rdkafka::Message;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};

use super::support::*;

fn member(broker: &allim::demo::kafka::Broker, group: &str) -> StreamConsumer {
    let own = [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "200"),
    ];
    let consumer: StreamConsumer = client(broker, &own);
    consumer.subscribe(&[TOPIC]).unwrap();
    consumer
}

/// Lets clients work until their assignments together are as wanted.
async fn settled(members: &[&StreamConsumer], wanted: &[usize]) {
    eventually("assignment", || async {
        for member in members {
            // What is assigned changes while a consumer is polled.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(20), member.recv()).await;
        }
        let mut counts: Vec<usize> = members.iter().map(|m| m.assignment().unwrap().count()).collect();
        counts.sort_unstable();
        (counts == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_where_it_committed() {
    let (_folder, broker) = broker().await;
    let producer = producer(&broker, &[]);
    for n in 0..6_u8 {
        publish(&producer, TOPIC, 0, &[n]).await;
    }
    let first = member(&broker, "readers");
    for n in 0..3_u8 {
        let message = next(&first).await;
        assert_eq!(message.payload(), Some([n].as_slice()));
        first.commit_message(&message, CommitMode::Sync).unwrap();
    }
    tokio::task::spawn_blocking(move || drop(first)).await.unwrap();

    let second = member(&broker, "readers");
    assert_eq!(next(&second).await.payload(), Some([3].as_slice()));
    let others = member(&broker, "others");
    assert_eq!(next(&others).await.payload(), Some([0].as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_and_the_one_that_stays_takes_all() {
    let (_folder, broker) = broker().await;
    let first = member(&broker, "sharing");
    settled(&[&first], &[3]).await;
    let second = member(&broker, "sharing");
    settled(&[&first, &second], &[1, 2]).await;
    let shares = |c: &StreamConsumer| -> HashSet<i32> {
        c.assignment().unwrap().elements().iter().map(|e| e.partition()).collect()
    };
    assert!(shares(&first).is_disjoint(&shares(&second)));

    let listed = ask(&broker, |c| {
        let groups = c.fetch_group_list(Some("sharing"), DEADLINE).unwrap();
        let group = &groups.groups()[0];
        (group.state().to_owned(), group.members().len())
    })
    .await;
    assert_eq!(listed, ("Stable".to_owned(), 2));

    tokio::task::spawn_blocking(move || drop(first)).await.unwrap();
    settled(&[&second], &[3]).await;
}
