//! A member of a consumer group, and the answers it waits for.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A wish to join, as it came in.
pub(super) struct JoinAsk {
    pub member_id: StrBytes,
    pub instance: Option<StrBytes>,
    pub client_id: StrBytes,
    pub client_host: String,
    pub session_ms: i32,
    pub rebalance_ms: i32,
    pub protocol_type: StrBytes,
    pub protocols: Vec<(StrBytes, Bytes)>,
    /// Whether the client can be told to come again with the id it is given (JoinGroup 4 and later).
    pub knows_member_id_required: bool,
}

/// A member as its leader, and an administrator, sees it.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub member_id: StrBytes,
    pub instance: Option<StrBytes>,
    pub client_id: StrBytes,
    pub client_host: String,
    pub metadata: Bytes,
    pub assignment: Bytes,
}

/// What a member gets for joining.
#[derive(Debug, Clone, Default)]
pub(super) struct Joined {
    pub error: Option<ResponseError>,
    pub generation: i32,
    pub protocol_type: StrBytes,
    pub protocol: StrBytes,
    pub leader: StrBytes,
    pub member_id: StrBytes,
    /// For the leader only: it makes the assignment.
    pub members: Vec<Seat>,
}

/// What a member gets for syncing: its share.
pub(super) type Synced = Result<Bytes, ResponseError>;

/// An answer that is there, or one that others have to act for.
pub(super) enum Answer<T> {
    Now(T),
    Later(oneshot::Receiver<T>),
}

/// A member, as the group keeps it.
#[derive(Debug)]
pub(super) struct Member {
    pub id: StrBytes,
    pub instance: Option<StrBytes>,
    pub client_id: StrBytes,
    pub client_host: String,
    pub session: Duration,
    pub rebalance: Duration,
    pub protocols: Vec<(StrBytes, Bytes)>,
    pub deadline: Instant,
    pub joining: Option<oneshot::Sender<Joined>>,
    pub syncing: Option<oneshot::Sender<Synced>>,
    pub assignment: Bytes,
}

impl Member {
    /// Whether its connection waits for an answer of ours: it cannot send heartbeats meanwhile.
    pub(super) fn waits(&self) -> bool {
        let joining = self.joining.as_ref().is_some_and(|sender| !sender.is_closed());
        let syncing = self.syncing.as_ref().is_some_and(|sender| !sender.is_closed());
        joining || syncing
    }
}

/// The protocol that all know and most prefer; the first named wins a tie.
pub(super) fn elect(members: &[Member]) -> StrBytes {
    let all_know = |name: &StrBytes| members.iter().all(|m| m.protocols.iter().any(|(n, _)| n == name));
    let mut votes: Vec<(StrBytes, usize)> = Vec::new();
    for member in members {
        let Some((choice, _)) = member.protocols.iter().find(|(name, _)| all_know(name)) else {
            continue;
        };
        match votes.iter_mut().find(|(name, _)| name == choice) {
            Some((_, count)) => *count += 1,
            None => votes.push((choice.clone(), 1)),
        }
    }
    votes.into_iter().rev().max_by_key(|(_, count)| *count).map(|(name, _)| name).unwrap_or_default()
}
