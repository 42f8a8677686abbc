//! A group through its life, with a clock that the test moves.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot::Receiver;
use tokio::time::Instant;

use super::super::member::{Answer, JoinAsk, Joined, Synced};
use super::Group;

const SECOND: Duration = Duration::from_secs(1);

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn ask(member_id: &StrBytes, protocols: &[&str]) -> JoinAsk {
    JoinAsk {
        member_id: member_id.clone(),
        instance: None,
        client_id: text("c"),
        client_host: "/host".to_owned(),
        session_ms: 6_000,
        rebalance_ms: 60_000,
        protocol_type: text("consumer"),
        protocols: protocols.iter().map(|name| (text(name), Bytes::from_static(b"meta"))).collect(),
        knows_member_id_required: false,
    }
}

fn later<T>(answer: Answer<T>) -> Receiver<T> {
    match answer {
        Answer::Later(receiver) => receiver,
        Answer::Now(_) => panic!("answered at once"),
    }
}

fn at_once<T>(answer: Answer<T>) -> T {
    match answer {
        Answer::Now(answer) => answer,
        Answer::Later(_) => panic!("has to wait"),
    }
}

fn joined(receiver: &mut Receiver<Joined>) -> Joined {
    let joined = receiver.try_recv().expect("the generation is complete");
    assert_eq!(joined.error, None);
    joined
}

/// A stable group of two; the ids of its leader and of the other, and the time.
fn pair() -> (Group, StrBytes, StrBytes, Instant) {
    let mut group = Group::new();
    let mut now = Instant::now();
    let nobody = StrBytes::new();
    let mut first = later(group.join(ask(&nobody, &["range", "sticky"]), now));
    let mut second = later(group.join(ask(&nobody, &["sticky"]), now));
    assert!(first.try_recv().is_err(), "the first generation waits for more members");
    now += SECOND;
    group.tick(now);
    let (first, second) = (joined(&mut first), joined(&mut second));
    assert_eq!((first.generation, &*first.protocol), (1, "sticky"), "what both know");
    assert_eq!((first.members.len(), second.members.len()), (2, 0), "the leader is told who is there");
    let mut waits = later(group.sync(&second.member_id, 1, Vec::new(), now));
    let share = |id: &StrBytes, share: &'static [u8]| (id.clone(), Bytes::from_static(share));
    let shares = vec![share(&first.member_id, b"a"), share(&second.member_id, b"b")];
    assert_eq!(at_once(group.sync(&first.member_id, 1, shares, now)), Ok(Bytes::from_static(b"a")));
    assert_eq!(waits.try_recv().expect("the leader has synced"), Ok(Bytes::from_static(b"b")));
    assert_eq!(group.state(), "Stable");
    (group, first.member_id, second.member_id, now)
}

#[tokio::test]
async fn a_member_that_falls_silent_is_replaced_by_the_others() {
    let (mut group, leader, other, mut now) = pair();
    for _ in 0..5 {
        now += SECOND;
        assert_eq!(group.heartbeat(&other, 1, now), Ok(()));
        group.tick(now);
    }
    now += SECOND;
    group.tick(now);
    assert_eq!(group.heartbeat(&leader, 1, now), Err(ResponseError::UnknownMemberId), "its session is over");
    assert_eq!(group.heartbeat(&other, 1, now), Err(ResponseError::RebalanceInProgress));
    let mut again = later(group.join(ask(&other, &["sticky"]), now));
    let again = joined(&mut again);
    assert_eq!((again.generation, again.leader == other, again.members.len()), (2, true, 1));
}

#[tokio::test]
async fn who_does_not_join_again_in_time_is_left_out() {
    let (mut group, leader, other, mut now) = pair();
    let mut third = later(group.join(ask(&StrBytes::new(), &["sticky"]), now));
    let mut again = later(group.join(ask(&leader, &["range", "sticky"]), now));
    for _ in 0..61 {
        // It lives, but it does not come.
        let _ = group.heartbeat(&other, 1, now);
        group.tick(now);
        now += SECOND;
    }
    assert_eq!(joined(&mut again).members.len(), 2);
    assert_eq!(joined(&mut third).generation, 2);
    assert_eq!(group.heartbeat(&other, 1, now), Err(ResponseError::UnknownMemberId));
}

#[tokio::test]
async fn an_old_generation_neither_commits_nor_syncs() {
    let (mut group, leader, other, now) = pair();
    assert_eq!(group.may_commit(&leader, 1, now), Ok(()));
    assert_eq!(group.may_commit(&leader, 0, now), Err(ResponseError::IllegalGeneration));
    assert_eq!(group.may_commit(&text(""), -1, now), Err(ResponseError::UnknownMemberId), "a stranger");
    let old: Synced = at_once(group.sync(&other, 0, Vec::new(), now));
    assert_eq!(old, Err(ResponseError::IllegalGeneration));
    assert_eq!(group.leave(&leader, None, now), Ok(()));
    assert_eq!(group.heartbeat(&other, 1, now), Err(ResponseError::RebalanceInProgress));
}

#[tokio::test]
async fn a_follower_that_asks_again_disturbs_nobody() {
    let (mut group, _, other, now) = pair();
    let again = at_once(group.join(ask(&other, &["sticky"]), now));
    assert_eq!((again.error, again.generation), (None, 1));
    assert_eq!(group.state(), "Stable");
}

#[tokio::test]
async fn a_stranger_with_other_protocols_is_refused() {
    let (mut group, _, _, now) = pair();
    let refused = at_once(group.join(ask(&StrBytes::new(), &["other"]), now));
    assert_eq!(refused.error, Some(ResponseError::InconsistentGroupProtocol));
    let refused = at_once(group.join(ask(&text("made-up"), &["sticky"]), now));
    assert_eq!(refused.error, Some(ResponseError::UnknownMemberId));
}

#[tokio::test]
async fn a_static_member_that_comes_back_fences_its_former_self() {
    let mut group = Group::new();
    let mut now = Instant::now();
    let named = || JoinAsk { instance: Some(text("one")), ..ask(&StrBytes::new(), &["sticky"]) };
    let mut before = later(group.join(named(), now));
    let mut after = later(group.join(named(), now));
    assert_eq!(before.try_recv().expect("an answer").error, Some(ResponseError::FencedInstanceId));
    now += SECOND;
    group.tick(now);
    assert_eq!(joined(&mut after).members.len(), 1);
}

#[tokio::test]
async fn an_id_that_was_given_out_is_good_for_one_session() {
    let mut group = Group::new();
    let now = Instant::now();
    let asks = || JoinAsk { knows_member_id_required: true, ..ask(&StrBytes::new(), &["sticky"]) };
    let told = at_once(group.join(asks(), now));
    assert_eq!(told.error, Some(ResponseError::MemberIdRequired));
    assert!(!group.is_empty());
    group.tick(now + 7 * SECOND);
    assert!(group.is_empty(), "nobody came back with it");
    let late = at_once(group.join(ask(&told.member_id, &["sticky"]), now + 7 * SECOND));
    assert_eq!(late.error, Some(ResponseError::UnknownMemberId));
}
