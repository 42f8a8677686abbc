//! Bytes that no client library sends: refused or hung up on, never a panic, and others do not notice.

use std::sync::atomic::{AtomicUsize, Ordering};

use allim::demo::kafka::{Broker, Settings};

use super::raw::{Raw, batch, produce};
use super::support::*;

const CORRUPT: i16 = 2;
const UNKNOWN_TOPIC: i16 = 3;
const TOO_LARGE: i16 = 10;
const BAD_ACKS: i16 = 21;
const UNSUPPORTED_VERSION: i16 = 35;
const UNSUPPORTED_FORMAT: i16 = 43;
const OUT_OF_ORDER: i16 = 45;

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_are_not_whole_are_refused_with_their_reason() {
    let (_folder, broker) = broker().await;
    let mut raw = Raw::connect(&broker).await;
    let whole = batch(-1, -1, -1);
    let with = |at: usize, byte: u8| {
        let mut changed = whole.clone();
        changed[at] = byte;
        changed
    };
    assert_eq!(raw.publish(TOPIC, &with(16, 1)).await, (UNSUPPORTED_FORMAT, -1));
    assert_eq!(raw.publish(TOPIC, &with(65, b'y')).await, (CORRUPT, -1));
    assert_eq!(raw.publish(TOPIC, &whole[..40]).await, (CORRUPT, -1));
    assert_eq!(raw.publish(TOPIC, b"").await, (CORRUPT, -1));
    assert_eq!(raw.publish("nowhere", &whole).await, (UNKNOWN_TOPIC, -1));
    raw.send(0, 3, false, &produce(TOPIC, 0, 7, &whole)).await;
    assert_eq!(raw.produced(TOPIC).await, (BAD_ACKS, -1));
    assert_eq!(raw.publish(TOPIC, &whole).await, (0, 0), "and nothing of it was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_above_the_setting_is_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(Settings { max_message_bytes: 60, ..settings(folder.path()) }).await.unwrap();
    assert_eq!(Raw::connect(&broker).await.publish(TOPIC, &batch(-1, -1, -1)).await, (TOO_LARGE, -1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_batch_is_written_once_also_across_a_restart() {
    let (folder, broker) = broker().await;
    let mut raw = Raw::connect(&broker).await;
    assert_eq!(raw.publish(TOPIC, &batch(77, 0, 0)).await, (0, 0));
    assert_eq!(raw.publish(TOPIC, &batch(77, 0, 1)).await, (0, 1));
    assert_eq!(raw.publish(TOPIC, &batch(77, 0, 0)).await, (0, 0), "told where it is");
    assert_eq!(raw.publish(TOPIC, &batch(77, 0, 5)).await.0, OUT_OF_ORDER);
    broker.stop().await;
    let broker = Broker::start(settings(folder.path())).await.unwrap();
    let mut raw = Raw::connect(&broker).await;
    assert_eq!(raw.publish(TOPIC, &batch(77, 0, 1)).await, (0, 1));
    assert_eq!(raw.publish(TOPIC, &batch(77, 0, 2)).await, (0, 2));
    assert_eq!(watermarks(&broker, TOPIC, 0).await, (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order_and_acks_0_is_not() {
    let (_folder, broker) = broker().await;
    let mut raw = Raw::connect(&broker).await;
    let mut wanted = Vec::new();
    for n in 0..50 {
        let acks = if n % 3 == 0 { 0 } else { 1 };
        let number = raw.send(0, 3, false, &produce(TOPIC, 0, acks, &batch(-1, -1, -1))).await;
        wanted.extend((acks == 1).then_some(number));
    }
    for number in wanted {
        assert_eq!(raw.receive().await.expect("an answer").0, number);
    }
    assert_eq!(watermarks(&broker, TOPIC, 0).await, (0, 50));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_question_for_versions_is_answered_in_the_oldest_form() {
    let (_folder, broker) = broker().await;
    let mut raw = Raw::connect(&broker).await;
    raw.send(18, 9, true, &[1, 1, 0]).await;
    let (_, body) = raw.receive().await.expect("an answer");
    assert_eq!(i16::from_be_bytes([body[0], body[1]]), UNSUPPORTED_VERSION);
    assert!(i32::from_be_bytes(body[2..6].try_into().unwrap()) > 20, "and the versions are told");
    raw.send(18, 0, false, &[]).await;
    assert!(raw.receive().await.is_some(), "on the same connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_ends_the_connection() {
    let (_folder, broker) = broker().await;
    let frames: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 64],
        &[0, 0, 0, 0],
        &[0, 0, 0, 2, 0, 3],
        // Metadata 1 for two thousand million topics.
        &[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff],
        // A request of nobody knows what.
        &[0, 0, 0, 10, 0x7f, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff],
    ];
    for frame in frames {
        let mut raw = Raw::connect(&broker).await;
        raw.bytes(frame).await;
        assert_eq!(raw.receive().await, None, "{frame:?}");
    }
    assert_eq!(Raw::connect(&broker).await.publish(TOPIC, &batch(-1, -1, -1)).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_in_the_middle_of_a_request_holds_up_nobody() {
    let (_folder, broker) = broker().await;
    let mut slow = Vec::new();
    for _ in 0..40 {
        let mut raw = Raw::connect(&broker).await;
        raw.bytes(&[0, 0xff, 0xff, 0xff, 0, 0]).await;
        slow.push(raw);
    }
    assert_eq!(Raw::connect(&broker).await.publish(TOPIC, &batch(-1, -1, -1)).await, (0, 0));
    within("stop", broker.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bytes_make_it_panic() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let ours =
            |file: &str| file.contains("demo/kafka") || file.contains("kafka-protocol") || file.contains("bytes-");
        if info.location().is_some_and(|location| ours(location.file())) {
            PANICS.fetch_add(1, Ordering::Relaxed);
        }
        before(info);
    }));
    let (_folder, broker) = broker().await;
    let mut random = fastrand::Rng::with_seed(7);
    let versions = [0_i16, 9, 11, 6, 12, 8, 7, 3, 7, 4, 4, 5, 5, 4, 7, 6, 2, 4, 4, 4, 3, 2, 1];
    let keys = [3_i16, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 20, 21, 22, 23, 32, 37, 42, 60];
    for _ in 0..4_000 {
        let which = random.usize(..keys.len());
        let (mut key, mut version) = (keys[which], random.i16(0..=versions[which]));
        let mut body = vec![0; random.usize(..80)];
        // Small numbers get further than large ones.
        body.iter_mut().for_each(|byte| *byte = if random.bool() { random.u8(..4) } else { random.u8(..) });
        if random.u8(..4) == 0 {
            (key, version, body) = (0, 3, produce(TOPIC, 0, 1, &batch(1, 0, 0)));
            for _ in 0..3 {
                let at = random.usize(..body.len());
                body[at] = random.u8(..);
            }
        }
        let mut raw = Raw::connect(&broker).await;
        raw.send(key, version, random.bool(), &body).await;
        raw.finish().await;
    }
    broker.stop().await;
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}
