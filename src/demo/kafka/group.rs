//! One consumer group: who is in it, which generation it is at, and who waits for whom. No sockets, no timers.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::member::{self, Answer, JoinAsk, Joined, Member, Seat, Synced};

/// How long the first generation of a group waits for further members: consumers that start together then share
/// one rebalance instead of interrupting each other.
const FIRST_GENERATION_WAITS: Duration = Duration::from_millis(200);

/// Members of one group; each costs an open connection anyhow.
const MAX_MEMBERS: usize = 64;

/// The session time-outs that are taken; the lower bound is below Kafka's, so that tests need not wait.
const SESSION_MS: std::ops::RangeInclusive<i32> = 500..=1_800_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waiting for every known member to join again, not before one time and not beyond another.
    Preparing {
        not_before: Instant,
        until: Instant,
    },
    /// Waiting for the leader's assignment.
    Syncing,
    Stable,
}

/// A group with members.
#[derive(Debug)]
pub(super) struct Group {
    generation: i32,
    phase: Phase,
    protocol_type: StrBytes,
    protocol: StrBytes,
    leader: StrBytes,
    /// In the order of their coming.
    members: Vec<Member>,
    /// Ids that were given out and not used yet.
    pending: HashMap<StrBytes, Instant>,
}

impl Group {
    pub(super) fn new() -> Self {
        Self {
            generation: 0,
            phase: Phase::Stable,
            protocol_type: StrBytes::new(),
            protocol: StrBytes::new(),
            leader: StrBytes::new(),
            members: Vec::new(),
            pending: HashMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    fn member(&mut self, id: &StrBytes) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == *id)
    }

    pub(super) fn join(&mut self, mut ask: JoinAsk, now: Instant) -> Answer<Joined> {
        let refuse = |error, member_id| {
            Answer::Now(Joined { error: Some(error), member_id, generation: -1, ..Joined::default() })
        };
        let Some(session) = u64::try_from(ask.session_ms).ok().filter(|_| SESSION_MS.contains(&ask.session_ms)) else {
            return refuse(ResponseError::InvalidSessionTimeout, ask.member_id);
        };
        let session = Duration::from_millis(session);
        if !self.suits(&ask) {
            return refuse(ResponseError::InconsistentGroupProtocol, ask.member_id);
        }
        let rejoins = self.member(&ask.member_id).is_some();
        if !rejoins {
            let known = self.pending.remove(&ask.member_id).is_some();
            if !ask.member_id.is_empty() && !known {
                return refuse(ResponseError::UnknownMemberId, ask.member_id);
            }
            self.supersede(ask.instance.as_ref());
            if self.members.len() + self.pending.len() >= MAX_MEMBERS {
                return refuse(ResponseError::GroupMaxSizeReached, ask.member_id);
            }
            if ask.member_id.is_empty() {
                ask.member_id = StrBytes::from_string(format!("{}-{:032x}", &*ask.client_id, fastrand::u128(..)));
                if ask.knows_member_id_required && ask.instance.is_none() {
                    self.pending.insert(ask.member_id.clone(), now + session);
                    return refuse(ResponseError::MemberIdRequired, ask.member_id);
                }
            }
        }
        if rejoins && self.settled(&ask) {
            return Answer::Now(self.present(&ask.member_id));
        }
        let (sender, receiver) = oneshot::channel();
        self.seat(ask, session, sender, now);
        self.prepare(now);
        self.try_complete(now);
        Answer::Later(receiver)
    }

    /// Whether the group can take somebody with these protocols.
    fn suits(&self, ask: &JoinAsk) -> bool {
        let others = || self.members.iter().filter(|member| member.id != ask.member_id);
        let common = |name: &StrBytes| others().all(|member| member.protocols.iter().any(|(n, _)| n == name));
        let kind = others().next().is_none() || self.protocol_type == ask.protocol_type;
        kind && !ask.protocol_type.is_empty() && ask.protocols.iter().any(|(name, _)| common(name))
    }

