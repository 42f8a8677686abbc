//! What administrators ask for: topics created, deleted and grown, records and groups deleted, producer ids.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteGroupsRequest,
    DeleteGroupsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    InitProducerIdRequest, InitProducerIdResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::configs;
use super::metadata::refuse_transactions;
use super::shared::Shared;

/// From these versions on an answer tells more about a created topic, and topics are deleted by name or id.
const CREATE_TELLS_CONFIGS: i16 = 5;
const CREATE_TELLS_ID: i16 = 7;
const DELETE_BY_ID: i16 = 6;
const DELETE_TELLS_WHY: i16 = 5;

type Refusal = (ResponseError, Option<&'static str>);

fn because(message: Option<&'static str>) -> Option<StrBytes> {
    message.map(StrBytes::from_static_str)
}

pub(super) fn create_topics(shared: &Shared, version: i16, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let answer = CreatableTopicResult::default().with_name(topic.name.clone());
        match create(shared, &topic, request.validate_only) {
            Err((error, message)) => answer
                .with_error_code(error.code())
                .with_error_message(because(message))
                // Empty where nothing was created, and absent below the version that knows them.
                .with_configs((version >= CREATE_TELLS_CONFIGS).then(Vec::new)),
            Ok((partitions, id)) => created(shared, version, answer, partitions, id),
        }
    });
    CreateTopicsResponse::default().with_topics(topics.collect())
}

fn created(
    shared: &Shared,
    version: i16,
    answer: CreatableTopicResult,
    partitions: i32,
    id: Option<String>,
) -> CreatableTopicResult {
    let answer = match id {
        Some(id) if version >= CREATE_TELLS_ID => answer.with_topic_id(id.parse().unwrap_or_default()),
        _ => answer,
    };
    if version < CREATE_TELLS_CONFIGS {
        return answer;
    }
    let configs = configs::of_topic(&shared.settings).into_iter().map(|(name, value)| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(Some(StrBytes::from_string(value)))
            .with_read_only(true)
            .with_config_source(configs::STATIC_BROKER)
    });
    answer.with_num_partitions(partitions).with_replication_factor(1).with_configs(Some(configs.collect()))
}

fn create(shared: &Shared, topic: &CreatableTopic, validate_only: bool) -> Result<(i32, Option<String>), Refusal> {
    if !matches!(topic.replication_factor, -1 | 1) {
        return Err((ResponseError::InvalidReplicationFactor, Some("there is one broker, so one replica")));
    }
    if !topic.assignments.is_empty() {
        return Err((ResponseError::InvalidReplicaAssignment, Some("there is one broker: name a partition count")));
    }
    configs::accept(&topic.name, &topic.configs)?;
    let partitions = match topic.num_partitions {
        -1 => shared.settings.default_partitions,
        partitions => partitions,
    };
    let explain = |error: ResponseError| {
        let message =
            (error == ResponseError::PolicyViolation).then_some("the demo broker's bound on topics or partitions");
        (error, message)
    };
    if validate_only {
        return shared.topics.judge(&topic.name, partitions).map(|()| (partitions, None)).map_err(explain);
    }
    let made = shared.topics.create(&topic.name, partitions).map_err(explain)?;
    Ok((partitions, Some(made.id.clone())))
}

pub(super) fn delete_topics(shared: &Shared, version: i16, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let by_state = |state: DeleteTopicState| (state.name, state.topic_id);
    let asked: Vec<_> = if version >= DELETE_BY_ID {
        request.topics.into_iter().map(by_state).collect()
    } else {
        request.topic_names.into_iter().map(|name| (Some(name), Default::default())).collect()
    };
    let responses = asked.into_iter().map(|(name, id)| {
        let (found, missing) = match name {
            Some(name) => (Some(name.to_string()), ResponseError::UnknownTopicOrPartition),
            None => {
                let topic = shared.topics.by_id(&id.simple().to_string());
                (topic.map(|topic| topic.name.clone()), ResponseError::UnknownTopicId)
            }
        };
        let deleted = found.as_deref().ok_or(missing).and_then(|name| delete(shared, name));
        let answer = DeletableTopicResult::default().with_name(found.map(|name| StrBytes::from_string(name).into()));
        match deleted {
            Ok(id) if version >= DELETE_BY_ID => answer.with_topic_id(id.parse().unwrap_or_default()),
            Ok(_) => answer,
            Err(error) => answer
                .with_topic_id(id)
                .with_error_code(error.code())
                .with_error_message((version >= DELETE_TELLS_WHY).then(|| StrBytes::from_string(error.to_string()))),
        }
    });
    DeleteTopicsResponse::default().with_responses(responses.collect())
}

fn delete(shared: &Shared, name: &str) -> Result<String, ResponseError> {
    let topic = shared.topics.delete(name)?;
    shared.offsets.forget_topic(name)?;
    Ok(topic.id.clone())
}

pub(super) fn create_partitions(shared: &Shared, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let results = request.topics.into_iter().map(|topic| {
        let grown = if topic.assignments.is_some_and(|assignments| !assignments.is_empty()) {
            Err(ResponseError::InvalidReplicaAssignment)
        } else if request.validate_only {
            shared.topics.judge_count(&topic.name, topic.count)
        } else {
            shared.topics.grow(&topic.name, topic.count)
        };
        let answer = CreatePartitionsTopicResult::default().with_name(topic.name);
        match grown {
            Ok(()) => answer,
            Err(error) => {
                answer.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(error.to_string())))
            }
        }
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

pub(super) fn delete_records(shared: &Shared, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
            match shared.topics.delete_records(&topic.name, asked.partition_index, asked.offset) {
                Ok(start) => answer.with_low_watermark(start),
                Err(error) => answer.with_low_watermark(-1).with_error_code(error.code()),
            }
        });
        let partitions = partitions.collect();
        DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

pub(super) fn delete_groups(shared: &Shared, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let results = request.groups_names.into_iter().map(|name| {
        let deleted = match shared.groups.quietly(&name, |group| group.state()) {
            Some("Empty") | None => shared.offsets.forget_group(&name),
            Some(_) => Err(ResponseError::NonEmptyGroup),
        };
        let code = deleted.map_or_else(|error| error.code(), |()| 0);
        DeletableGroupResult::default().with_group_id(name).with_error_code(code)
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}

/// An id for an idempotent producer. Each start gets a new one, so its epoch never has to grow.
pub(super) fn init_producer_id(shared: &Shared, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    let refuse = |error: ResponseError| {
        InitProducerIdResponse::default()
            .with_error_code(error.code())
            .with_producer_id((-1).into())
            .with_producer_epoch(-1)
    };
    if let Some(transactional_id) = &request.transactional_id {
        refuse_transactions(transactional_id);
        return refuse(ResponseError::TransactionalIdAuthorizationFailed);
    }
    match shared.topics.next_producer_id() {
        Ok(id) => InitProducerIdResponse::default().with_producer_id(id.into()).with_producer_epoch(0),
        Err(error) => refuse(error),
    }
}
