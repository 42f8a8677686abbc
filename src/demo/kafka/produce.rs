//! Produce: batches into the log, each acknowledged when its segment file has it.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use super::batch;
use super::shared::Shared;

/// What a partition answers where the protocol wants a number and there is none.
const NONE: i64 = -1;

/// Whether the client wants an answer at all.
pub(super) fn wants_answer(request: &ProduceRequest) -> bool {
    request.acks != 0
}

/// Appends every batch of a request.
pub(super) fn produce(shared: &Shared, request: ProduceRequest) -> ProduceResponse {
    let refused = refusal(&request);
    let responses = request.topic_data.into_iter().map(|topic| {
        let answer = |index: i32, records: Option<Bytes>| {
            let done = match refused {
                Some(error) => Err(error),
                None => append(shared, &topic.name, index, records),
            };
            done.unwrap_or_else(refuse).with_index(index)
        };
        let partitions = topic.partition_data.into_iter().map(|p| answer(p.index, p.records)).collect();
        TopicProduceResponse::default().with_name(topic.name.clone()).with_partition_responses(partitions)
    });
    ProduceResponse::default().with_responses(responses.collect())
}

/// What makes the whole request impossible.
fn refusal(request: &ProduceRequest) -> Option<ResponseError> {
    if request.transactional_id.is_some() {
        return Some(ResponseError::TransactionalIdAuthorizationFailed);
    }
    // -1 waits for all replicas, 1 for the leader: here they are the same one.
    (!(-1..=1).contains(&request.acks)).then_some(ResponseError::InvalidRequiredAcks)
}

fn append(
    shared: &Shared,
    topic: &str,
    index: i32,
    records: Option<Bytes>,
) -> Result<PartitionProduceResponse, ResponseError> {
    let partition = shared.topics.partition(topic, index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let records = records.unwrap_or_default();
    let header = batch::check(&records, shared.settings.max_message_bytes)?;
    let appended = shared.topics.append(&partition, &records, &header)?;
    let start = super::topics::locked(&partition.log).start();
    Ok(PartitionProduceResponse::default()
        .with_base_offset(appended.offset)
        .with_log_append_time_ms(appended.at)
        .with_log_start_offset(start))
}

fn refuse(error: ResponseError) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_error_code(error.code())
        .with_base_offset(NONE)
        .with_log_append_time_ms(NONE)
        .with_log_start_offset(NONE)
}