    /// A static member that came back under its name replaces its former self.
    fn supersede(&mut self, instance: Option<&StrBytes>) {
        let Some(at) =
            self.members.iter().position(|member| instance.is_some() && member.instance.as_ref() == instance)
        else {
            return;
        };
        let former = self.members.remove(at);
        if let Some(joining) = former.joining {
            // Nobody may wait any more: the connection is usually gone.
            let _ = joining.send(Joined { error: Some(ResponseError::FencedInstanceId), ..Joined::default() });
        }
        if let Some(syncing) = former.syncing {
            let _ = syncing.send(Err(ResponseError::FencedInstanceId));
        }
    }

    /// Whether a member that joins again can have the present generation: nothing about it changed, and it does
    /// not lead (a leader joins again when it wants a new assignment).
    fn settled(&self, ask: &JoinAsk) -> bool {
        let same = |member: &Member| member.id == ask.member_id && member.protocols == ask.protocols;
        let leads = self.leader == ask.member_id;
        self.members.iter().any(same)
            && match self.phase {
                Phase::Preparing { .. } => false,
                Phase::Syncing => true,
                Phase::Stable => !leads,
            }
    }

    /// The present generation, as one member sees it.
    fn present(&self, member_id: &StrBytes) -> Joined {
        let leads = self.leader == *member_id;
        Joined {
            error: None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member_id: member_id.clone(),
            members: if leads { self.seats() } else { Vec::new() },
        }
    }

    pub(super) fn seats(&self) -> Vec<Seat> {
        let metadata = |member: &Member| {
            let chosen = member.protocols.iter().find(|(name, _)| *name == self.protocol);
            chosen.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
        };
        let seat = |member: &Member| Seat {
            member_id: member.id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: metadata(member),
            assignment: member.assignment.clone(),
        };
        self.members.iter().map(seat).collect()
    }

    fn seat(&mut self, ask: JoinAsk, session: Duration, joining: oneshot::Sender<Joined>, now: Instant) {
        let rebalance = u64::try_from(ask.rebalance_ms).map_or(session, Duration::from_millis);
        self.protocol_type = ask.protocol_type;
        let former = self.members.iter().position(|member| member.id == ask.member_id);
        let member = Member {
            id: ask.member_id,
            instance: ask.instance,
            client_id: ask.client_id,
            client_host: ask.client_host,
            session,
            rebalance,
            protocols: ask.protocols,
            deadline: now + session,
            joining: Some(joining),
            syncing: None,
            assignment: Bytes::new(),
        };
        match former.and_then(|at| self.members.get_mut(at)) {
            Some(place) => *place = member,
            None => self.members.push(member),
        }
    }

