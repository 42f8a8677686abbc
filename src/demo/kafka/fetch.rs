//! Fetch: batches out of the log; a fetch that finds too little waits and is woken by the next batch.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, timeout_at};

use super::dispatch::Peer;
use super::log::{LEADER_EPOCH, Span};
use super::shared::Shared;
use super::topics::locked;

/// Bytes in one answer, whatever the client asks: they are in memory twice for a moment, for each connection.
/// A first batch that is larger is sent all the same, or its reader would never get past it.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// Up to here an answer is read where it is needed: the page cache gives it faster than another thread could.
const READ_AT_ONCE: usize = 128 * 1024;

const NONE: i64 = -1;

/// One partition's part of an answer, before its bytes are read.
struct Found {
    partition: i32,
    end: i64,
    start: i64,
    data: Result<Option<Span>, ResponseError>,
}

/// One look at everything a fetch asks for.
struct Look {
    topics: Vec<(StrBytes, Vec<Found>)>,
    bytes: usize,
    failed: bool,
}

/// Answers a fetch, when there is enough or when its time is over; `None` when the broker is stopping.
pub(super) async fn fetch(
    shared: &Arc<Shared>,
    client_id: &str,
    peer: &Peer,
    request: FetchRequest,
) -> Option<FetchResponse> {
    if request.session_id != 0 {
        // No sessions here: id 0 in every answer tells clients to ask in full each time.
        return Some(FetchResponse::default().with_error_code(ResponseError::FetchSessionIdNotFound.code()));
    }
    let wait = u64::try_from(request.max_wait_ms).map_or(Duration::ZERO, Duration::from_millis);
    let until = Instant::now() + wait;
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    let look = loop {
        let look = look(shared, client_id, peer, &request);
        if look.failed || look.bytes >= enough {
            break look;
        }
        // The waiter was registered before looking, so a batch that came since has already told it.
        if timeout_at(until, peer.waiter.notified()).await.is_err() {
            break look;
        }
    };
    if look.bytes <= READ_AT_ONCE {
        return Some(answer(look));
    }
    shared.on_files(move |_| answer(look)).await
}

/// Looks at every partition; nothing but a few headers is read.
fn look(shared: &Shared, client_id: &str, peer: &Peer, request: &FetchRequest) -> Look {
    let mut room = usize::try_from(request.max_bytes).unwrap_or(0).min(MAX_ANSWER);
    let mut look = Look { topics: Vec::with_capacity(request.topics.len()), bytes: 0, failed: false };
    for FetchTopic { topic, partitions, .. } in &request.topics {
        let mut found = Vec::with_capacity(partitions.len());
        for asked in partitions {
            // Behind the first batch the limits count: an answer is never empty for want of room.
            let full = look.bytes > 0 && room == 0;
            let limit = if full { None } else { Some(room) };
            let one = look_at(shared, client_id, peer, topic, asked, limit);
            match &one.data {
                Ok(Some(span)) if look.bytes > 0 && span.length > room => {
                    found.push(Found { data: Ok(None), ..one });
                    room = 0;
                    continue;
                }
                Ok(Some(span)) => {
                    look.bytes += span.length;
                    room = room.saturating_sub(span.length);
                }
                Ok(None) => {}
                Err(_) => look.failed = true,
            }
            found.push(one);
        }
        look.topics.push((topic.0.clone(), found));
    }
    look
}

fn look_at(
    shared: &Shared,
    client_id: &str,
    peer: &Peer,
    topic: &str,
    asked: &FetchPartition,
    room: Option<usize>,
) -> Found {
    let failed = |error| Found { partition: asked.partition, end: NONE, start: NONE, data: Err(error) };
    let Some(partition) = shared.topics.partition(topic, asked.partition) else {
        return failed(ResponseError::UnknownTopicOrPartition);
    };
    if asked.current_leader_epoch > LEADER_EPOCH {
        return failed(ResponseError::UnknownLeaderEpoch);
    }
    let limit = usize::try_from(asked.partition_max_bytes).unwrap_or(0);
    let mut log = locked(&partition.log);
    log.wait(&peer.waiter);
    let (start, end) = (log.start(), log.end());
    if shared.faults.holds(client_id, topic, asked.partition, peer.number) {
        return Found { partition: asked.partition, end, start, data: Ok(None) };
    }
    let data = match room {
        Some(room) => log.find(asked.fetch_offset, limit.min(room)),
        // No room any more, but an offset out of range is still told.
        None => log.find(asked.fetch_offset, 0).map(|_| None),
    };
    match data {
        Err(error) => failed(error),
        data => Found { partition: asked.partition, end, start, data },
    }
}

/// Reads what was found, outside of any lock: the files stay readable even when their segment is deleted now.
fn answer(look: Look) -> FetchResponse {
    let responses = look.topics.into_iter().map(|(topic, found)| {
        let partitions = found.into_iter().map(part).collect();
        FetchableTopicResponse::default().with_topic(topic.into()).with_partitions(partitions)
    });
    FetchResponse::default().with_responses(responses.collect())
}

fn part(found: Found) -> PartitionData {
    let records = match found.data {
        Ok(None) => Ok(Bytes::new()),
        Ok(Some(span)) => span.read().map(Bytes::from).map_err(|error| {
            tracing::warn!(%error, "the log could not be read");
            ResponseError::KafkaStorageError
        }),
        Err(error) => Err(error),
    };
    let data = PartitionData::default()
        .with_partition_index(found.partition)
        .with_high_watermark(found.end)
        .with_last_stable_offset(found.end)
        .with_log_start_offset(found.start)
        .with_preferred_read_replica(BrokerId(-1))
        // No transactions here, so none were aborted.
        .with_aborted_transactions(Some(Vec::new()));
    match records {
        Ok(bytes) => data.with_records(Some(bytes)),
        Err(error) => data.with_error_code(error.code()).with_records(Some(Bytes::new())),
    }
}
