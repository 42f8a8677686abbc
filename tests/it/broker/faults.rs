//! The faults that tests of the server switch on do what they say.

use rdkafka::consumer::Consumer;
use rdkafka::{Message, Offset};

use super::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_held_client_sees_nothing_new_until_released() {
    let (_folder, broker) = broker().await;
    let producer = producer(&broker, &[]);
    let held = reader(&broker, TOPIC, 0, Offset::Beginning, &[("client.id", "held")]);
    let free = reader(&broker, TOPIC, 0, Offset::Beginning, &[("client.id", "free")]);
    publish(&producer, TOPIC, 0, b"before").await;
    next(&held).await;
    next(&free).await;

    broker.hold("held", TOPIC, 0);
    publish(&producer, TOPIC, 0, b"while").await;
    assert_eq!(next(&free).await.payload(), Some(b"while".as_slice()));
    // Many fetches of the held one have been answered meanwhile, each with the true end and without data.
    let cached = eventually("the true end", || async {
        let nothing = tokio::time::timeout(std::time::Duration::from_millis(50), held.recv()).await;
        assert!(!matches!(nothing, Ok(Ok(_))), "a held client has seen a record");
        let watermarks = ask(&broker, |c| c.fetch_watermarks(TOPIC, 0, DEADLINE).unwrap()).await;
        (watermarks.1 == 2).then_some(watermarks)
    });
    assert_eq!(cached.await, (0, 2));

    broker.release("held", TOPIC, 0);
    assert_eq!(next(&held).await.payload(), Some(b"while".as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_behind_names_fewer_partitions_until_it_names_all() {
    let (_folder, broker) = broker().await;
    let named = || async {
        ask(&broker, |c| c.fetch_metadata(Some(TOPIC), DEADLINE).unwrap().topics()[0].partitions().len()).await
    };
    let all = named().await;
    assert!(all > 1);
    broker.name_fewer(TOPIC, 1);
    assert_eq!(named().await, 1);
    broker.name_all(TOPIC);
    assert_eq!(named().await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_broker_answers_nothing_and_loses_nothing() {
    let (_folder, broker) = broker().await;
    let producer = producer(&broker, &[]);
    let reader = reader(&broker, TOPIC, 0, Offset::Beginning, &[]);
    publish(&producer, TOPIC, 0, b"before").await;
    assert_eq!(next(&reader).await.payload(), Some(b"before".as_slice()));

    broker.pause();
    let publishing = tokio::spawn({
        let producer = producer.clone();
        async move { publish(&producer, TOPIC, 0, b"while").await }
    });
    let asked = ask(&broker, |c| c.fetch_watermarks(TOPIC, 0, std::time::Duration::from_millis(500)).is_err()).await;
    assert!(asked, "a paused broker has answered");
    assert!(!publishing.is_finished());

    broker.resume();
    assert_eq!(within("publish", publishing).await.unwrap(), 1);
    assert_eq!(next(&reader).await.payload(), Some(b"while".as_slice()));
}