    /// Begins a rebalance, where none is under way.
    fn prepare(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Preparing { .. }) {
            return;
        }
        for member in &mut self.members {
            if let Some(syncing) = member.syncing.take() {
                let _ = syncing.send(Err(ResponseError::RebalanceInProgress)); // or nobody waits any more
            }
        }
        let longest = self.members.iter().map(|member| member.rebalance).max().unwrap_or_default();
        let wait = if self.generation == 0 { FIRST_GENERATION_WAITS } else { Duration::ZERO };
        self.phase = Phase::Preparing { not_before: now + wait, until: now + longest.max(wait) };
    }

    /// Ends the rebalance when everybody is there, or when those who are not have been waited for long enough.
    fn try_complete(&mut self, now: Instant) {
        let Phase::Preparing { not_before, until } = self.phase else {
            return;
        };
        let complete = self.members.iter().all(|member| member.joining.is_some());
        if now < not_before || (!complete && now < until) {
            return;
        }
        self.members.retain(|member| member.joining.is_some());
        self.generation = self.generation.saturating_add(1);
        self.phase = Phase::Syncing;
        self.protocol = member::elect(&self.members);
        if !self.members.iter().any(|member| member.id == self.leader) {
            self.leader = self.members.first().map(|first| first.id.clone()).unwrap_or_default();
        }
        let ids: Vec<StrBytes> = self.members.iter().map(|member| member.id.clone()).collect();
        for id in ids {
            let joined = self.present(&id);
            let Some(member) = self.member(&id) else { continue };
            member.deadline = now + member.session;
            member.assignment = Bytes::new();
            if let Some(joining) = member.joining.take() {
                let _ = joining.send(joined); // a member that hung up is found by its session time-out
            }
        }
    }

    /// Whether somebody is a member of the present generation; being asked also keeps it alive.
    fn touch(&mut self, member_id: &StrBytes, generation: i32, now: Instant) -> Result<(), ResponseError> {
        let present = self.generation;
        let member = self.member(member_id).ok_or(ResponseError::UnknownMemberId)?;
        if generation != present {
            return Err(ResponseError::IllegalGeneration);
        }
        member.deadline = now + member.session;
        Ok(())
    }

    pub(super) fn sync(
        &mut self,
        member_id: &StrBytes,
        generation: i32,
        assignments: Vec<(StrBytes, Bytes)>,
        now: Instant,
    ) -> Answer<Synced> {
        if let Err(error) = self.touch(member_id, generation, now) {
            return Answer::Now(Err(error));
        }
        if matches!(self.phase, Phase::Preparing { .. }) {
            return Answer::Now(Err(ResponseError::RebalanceInProgress));
        }
        if self.phase == Phase::Syncing && self.leader == *member_id {
            for (id, assignment) in assignments {
                if let Some(member) = self.member(&id) {
                    member.assignment = assignment;
                }
            }
            self.phase = Phase::Stable;
            for member in &mut self.members {
                member.deadline = now + member.session;
                if let Some(syncing) = member.syncing.take() {
                    let _ = syncing.send(Ok(member.assignment.clone())); // or nobody waits any more
                }
            }
        }
        let stable = self.phase == Phase::Stable;
        let Some(member) = self.member(member_id) else {
            return Answer::Now(Err(ResponseError::UnknownMemberId));
        };
        if stable {
            return Answer::Now(Ok(member.assignment.clone()));
        }
        let (sender, receiver) = oneshot::channel();
        member.syncing = Some(sender);
        Answer::Later(receiver)
    }

    pub(super) fn heartbeat(
        &mut self,
        member_id: &StrBytes,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        self.touch(member_id, generation, now)?;
        match self.phase {
            Phase::Preparing { .. } => Err(ResponseError::RebalanceInProgress),
            Phase::Syncing | Phase::Stable => Ok(()),
        }
    }

    /// Whether a commit of this member may be kept. One without generation comes from a consumer that assigned
    /// itself; it may not write over a group that shares its partitions.
    pub(super) fn may_commit(
        &mut self,
        member_id: &StrBytes,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        self.touch(member_id, generation, now)?;
        match self.phase {
            Phase::Syncing => Err(ResponseError::RebalanceInProgress),
            Phase::Preparing { .. } | Phase::Stable => Ok(()),
        }
    }

    pub(super) fn leave(
        &mut self,
        member_id: &StrBytes,
        instance: Option<&StrBytes>,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if self.pending.remove(member_id).is_some() {
            return Ok(());
        }
        let named = |member: &Member| {
            member.id == *member_id
                || (member_id.is_empty() && instance.is_some() && member.instance.as_ref() == instance)
        };
        let at = self.members.iter().position(named).ok_or(ResponseError::UnknownMemberId)?;
        self.members.remove(at);
        self.prepare(now);
        self.try_complete(now);
        Ok(())
    }

    /// Does what time has brought; says when to look again, or that there is nobody left to look after.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Instant> {
        self.pending.retain(|_, deadline| *deadline > now);
        let before = self.members.len();
        self.members.retain(|member| member.waits() || member.deadline > now);
        if self.members.len() < before {
            self.prepare(now);
        }
        self.try_complete(now);
        let sessions = self.members.iter().filter(|member| !member.waits()).map(|member| member.deadline);
        let rebalance = match self.phase {
            Phase::Preparing { not_before, until } => Some(if now < not_before { not_before } else { until }),
            Phase::Syncing | Phase::Stable => None,
        };
        // Whoever waits is alive as long as its connection; it is looked at again when its wait is over.
        let waiting = self.members.iter().any(Member::waits).then(|| now + Duration::from_secs(30));
        let pending = self.pending.values().copied();
        sessions.chain(pending).chain(rebalance).chain(waiting).min()
    }

    pub(super) fn state(&self) -> &'static str {
        match self.phase {
            _ if self.members.is_empty() => "Empty",
            Phase::Preparing { .. } => "PreparingRebalance",
            Phase::Syncing => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }

    pub(super) fn protocol_type(&self) -> StrBytes {
        self.protocol_type.clone()
    }

    pub(super) fn protocol(&self) -> StrBytes {
        self.protocol.clone()
    }
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
