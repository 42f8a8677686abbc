//! Lines that break: cut, dead, without a network, at a server that is killed. Nothing is missing, and nothing comes twice.

use std::time::Duration;

use serde_json::json;

use super::{Stage, start, titles};
use crate::harness::{browser::Tab, wire::Wire};

/// No wait ends by itself: what comes back was woken.
const NEVER_BY_ITSELF: &str = "Math.random = () => 1e6";

/// All of these, each once, in no order among different keys.
async fn has_exactly(tab: &Tab, wanted: &[String]) {
    let enough = json!(wanted.len());
    tab.until_of("story.ids.length >= arg", enough).await;
    let (mut came, mut wanted) = (titles(tab).await, wanted.to_vec());
    came.sort();
    wanted.sort();
    assert_eq!(came, wanted);
    assert_eq!(tab.value("new Set(story.ids).size === story.ids.length").await, true);
    assert_eq!(tab.value("[story.gaps, story.repeated]").await, json!([[], 0]));
}

fn numbered(many: usize) -> Vec<String> {
    (0..many).map(|n| format!("event {n}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_in_the_middle_of_200_events_a_second_a_page_has_what_the_always_connected_one_has() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let wire = Wire::to(stage.server.address).await;
    let (calm, cut) = (stage.live(json!({})).await, stage.live(json!({"url": wire.url()})).await);
    // Away for half a second each time.
    cut.run("Math.random = () => 0.5", json!(null)).await;
    let wanted = numbered(1000);
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    for (n, title) in wanted.iter().enumerate() {
        tick.tick().await;
        stage.tell(title).await;
        if n % 300 == 150 {
            wire.cut();
        }
    }
    has_exactly(&calm, &wanted).await;
    has_exactly(&cut, &wanted).await;
    let ids = "[...story.ids].sort()";
    assert_eq!(cut.value(ids).await, calm.value(ids).await);
    assert_eq!(calm.value("story.hellos").await, 1);
    assert!(cut.value("story.hellos").await.as_u64() > Some(1), "it was never cut");
    assert_eq!(cut.value("wentThrough('caught-up')").await, true);
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_loses_nothing() {
    let Some(mut stage) = Stage::set(&[]).await else { return };
    let tab = stage.live(json!({})).await;
    stage.tell("before").await;
    tab.until("story.ids.length === 1").await;
    stage.server.signal("KILL");
    stage.server.ended().await;
    tab.until("wentThrough('waiting')").await;
    for n in 0..7 {
        stage.tell(&format!("meanwhile {n}")).await;
    }
    stage.server = stage.server.again().await;
    tab.until("is('caught-up') && line.state.missed === 7 && line.state.tookMs > 0").await;
    stage.tell("afterwards").await;
    let meanwhile = (0..7).map(|n| format!("meanwhile {n}"));
    let wanted: Vec<String> = ["before".into()].into_iter().chain(meanwhile).chain(["afterwards".into()]).collect();
    has_exactly(&tab, &wanted).await;
    stage.profile.done().await;
}

/// Nothing is said when a firewall forgets a connection: only the beats are missing. What is asked meanwhile is not
/// answered either, and does not hold the line up for longer than it has to.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_connection_is_noticed_by_its_missing_beats() {
    let Some(stage) = Stage::set(&[("ALLIM_DELIVER_HEARTBEAT_SECONDS", "1")]).await else { return };
    let wire = Wire::to(stage.server.address).await;
    let tab = stage.live(json!({"url": wire.url()})).await;
    wire.go_dead(true);
    stage.tell("into the void").await;
    tab.until("is('reconnecting')").await;
    // The next ticket is asked for in vain.
    wire.swallows().await;
    wire.go_dead(false);
    tab.until("isLive()").await;
    has_exactly(&tab, &["into the void".into()]).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_it_says_so_and_comes_back_with_it() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let tab = stage.live(json!({})).await;
    tab.run(NEVER_BY_ITSELF, json!(null)).await;
    stage.profile.offline(true).await;
    tab.until("is('offline')").await;
    stage.streams(0.0).await;
    stage.tell("missed").await;
    stage.profile.offline(false).await;
    tab.until("isLive()").await;
    has_exactly(&tab, &["missed".into()]).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_at_it_or_asks_for_it_does_not_wait() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let wire = Wire::to(stage.server.address).await;
    let tab = stage.live(json!({"url": wire.url()})).await;
    tab.run(NEVER_BY_ITSELF, json!(null)).await;
    let wakes =
        ["document.dispatchEvent(new Event('visibilitychange'))", "line.retry()", "dispatchEvent(new Event('online'))"];
    for (n, wake) in wakes.into_iter().enumerate() {
        wire.cut();
        tab.until("is('reconnecting') && line.state.inMs > 1e6").await;
        stage.tell(&format!("event {n}")).await;
        tab.run(wake, json!(null)).await;
        tab.until_of("isLive() && story.ids.length === arg", json!(n + 1)).await;
    }
    has_exactly(&tab, &numbered(wakes.len())).await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_cannot_be_taken_up_is_a_gap_and_the_line_goes_on() {
    let Some(stage) = Stage::set(&[]).await else { return };
    stage.tell("before").await;
    let tab = stage.live(json!({"position": "of another time"})).await;
    assert_eq!(tab.value("story.gaps.length").await, 1, "{}", tab.value("story").await);
    stage.tell("afterwards").await;
    tab.until("story.titles.includes('afterwards')").await;
    // And one that can: what was kept, on another page.
    let position = tab.value("line.position").await;
    stage.tell("while nobody listened").await;
    let other = stage.live(json!({"position": position})).await;
    has_exactly(&other, &["while nobody listened".into()]).await;
    let all = stage.live(json!({"position": "earliest"})).await;
    assert_eq!(titles(&all).await.len(), 3);
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_closed_says_nothing_more_and_leaves_no_stream() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let (closed, kept) = (stage.live(json!({})).await, stage.live(json!({})).await);
    closed.run("line.close()", json!(null)).await;
    stage.streams(1.0).await;
    stage.tell("for the other").await;
    kept.until("story.ids.length === 1").await;
    assert_eq!(closed.value("story.ids.length").await, 0);
    start(&closed, json!({"url": stage.url(), "bearer": super::somebody()}), json!({})).await;
    closed.until("isLive()").await;
    stage.profile.done().await;
}

/// No server of ours sends anything twice; two tabs that take turns may hear it so.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_again_is_dropped_and_said() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let one = "id: p1\ndata: {\"id\": \"n1\", \"type\": \"t\", \"title\": \"once\"}\n\n";
    let frames = format!("event: hello\ndata: {{}}\n\n{one}{one}event: status\ndata: {{\"live\":true}}\n\n");
    stage.profile.answer_with("**/notifications?*", "text/event-stream", &frames).await;
    let tab = stage.listening(json!({"url": stage.url()})).await;
    // The stream ends where its frames do, and the next one has them all again.
    tab.until("story.hellos > 1 && story.repeated >= 3").await;
    assert_eq!(titles(&tab).await, ["once"]);
    stage.profile.done().await;
}
