//! The tabs of one operator in one browser: one connection for all of them, whichever of them closes or dies.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Stage, somebody, start, titles};
use crate::harness::{Publisher, accounts::answer, browser::Tab};

/// A browser opens six connections to a server, and no more.
const TABS: usize = 7;
/// A goal of three seconds; the test only fails where something is wrong.
const REPLACED_WITHIN: Duration = Duration::from_secs(10);

fn named() -> Value {
    json!({"name": "operator 1"})
}

async fn open(stage: &Stage, many: usize) -> Vec<Tab> {
    let mut tabs = Vec::new();
    for _ in 0..many {
        tabs.push(stage.live(named()).await);
    }
    tabs
}

/// The one among them that has the connection.
async fn take_leader(tabs: &mut Vec<Tab>) -> Tab {
    let mut leaders = Vec::new();
    for (n, tab) in tabs.iter().enumerate() {
        leaders.extend((tab.value("story.streams").await.as_u64() > Some(0)).then_some(n));
    }
    assert_eq!(leaders.len(), 1, "{leaders:?}");
    tabs.remove(leaders[0])
}

/// They have all of these, in this order.
async fn all_have(tabs: &[Tab], wanted: &[String]) {
    for tab in tabs {
        tab.until_of("story.titles.at(-1) === arg", json!(wanted.last())).await;
        assert_eq!(titles(tab).await, wanted);
        assert_eq!(tab.value("story.gaps").await, json!([]));
    }
}

