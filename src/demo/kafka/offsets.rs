//! Committed offsets of consumer groups: in memory, and in one small file that is replaced at each commit.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use kafka_protocol::error::ResponseError;
use serde::{Deserialize, Serialize};

use super::state::{self, Durability};
use super::topics::locked;

/// Groups whose offsets are kept; a new name beyond it is refused rather than an old one forgotten.
const MAX_GROUPS: usize = 256;

/// Kafka's own bound on the text beside an offset.
const MAX_METADATA: usize = 4_096;

/// Where a group stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Committed {
    pub offset: i64,
    pub leader_epoch: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

type Partitions = BTreeMap<i32, Committed>;
type ByGroup = BTreeMap<String, BTreeMap<String, Partitions>>;

/// What all groups have committed.
#[derive(Debug)]
pub(super) struct Offsets {
    file: PathBuf,
    groups: Mutex<ByGroup>,
}

impl Committed {
    /// Whether this commit may be kept at all.
    pub(super) fn judge(&self) -> Result<(), ResponseError> {
        match &self.metadata {
            Some(text) if text.len() > MAX_METADATA => Err(ResponseError::OffsetMetadataTooLarge),
            _ => Ok(()),
        }
    }
}

impl Offsets {
    pub(super) fn open(data_dir: &Path) -> io::Result<Self> {
        let file = data_dir.join("offsets.json");
        let groups = state::load::<ByGroup>(&file)?.unwrap_or_default();
        Ok(Self { file, groups: Mutex::new(groups) })
    }

    /// Keeps a group's offsets; all of them, or on an error none.
    pub(super) fn commit(&self, group: &str, offsets: Vec<(String, i32, Committed)>) -> Result<(), ResponseError> {
        self.change(|groups| {
            if !groups.contains_key(group) && groups.len() >= MAX_GROUPS {
                return Err(ResponseError::PolicyViolation);
            }
            let topics = groups.entry(group.to_owned()).or_default();
            for (topic, partition, committed) in offsets {
                topics.entry(topic).or_default().insert(partition, committed);
            }
            Ok(())
        })
    }

    /// What a group has committed in a topic.
    pub(super) fn of(&self, group: &str, topic: &str, partition: i32) -> Option<Committed> {
        locked(&self.groups).get(group)?.get(topic)?.get(&partition).cloned()
    }

    /// Everything a group has committed.
    pub(super) fn all_of(&self, group: &str) -> Vec<(String, Vec<i32>)> {
        let groups = locked(&self.groups);
        let topics = groups.get(group).into_iter().flatten();
        topics.map(|(topic, partitions)| (topic.clone(), partitions.keys().copied().collect())).collect()
    }

    pub(super) fn groups(&self) -> Vec<String> {
        locked(&self.groups).keys().cloned().collect()
    }

    /// A deleted topic's offsets mean nothing for another one of its name.
    pub(super) fn forget_topic(&self, topic: &str) -> Result<(), ResponseError> {
        self.change(|groups| {
            for topics in groups.values_mut() {
                topics.remove(topic);
            }
            groups.retain(|_, topics| !topics.is_empty());
            Ok(())
        })
    }

    pub(super) fn forget_group(&self, group: &str) -> Result<(), ResponseError> {
        self.change(|groups| groups.remove(group).map(drop).ok_or(ResponseError::GroupIdNotFound))
    }

    /// On disk first, then in memory: what a client was told is there after a restart.
    fn change(&self, change: impl FnOnce(&mut ByGroup) -> Result<(), ResponseError>) -> Result<(), ResponseError> {
        let mut groups = locked(&self.groups);
        let mut next = groups.clone();
        change(&mut next)?;
        if let Err(error) = state::save(&self.file, &next, Durability::Process) {
            tracing::warn!(%error, "offsets could not be kept");
            return Err(ResponseError::KafkaStorageError);
        }
        *groups = next;
        Ok(())
    }
}
