//! The requests that are answered, in which versions; and ApiVersions, which tells clients so.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};

/// Request, oldest and newest version.
///
/// Fetch and Produce stay below 13, where topics are named by id only; Metadata reaches 12, where ids are told.
/// ListOffsets, FindCoordinator and OffsetFetch stay below the versions that ask for several things at once.
const TABLE: [(ApiKey, i16, i16); 23] = [
    (ApiKey::Produce, 3, 9),
    (ApiKey::Fetch, 4, 11),
    (ApiKey::ListOffsets, 1, 6),
    (ApiKey::Metadata, 0, 12),
    (ApiKey::OffsetCommit, 2, 8),
    (ApiKey::OffsetFetch, 1, 7),
    (ApiKey::FindCoordinator, 0, 3),
    (ApiKey::JoinGroup, 0, 7),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 4),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::DescribeGroups, 0, 5),
    (ApiKey::ListGroups, 0, 4),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 6),
    (ApiKey::DeleteRecords, 0, 2),
    (ApiKey::InitProducerId, 0, 4),
    (ApiKey::OffsetForLeaderEpoch, 2, 4),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::CreatePartitions, 0, 3),
    (ApiKey::DeleteGroups, 0, 2),
    (ApiKey::DescribeCluster, 0, 1),
];

/// Whether a request in this version is answered.
pub(super) fn answered(key: ApiKey, version: i16) -> bool {
    TABLE.iter().any(|(known, oldest, newest)| *known == key && (*oldest..=*newest).contains(&version))
}

/// The table, as clients want it.
pub(super) fn tell(error: Option<ResponseError>) -> ApiVersionsResponse {
    let keys = TABLE.iter().map(|(key, oldest, newest)| {
        ApiVersion::default()
            .with_api_key(*key as i16) // the enum is made of these numbers
            .with_min_version(*oldest)
            .with_max_version(*newest)
    });
    ApiVersionsResponse::default().with_error_code(error.map_or(0, |error| error.code())).with_api_keys(keys.collect())
}
