//! Where a log begins and ends, and where in it a time is: ListOffsets and OffsetForLeaderEpoch.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::log::LEADER_EPOCH;
use super::shared::Shared;
use super::topics::locked;

/// Times that mean a place.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// "No such offset", "no such time", "no such epoch".
const NONE: i64 = -1;

/// From this version on an answer holds the leader's epoch.
const KNOWS_EPOCHS: i16 = 4;

pub(super) fn list_offsets(shared: &Shared, version: i16, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
            let epoch = if version >= KNOWS_EPOCHS { LEADER_EPOCH } else { -1 };
            match find(shared, &topic.name, asked.partition_index, asked.timestamp) {
                Ok((NONE, _)) => answer.with_offset(NONE).with_timestamp(NONE),
                Ok((offset, at)) => answer.with_offset(offset).with_timestamp(at).with_leader_epoch(epoch),
                Err(error) => answer.with_error_code(error.code()).with_offset(NONE).with_timestamp(NONE),
            }
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// The offset, and for a real time also the time of the record there.
fn find(shared: &Shared, topic: &str, index: i32, timestamp: i64) -> Result<(i64, i64), ResponseError> {
    let partition = shared.topics.partition(topic, index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let log = locked(&partition.log);
    match timestamp {
        LATEST => Ok((log.end(), NONE)),
        EARLIEST => Ok((log.start(), NONE)),
        // The other negative ones came with later versions than are offered.
        ..0 => Err(ResponseError::InvalidRequest),
        time => log.find_time(time).map(|found| found.unwrap_or((NONE, NONE))).map_err(|error| {
            tracing::warn!(topic, partition = index, %error, "the log could not be read");
            ResponseError::KafkaStorageError
        }),
    }
}

/// All there is was written in one epoch, so it ends where the log ends.
pub(super) fn epoch_ends(shared: &Shared, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = EpochEndOffset::default().with_partition(asked.partition);
            match shared.topics.partition(&topic.topic, asked.partition) {
                None => answer.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
                Some(_) if asked.leader_epoch != LEADER_EPOCH => answer,
                Some(partition) => answer.with_leader_epoch(LEADER_EPOCH).with_end_offset(locked(&partition.log).end()),
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}
