//! Records: what was published is read back as it was, in order, at once.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, Timestamp, TopicPartitionList};

use super::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn headers_keys_and_tombstones_come_back_as_they_were() {
    let (_folder, broker) = broker().await;
    let producer = producer(&broker, &[]);
    let headers = OwnedHeaders::new()
        .insert(Header { key: "type", value: Some("order") })
        .insert(Header { key: "null", value: None::<&[u8]> })
        .insert(Header { key: "empty", value: Some("") });
    let record: FutureRecord<'_, str, str> = FutureRecord::to(TOPIC).partition(1).key("한글").headers(headers);
    let sent = within("tombstone", producer.send(record, DEADLINE)).await.unwrap();
    assert_eq!((sent.partition, sent.offset), (1, 0));
    let bare: FutureRecord<'_, str, str> = FutureRecord::to(TOPIC).partition(1).payload("no key");
    within("bare", producer.send(bare, DEADLINE)).await.unwrap();

    let reader = reader(&broker, TOPIC, 1, Offset::Beginning, &[]);
    let first = next(&reader).await;
    assert_eq!((first.key(), first.payload()), (Some("한글".as_bytes()), None));
    let headers: Vec<_> = first.headers().unwrap().iter().map(|h| (h.key, h.value)).collect();
    assert_eq!(headers, [("type", Some(b"order".as_slice())), ("null", None), ("empty", Some(b"".as_slice()))]);
    let second = next(&reader).await;
    assert_eq!((second.key(), second.payload()), (None, Some(b"no key".as_slice())));
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_batches_are_kept_as_they_came() {
    let (_folder, broker) = broker().await;
    let payload = "abc".repeat(1_000);
    let codecs = ["gzip", "snappy", "lz4", "zstd", "none"];
    for codec in codecs {
        let producer = producer(&broker, &[("compression.type", codec)]);
        publish(&producer, TOPIC, 0, payload.as_bytes()).await;
    }
    let reader = reader(&broker, TOPIC, 0, Offset::Beginning, &[]);
    for codec in codecs {
        assert_eq!(next(&reader).await.payload(), Some(payload.as_bytes()), "{codec}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_of_appending_and_can_be_searched() {
    let (_folder, broker) = broker().await;
    let producer = producer(&broker, &[]);
    let mut times = Vec::new();
    for n in 0..5_i64 {
        // The producer's own time is of no account.
        let record: FutureRecord<'_, str, str> = FutureRecord::to(TOPIC).partition(0).payload("x").timestamp(n);
        let sent = within("publish", producer.send(record, DEADLINE)).await.unwrap();
        let Timestamp::LogAppendTime(at) = sent.timestamp else { panic!("{:?}", sent.timestamp) };
        times.push(at);
        // The next one gets a later millisecond.
        let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        while now() <= u128::try_from(at).unwrap() {
            std::thread::yield_now();
        }
    }
    let read = reader(&broker, TOPIC, 0, Offset::Beginning, &[]);
    for at in &times {
        assert_eq!(next(&read).await.timestamp(), Timestamp::LogAppendTime(*at));
    }
    let find = |at: i64| {
        ask(&broker, move |consumer| {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(TOPIC, 0, Offset::Offset(at)).unwrap();
            let found = consumer.offsets_for_times(list, DEADLINE).unwrap();
            found.find_partition(TOPIC, 0).unwrap().offset()
        })
    };
    assert_eq!(find(0).await, Offset::Offset(0));
    assert_eq!(find(times[2]).await, Offset::Offset(2));
    assert_eq!(find(times[2] + 1).await, Offset::Offset(3));
    assert_eq!(find(times[4] + 1).await, Offset::End);
}

#[tokio::test(flavor = "multi_thread")]
async fn watermarks_tell_where_a_partition_begins_and_ends() {
    let (_folder, broker) = broker().await;
    assert_eq!(watermarks(&broker, TOPIC, 2).await, (0, 0));
    let producer = producer(&broker, &[]);
    for _ in 0..3 {
        publish(&producer, TOPIC, 2, b"x").await;
    }
    assert_eq!(watermarks(&broker, TOPIC, 2).await, (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotent_producer_writes_everything_once_and_in_order() {
    let (_folder, broker) = broker().await;
    let producer = producer(&broker, &[("enable.idempotence", "true"), ("batch.num.messages", "7")]);
    let mut sent = Vec::new();
    for n in 0..500_u32 {
        let payload = n.to_string();
        let record: FutureRecord<'_, str, str> = FutureRecord::to(TOPIC).partition(0).payload(&payload);
        sent.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
    }
    for (n, delivery) in sent.into_iter().enumerate() {
        let delivery = within("delivery", delivery).await.unwrap().unwrap();
        assert_eq!(usize::try_from(delivery.offset).unwrap(), n);
    }
    assert_eq!(watermarks(&broker, TOPIC, 0).await, (0, 500));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_fetch_is_woken_by_a_record() {
    let (_folder, broker) = broker().await;
    let producer = producer(&broker, &[]);
    publish(&producer, TOPIC, 0, b"warm").await;
    // Without the waking it would take these ten seconds.
    let waits = [("fetch.wait.max.ms", "10000"), ("socket.timeout.ms", "30000")];
    let reader = reader(&broker, TOPIC, 0, Offset::Beginning, &waits);
    assert_eq!(next(&reader).await.payload(), Some(b"warm".as_slice()));
    for _ in 0..20 {
        let begun = Instant::now();
        publish(&producer, TOPIC, 0, b"now").await;
        assert_eq!(next(&reader).await.payload(), Some(b"now".as_slice()));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_records_pass_and_too_large_ones_are_refused() {
    let (_folder, broker) = broker().await;
    let producer = producer(&broker, &[("message.max.bytes", "30000000")]);
    let large = vec![7_u8; 10_000_000];
    publish(&producer, TOPIC, 0, b"before").await;
    publish(&producer, TOPIC, 0, &large).await;
    publish(&producer, TOPIC, 0, b"after").await;
    let too_large = vec![7_u8; 16 * 1024 * 1024 - 60 * 1024];
    let refused = try_publish(&producer, TOPIC, 0, &too_large).await;
    assert!(
        matches!(refused, Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge))),
        "{refused:?}"
    );
    let reader = reader(&broker, TOPIC, 0, Offset::Beginning, &[]);
    let lengths = [6, 10_000_000, 5];
    for length in lengths {
        assert_eq!(next(&reader).await.payload_len(), length);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_small_batches_loses_nothing() {
    const RECORDS: u32 = 30_000;
    let (_folder, broker) = broker().await;
    let reader = reader(&broker, TOPIC, 0, Offset::Beginning, &[]);
    let producer = producer(&broker, &[("batch.num.messages", "1"), ("queue.buffering.max.messages", "100000")]);
    for n in 0..RECORDS {
        let payload = n.to_string();
        let record: FutureRecord<'_, str, str> = FutureRecord::to(TOPIC).partition(0).payload(&payload);
        drop(producer.send_result(record).map_err(|(error, _)| error).unwrap());
    }
    let mut seen = HashSet::new();
    for expected in 0..i64::from(RECORDS) {
        let message = next(&reader).await;
        assert_eq!(message.offset(), expected);
        seen.insert(message.payload().unwrap().to_vec());
    }
    assert_eq!(seen.len(), usize::try_from(RECORDS).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactional_producer_is_refused_at_once() {
    let (_folder, broker) = broker().await;
    let producer = producer(&broker, &[("transactional.id", "t-1")]);
    let begun = Instant::now();
    let refused = tokio::task::spawn_blocking(move || producer.init_transactions(DEADLINE)).await.unwrap();
    assert_eq!(refused.unwrap_err().rdkafka_error_code(), Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed));
    assert!(begun.elapsed() < Duration::from_secs(10), "it is final, not tried again: {:?}", begun.elapsed());
}
