//! OffsetCommit and OffsetFetch: what groups have read, kept and told.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{OffsetFetchResponsePartition, OffsetFetchResponseTopic};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::offsets::Committed;
use super::shared::Shared;

/// "Nothing committed".
const NONE: i64 = -1;

/// From this version on an answer holds the leader's epoch at the commit.
const KNOWS_EPOCHS: i16 = 5;

pub(super) fn commit(shared: &Shared, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let refused = refusal(shared, &request);
    let mut kept = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let index = partition.partition_index;
            let committed = Committed {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition.committed_metadata.map(|text| text.to_string()).filter(|text| !text.is_empty()),
            };
            let judged = match (&refused, shared.topics.partition(&topic.name, index)) {
                (Some(error), _) => Err(*error),
                (None, None) => Err(ResponseError::UnknownTopicOrPartition),
                (None, Some(_)) => committed.judge(),
            };
            let answer = OffsetCommitResponsePartition::default().with_partition_index(index);
            partitions.push(match judged {
                Ok(()) => answer,
                Err(error) => answer.with_error_code(error.code()),
            });
            if judged.is_ok() {
                kept.push((topic.name.to_string(), index, committed));
            }
        }
        topics.push(OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions));
    }
    if !kept.is_empty()
        && let Err(error) = shared.offsets.commit(&request.group_id, kept)
    {
        let accepted = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        accepted.filter(|p| p.error_code == 0).for_each(|p| p.error_code = error.code());
    }
    OffsetCommitResponse::default().with_topics(topics)
}

/// Why nothing of a commit may be kept.
fn refusal(shared: &Shared, request: &OffsetCommitRequest) -> Option<ResponseError> {
    let generation = request.generation_id_or_member_epoch;
    let judge = |group: &mut super::group::Group| group.may_commit(&request.member_id, generation, Instant::now());
    match shared.groups.quietly(&request.group_id, judge) {
        Some(judged) => judged.err(),
        None if request.group_id.is_empty() => Some(ResponseError::InvalidGroupId),
        // Nobody is in the group: a consumer that assigned itself commits without a generation.
        None => (generation >= 0).then_some(ResponseError::UnknownMemberId),
    }
}

pub(super) fn fetch(shared: &Shared, version: i16, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let group: &str = &request.group_id;
    let asked: Vec<(TopicName, Vec<i32>)> = match request.topics {
        Some(topics) => topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect(),
        None => {
            let all = shared.offsets.all_of(group).into_iter();
            all.map(|(topic, partitions)| (StrBytes::from_string(topic).into(), partitions)).collect()
        }
    };
    let topics = asked.into_iter().map(|(topic, indexes)| {
        let partitions = indexes.into_iter().map(|index| told(shared, version, group, &topic, index)).collect();
        OffsetFetchResponseTopic::default().with_name(topic).with_partitions(partitions)
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

fn told(shared: &Shared, version: i16, group: &str, topic: &str, index: i32) -> OffsetFetchResponsePartition {
    let answer = OffsetFetchResponsePartition::default().with_partition_index(index);
    let Some(committed) = shared.offsets.of(group, topic, index) else {
        return answer.with_committed_offset(NONE).with_metadata(Some(StrBytes::new()));
    };
    let answer = answer
        .with_committed_offset(committed.offset)
        .with_metadata(Some(StrBytes::from_string(committed.metadata.unwrap_or_default())));
    if version < KNOWS_EPOCHS {
        return answer;
    }
    answer.with_committed_leader_epoch(committed.leader_epoch)
}
