//! The requests of group members, as the group's own words and back.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::group::Group;
use super::groups::{Groups, answered};
use super::member::{JoinAsk, Joined, Seat};
use super::shared::Shared;

/// From these versions on a field may be null, a member is asked to come again with its id, a list is used.
const JOIN_NULL_PROTOCOL: i16 = 7;
const JOIN_MEMBER_ID_REQUIRED: i16 = 4;
const JOIN_INSTANCES: i16 = 5;
const SYNC_PROTOCOL: i16 = 5;
const LEAVE_MANY: i16 = 3;
const LIST_STATES: i16 = 4;
const DESCRIBE_INSTANCES: i16 = 4;

fn code(result: Result<(), ResponseError>) -> i16 {
    result.map_or_else(|error| error.code(), |()| 0)
}

pub(super) async fn join(
    groups: &Arc<Groups>,
    version: i16,
    client_id: &StrBytes,
    client_host: String,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let ask = JoinAsk {
        member_id: request.member_id,
        instance: request.group_instance_id,
        client_id: client_id.clone(),
        client_host,
        session_ms: request.session_timeout_ms,
        rebalance_ms: request.rebalance_timeout_ms,
        protocol_type: request.protocol_type,
        protocols: request.protocols.into_iter().map(|p| (p.name, p.metadata)).collect(),
        knows_member_id_required: version >= JOIN_MEMBER_ID_REQUIRED,
    };
    let member_id = ask.member_id.clone();
    let failed = |error| Joined { error: Some(error), generation: -1, member_id, ..Joined::default() };
    let joined = match groups.join(&request.group_id, |group| group.join(ask, Instant::now())) {
        Ok(answer) => match answered(answer).await {
            Some(joined) => joined,
            None => failed(ResponseError::UnknownMemberId),
        },
        Err(error) => failed(error),
    };
    let seats = joined.members.into_iter().map(|seat: Seat| {
        JoinGroupResponseMember::default()
            .with_member_id(seat.member_id)
            .with_group_instance_id(seat.instance.filter(|_| version >= JOIN_INSTANCES))
            .with_metadata(seat.metadata)
    });
    let nullable = |text: StrBytes| Some(text).filter(|text| version < JOIN_NULL_PROTOCOL || !text.is_empty());
    JoinGroupResponse::default()
        .with_error_code(joined.error.map_or(0, |error| error.code()))
        .with_generation_id(joined.generation)
        .with_protocol_type(Some(joined.protocol_type).filter(|kind| version >= JOIN_NULL_PROTOCOL && !kind.is_empty()))
        .with_protocol_name(nullable(joined.protocol))
        .with_leader(joined.leader)
        .with_member_id(joined.member_id)
        .with_members(seats.collect())
}

pub(super) async fn sync(groups: &Groups, version: i16, request: SyncGroupRequest) -> SyncGroupResponse {
    let assignments = request.assignments.into_iter().map(|one| (one.member_id, one.assignment)).collect();
    let act = |group: &mut Group| {
        let answer = group.sync(&request.member_id, request.generation_id, assignments, Instant::now());
        (answer, group.protocol_type(), group.protocol())
    };
    let Some((answer, kind, protocol)) = groups.with(&request.group_id, act) else {
        return SyncGroupResponse::default().with_error_code(ResponseError::UnknownMemberId.code());
    };
    match answered(answer).await.unwrap_or(Err(ResponseError::UnknownMemberId)) {
        Ok(assignment) => {
            let known = version >= SYNC_PROTOCOL;
            SyncGroupResponse::default()
                .with_protocol_type(Some(kind).filter(|_| known))
                .with_protocol_name(Some(protocol).filter(|_| known))
                .with_assignment(assignment)
        }
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    }
}

pub(super) fn heartbeat(groups: &Groups, request: &HeartbeatRequest) -> HeartbeatResponse {
    let beat = |group: &mut Group| group.heartbeat(&request.member_id, request.generation_id, Instant::now());
    let beaten = groups.quietly(&request.group_id, beat).unwrap_or(Err(ResponseError::UnknownMemberId));
    HeartbeatResponse::default().with_error_code(code(beaten))
}

pub(super) fn leave(groups: &Groups, version: i16, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let go = |member: &MemberIdentity| {
        let instance = member.group_instance_id.as_ref();
        let go = |group: &mut Group| group.leave(&member.member_id, instance, Instant::now());
        groups.with(&request.group_id, go).unwrap_or(Err(ResponseError::UnknownMemberId))
    };
    if version < LEAVE_MANY {
        let member = MemberIdentity::default().with_member_id(request.member_id.clone());
        return LeaveGroupResponse::default().with_error_code(code(go(&member)));
    }
    let members = request.members.iter().map(|member| {
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(code(go(member)))
    });
    LeaveGroupResponse::default().with_members(members.collect())
}

/// Groups with members, and groups that have only offsets.
pub(super) fn list(shared: &Shared, version: i16) -> ListGroupsResponse {
    let mut names = shared.groups.names();
    names.extend(shared.offsets.groups());
    names.sort_unstable();
    names.dedup();
    let groups = names.into_iter().map(|name| {
        let known = shared.groups.quietly(&name, |group| (group.protocol_type(), group.state()));
        let (kind, state) = known.unwrap_or((StrBytes::new(), "Empty"));
        let state = if version >= LIST_STATES { state } else { "" };
        ListedGroup::default()
            .with_group_id(StrBytes::from_string(name).into())
            .with_protocol_type(kind)
            .with_group_state(StrBytes::from_static_str(state))
    });
    ListGroupsResponse::default().with_groups(groups.collect())
}

pub(super) fn describe(shared: &Shared, version: i16, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|name| {
        let known = |group: &mut Group| (group.state(), group.protocol_type(), group.protocol(), group.seats());
        let (state, kind, protocol, seats) = match shared.groups.quietly(&name, known) {
            Some(known) => known,
            None if shared.offsets.groups().iter().any(|kept| **kept == **name) => {
                ("Empty", StrBytes::new(), StrBytes::new(), Vec::new())
            }
            None => ("Dead", StrBytes::new(), StrBytes::new(), Vec::new()),
        };
        let members = seats.into_iter().map(|seat| {
            DescribedGroupMember::default()
                .with_member_id(seat.member_id)
                .with_group_instance_id(seat.instance.filter(|_| version >= DESCRIBE_INSTANCES))
                .with_client_id(seat.client_id)
                .with_client_host(StrBytes::from_string(seat.client_host))
                .with_member_metadata(seat.metadata)
                .with_member_assignment(seat.assignment)
        });
        DescribedGroup::default()
            .with_group_id(name)
            .with_group_state(StrBytes::from_static_str(state))
            .with_protocol_type(kind)
            .with_protocol_data(protocol)
            .with_members(members.collect())
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}
