//! Metadata: which topics there are, with their ids and partitions, and the one broker that leads them all.

use std::net::SocketAddr;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    MetadataRequest, MetadataResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::log::LEADER_EPOCH;
use super::shared::{NODE_ID, Shared};
use super::topics::Topic;

/// From this version on a topic that is asked for by id may be without a name in the answer.
const NAMES_MAY_BE_NULL: i16 = 12;

/// What FindCoordinator is asked for.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// The broker as a client reaches it. The address is the one this client came to, so it holds behind any of the
/// machine's addresses.
fn host(reached: SocketAddr) -> StrBytes {
    StrBytes::from_string(reached.ip().to_string())
}

fn port(reached: SocketAddr) -> i32 {
    i32::from(reached.port())
}

pub(super) fn metadata(
    shared: &Shared,
    reached: SocketAddr,
    version: i16,
    request: MetadataRequest,
) -> MetadataResponse {
    let creates = request.allow_auto_topic_creation && shared.settings.auto_create_topics;
    // In version 0 an empty list means all topics, later a missing one does.
    let asked = request.topics.filter(|topics| version > 0 || !topics.is_empty());
    let topics = match asked {
        None => shared.topics.all().iter().map(|topic| describe(shared, topic)).collect(),
        Some(asked) => asked.iter().map(|topic| find(shared, creates, version, topic)).collect(),
    };
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(NODE_ID))
        .with_host(host(reached))
        .with_port(port(reached));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(StrBytes::from_string(shared.cluster_id.clone())))
        .with_controller_id(BrokerId(NODE_ID))
        .with_topics(topics)
}

fn find(shared: &Shared, creates: bool, version: i16, asked: &MetadataRequestTopic) -> MetadataResponseTopic {
    let missing = |error: ResponseError| MetadataResponseTopic::default().with_error_code(error.code());
    match &asked.name {
        Some(name) if asked.topic_id.is_nil() => {
            let found = match shared.topics.topic(name) {
                Some(topic) => Ok(topic),
                None if creates => shared.topics.create(name, shared.settings.default_partitions),
                None => Err(ResponseError::UnknownTopicOrPartition),
            };
            match found {
                Ok(topic) => describe(shared, &topic),
                Err(error) => missing(error).with_name(Some(name.clone())),
            }
        }
        _ => match shared.topics.by_id(&asked.topic_id.simple().to_string()) {
            Some(topic) => describe(shared, &topic),
            None => missing(ResponseError::UnknownTopicId)
                .with_name((version < NAMES_MAY_BE_NULL).then(Default::default))
                .with_topic_id(asked.topic_id),
        },
    }
}

fn describe(shared: &Shared, topic: &Topic) -> MetadataResponseTopic {
    let me = || vec![BrokerId(NODE_ID)];
    let named = topic.partitions().into_iter().filter(|one| shared.faults.names(&topic.name, one.index));
    let partitions = named.map(|partition| {
        MetadataResponsePartition::default()
            .with_partition_index(partition.index)
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(me())
            .with_isr_nodes(me())
    });
    MetadataResponseTopic::default()
        .with_name(Some(StrBytes::from_string(topic.name.clone()).into()))
        .with_topic_id(topic.id.parse().unwrap_or_default())
        .with_partitions(partitions.collect())
}

pub(super) fn describe_cluster(
    shared: &Shared,
    reached: SocketAddr,
    _: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(NODE_ID))
        .with_host(host(reached))
        .with_port(port(reached));
    DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(shared.cluster_id.clone()))
        .with_controller_id(BrokerId(NODE_ID))
        .with_brokers(vec![broker])
}

/// The coordinator of every group is this broker; transactions have none.
pub(super) fn find_coordinator(
    reached: SocketAddr,
    version: i16,
    request: &FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if request.key_type == GROUP {
        return FindCoordinatorResponse::default()
            .with_node_id(BrokerId(NODE_ID))
            .with_host(host(reached))
            .with_port(port(reached));
    }
    let (error, message) = if request.key_type == TRANSACTION {
        refuse_transactions(&request.key);
        // Of the codes there are, this is the one that all clients take as final: they do not try again for ever.
        (ResponseError::TransactionalIdAuthorizationFailed, "this broker knows no transactions")
    } else {
        (ResponseError::InvalidRequest, "this broker coordinates consumer groups only")
    };
    let message = (version >= 1).then(|| StrBytes::from_static_str(message));
    FindCoordinatorResponse::default()
        .with_error_code(error.code())
        .with_error_message(message)
        .with_node_id(BrokerId(-1))
        .with_port(-1)
}

/// The one line that says why a transactional producer got nowhere.
pub(super) fn refuse_transactions(transactional_id: &str) {
    tracing::warn!(
        transactional_id,
        "a transactional producer was refused: the demo broker knows no transactions; \
         publish without transactional.id, or run against real Kafka"
    );
}