/// Somebody who publishes until told to stop, and then says what.
async fn publishing(publisher: Arc<Publisher>, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut told = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        told.push(format!("event {}", told.len()));
        publisher.tell("mall:7", "mall:7", told.last().unwrap()).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_63_seven_tabs_of_one_browser_are_live_over_one_connection() {
    let Some(stage) = Stage::set(&[("ALLIM_DELIVER_HEARTBEAT_SECONDS", "60")]).await else { return };
    let mut tabs = open(&stage, TABS).await;
    stage.streams(1.0).await;
    let wanted: Vec<String> = (0..30).map(|n| format!("event {n}")).collect();
    for title in &wanted {
        stage.publisher.tell("mall:7", "mall:7", title).await;
    }
    all_have(&tabs, &wanted).await;
    // Who joins has what the others have, and the others do not hear it again.
    tabs.push(stage.live(named()).await);
    all_have(&tabs, &wanted).await;
    for tab in &tabs {
        assert_eq!(tab.value("story.repeated").await, 0);
        assert_eq!(tab.value("line.position").await, tabs[0].value("line.position").await);
    }
    stage.streams(1.0).await;
    assert_eq!(stage.server.metric("allim_tickets_total{outcome=\"issued\"}").await, 1.0);
    stage.profile.done().await;
}

/// Events come all the time; the leader goes, twice, in one way or the other.
async fn the_leader_goes(crash: bool) {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mut tabs = open(&stage, 4).await;
    let (stop, publisher) = (Arc::new(AtomicBool::new(false)), Arc::new(Publisher::new(stage.kafka.address)));
    let told = tokio::spawn(publishing(publisher, Arc::clone(&stop)));
    for _ in 0..2 {
        tabs[0].until("story.titles.length > 20").await;
        let leader = take_leader(&mut tabs).await;
        if crash {
            leader.crash().await
        } else {
            leader.close().await
        }
        let gone = Instant::now();
        let heard = tabs[0].value("story.titles.length").await;
        for tab in &tabs {
            tab.until_of("isLive() && story.titles.length > arg", heard.clone()).await;
        }
        assert!(gone.elapsed() < REPLACED_WITHIN, "replaced after {:?}", gone.elapsed());
        tabs.push(stage.live(named()).await);
        tabs.pop().unwrap().close().await;
    }
    stop.store(true, Ordering::SeqCst);
    all_have(&tabs, &told.await.unwrap()).await;
    stage.streams(1.0).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_closed_is_replaced_and_nothing_is_missing() {
    the_leader_goes(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_crashes_is_replaced_and_nothing_is_missing() {
    the_leader_goes(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_in_the_middle_hears_everything_in_order_and_once() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mut tabs = open(&stage, 1).await;
    let (stop, publisher) = (Arc::new(AtomicBool::new(false)), Arc::new(Publisher::new(stage.kafka.address)));
    let told = tokio::spawn(publishing(publisher, Arc::clone(&stop)));
    for _ in 0..4 {
        tabs[0].until_of("story.titles.length > arg", tabs[0].value("story.titles.length").await).await;
        tabs.push(stage.live(named()).await);
    }
    stop.store(true, Ordering::SeqCst);
    all_have(&tabs, &told.await.unwrap()).await;
    for tab in &tabs {
        assert_eq!(tab.value("story.repeated").await, 0);
    }
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_knows_the_running_jobs_and_not_those_that_ended() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let tabs = open(&stage, 1).await;
    let state = |state: &str, export: &str, percent: u64| {
        json!({"type": format!("excel.export.{state}"), "mallNo": 7, "audience": "operator:1", "data": {
            "exportNo": export, "mallNo": 7, "exportName": "주문목록", "requestedBy": {"adminNo": 1}, "rows": 100,
            "progress": {"processed": percent, "total": 100, "percent": percent},
        }})
    };
    for event in [
        state("progress", "EX-1", 25),
        state("progress", "EX-2", 10),
        state("progress", "EX-1", 75),
        state("completed", "EX-2", 100),
    ] {
        stage.publisher.json("operator:1", &event).await;
    }
    tabs[0].until("story.titles.length === 1 && story.jobs.length === 3").await;
    let joins = stage.live(named()).await;
    joins.until("story.titles.length === 1").await;
    assert_eq!(joins.value("story.jobs").await, json!([["excel:EX-1", 75]]));
    stage.profile.done().await;
}

/// What was shown under other rights is not handed on.
#[tokio::test(flavor = "multi_thread")]
async fn who_joins_after_the_rights_changed_hears_nothing_of_before() {
    let Some(stage) = Stage::set(&[]).await else { return };
    stage.signals().await;
    let tabs = open(&stage, 1).await;
    stage.tell("of the old mall").await;
    tabs[0].until("story.titles.length === 1").await;
    stage.accounts.change(&somebody(), Some(answer(1, &[8], None, false)));
    stage.publisher.signal(&json!({"type": "admin.changed", "adminNo": 1})).await;
    tabs[0].until("story.gaps.includes('scope')").await;
    stage.publisher.tell("mall:8", "mall:8", "of the new mall").await;
    let joins = stage.live(named()).await;
    joins.until("story.titles.length > 0").await;
    assert_eq!(titles(&joins).await, ["of the new mall"]);
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_name_each_tab_has_a_connection_and_other_names_share_none() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mut tabs = vec![stage.live(json!({})).await, stage.live(json!({})).await];
    for name in ["operator 1", "operator 2"] {
        tabs.push(stage.live(json!({"name": name})).await);
    }
    tabs.push(stage.live(json!({"name": "operator 1", "lang": "en"})).await);
    stage.streams(5.0).await;
    stage.tell("for all").await;
    all_have(&tabs, &["for all".into()]).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_for_which_the_browser_has_no_connection_left_says_so_and_takes_the_next() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let seventh = stage.page().await;
    // The script itself would wait for a connection, too.
    seventh.run("await import(`${arg}/allim.js`)", json!(stage.url())).await;
    let mut tabs = Vec::new();
    for _ in 0..6 {
        tabs.push(stage.live(json!({})).await);
    }
    start(&seventh, json!({"url": stage.url(), "bearer": somebody()}), json!({})).await;
    seventh.until("is('full')").await;
    tabs.remove(0).close().await;
    seventh.until("isLive()").await;
    stage.streams(6.0).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_tabs_are_hidden_the_connection_is_given_back_and_not_before() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let mut tabs = Vec::new();
    for _ in 0..3 {
        tabs.push(stage.live(json!({"name": "operator 1", "hiddenAfterMs": 200})).await);
    }
    // The leader is hidden, another one is looked at: that one goes on, and both hear.
    tabs[0].look_away(true).await;
    tabs[1].look_away(true).await;
    tabs[2].until("story.streams === 1 && isLive()").await;
    stage.tell("one looks").await;
    all_have(&tabs, &["one looks".into()]).await;
    stage.streams(1.0).await;
    tabs[2].look_away(true).await;
    tabs[2].until("is('resting')").await;
    stage.streams(0.0).await;
    stage.tell("nobody looks").await;
    tabs[1].look_away(false).await;
    all_have(&tabs, &["one looks".into(), "nobody looks".into()]).await;
    for tab in &tabs {
        assert_eq!(tab.value("[isLive(), story.repeated]").await, json!([true, 0]));
    }
    stage.profile.done().await;
}

/// A follower has no line of its own to try again: the one that has is asked.
#[tokio::test(flavor = "multi_thread")]
async fn any_tab_may_ask_for_the_line_of_all() {
    let Some(stage) = Stage::set(&[("ALLIM_DELIVER_STREAMS_PER_OPERATOR", "1")]).await else { return };
    let tabs = open(&stage, 3).await;
    let elsewhere = stage.live(json!({})).await;
    for tab in &tabs {
        tab.until("is('replaced')").await;
    }
    tabs[2].run("line.retry()", json!(null)).await;
    for tab in &tabs {
        tab.until("isLive()").await;
    }
    elsewhere.until("is('replaced')").await;
    stage.profile.done().await;
}
