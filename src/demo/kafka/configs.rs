//! DescribeConfigs: what is true of this broker under Kafka's names, read-only; no more is claimed than is done.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopicConfig;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use super::Settings;
use super::shared::{NODE_ID, Shared};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// "Set in the broker's own configuration file": the nearest to "this is how the broker is".
pub(super) const STATIC_BROKER: i8 = 4;

/// From this version on the type of a value is told; all of ours are told as text.
const KNOWS_TYPES: i16 = 3;
const TEXT: i8 = 2;

/// Every topic is like every other.
pub(super) fn of_topic(settings: &Settings) -> Vec<(&'static str, String)> {
    vec![
        ("cleanup.policy", "delete".to_owned()),
        ("compression.type", "producer".to_owned()),
        ("max.message.bytes", settings.max_message_bytes.to_string()),
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("min.insync.replicas", "1".to_owned()),
        // The bound is on all topics together, so it is also the most that one of them can keep.
        ("retention.bytes", settings.max_bytes.to_string()),
        // Nothing is deleted for its age.
        ("retention.ms", "-1".to_owned()),
        ("segment.bytes", settings.segment_bytes.to_string()),
        ("unclean.leader.election.enable", "false".to_owned()),
    ]
}

fn of_broker(settings: &Settings) -> Vec<(&'static str, String)> {
    vec![
        ("auto.create.topics.enable", settings.auto_create_topics.to_string()),
        ("broker.id", NODE_ID.to_string()),
        ("delete.topic.enable", "true".to_owned()),
        ("log.cleanup.policy", "delete".to_owned()),
        ("log.dirs", settings.data_dir.display().to_string()),
        ("log.message.timestamp.type", "LogAppendTime".to_owned()),
        ("log.retention.bytes", settings.max_bytes.to_string()),
        ("log.retention.ms", "-1".to_owned()),
        ("log.segment.bytes", settings.segment_bytes.to_string()),
        ("message.max.bytes", settings.max_message_bytes.to_string()),
        ("num.partitions", settings.default_partitions.to_string()),
        ("unclean.leader.election.enable", "false".to_owned()),
    ]
}

/// Configurations that a topic is created with. A script written for a real cluster names some; what only tunes
/// is left aside with one line, what would change the meaning of the log is refused.
pub(super) fn accept(
    topic: &str,
    configs: &[CreatableTopicConfig],
) -> Result<(), (ResponseError, Option<&'static str>)> {
    for config in configs {
        let value = config.value.as_deref().unwrap_or_default();
        match &*config.name {
            "cleanup.policy" if value != "delete" => {
                return Err((ResponseError::InvalidConfig, Some("the demo broker does not compact")));
            }
            "cleanup.policy" => {}
            name => {
                tracing::info!(topic, config = name, value, "a topic configuration has no effect in the demo broker")
            }
        }
    }
    Ok(())
}

pub(super) fn describe(shared: &Shared, version: i16, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|asked| {
        let found = match asked.resource_type {
            TOPIC if shared.topics.topic(&asked.resource_name).is_some() => Ok(of_topic(&shared.settings)),
            TOPIC => Err(ResponseError::UnknownTopicOrPartition),
            BROKER if asked.resource_name.is_empty() || *asked.resource_name == *NODE_ID.to_string() => {
                Ok(of_broker(&shared.settings))
            }
            _ => Err(ResponseError::InvalidRequest),
        };
        let answer = DescribeConfigsResult::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name);
        match found {
            Err(error) => {
                answer.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(error.to_string())))
            }
            Ok(configs) => {
                let wanted = |name: &str| {
                    asked.configuration_keys.as_ref().is_none_or(|keys| keys.iter().any(|key| **key == *name))
                };
                let configs = configs.into_iter().filter(|(name, _)| wanted(name));
                answer.with_configs(configs.map(|(name, value)| tell(version, name, value)).collect())
            }
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn tell(version: i16, name: &'static str, value: String) -> DescribeConfigsResourceResult {
    let told = DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(Some(StrBytes::from_string(value)))
        .with_read_only(true)
        .with_config_source(STATIC_BROKER);
    if version < KNOWS_TYPES {
        return told;
    }
    told.with_config_type(TEXT)
}
