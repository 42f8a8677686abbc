//! How a page is let in, and sent away: with a ticket, with a cookie, replaced, logged out, hidden.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Stage, somebody, titles};
use crate::harness::{accounts::token, wire::Wire};

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_asked_for_each_time_with_the_token_of_the_moment() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let wire = Wire::to(stage.server.address).await;
    let tab = stage.live(json!({"url": wire.url()})).await;
    let first = stage.profile.requests().await;
    assert!(first.iter().any(|asked| asked.contains(" OPTIONS ") && asked.ends_with("/tickets")), "{first:#?}");
    let position = tab.value("line.position").await.as_str().unwrap().to_owned();

    // The old token is good for nothing any more; whoever still used it would be sent away.
    let other = token(1, &[7], None, true);
    tab.run("globalThis.bearer = arg", json!(other)).await;
    stage.accounts.change(&somebody(), None);
    wire.cut();
    stage.tell("missed").await;
    tab.until("isLive() && story.titles.length > 0").await;
    assert_eq!(titles(&tab).await, ["missed"]);
    let again = stage.profile.requests().await;
    let stream = again.iter().find(|asked| asked.contains("/notifications?ticket=")).expect("a stream");
    assert!(stream.contains("last_event_id="), "{stream} from {position}");
    assert!(
        !again.iter().chain(&first).any(|asked| asked.contains(&other) || asked.contains(&somebody())),
        "{again:#?}"
    );
    let tickets = stage.server.metric("allim_tickets_total{outcome=\"redeemed\"}").await;
    assert_eq!(tickets, 2.0);
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_cookie_the_browsers_own_eventsource_comes_back_without_a_preflight() {
    let Some(stage) = Stage::set(&[("ALLIM_DELIVER_RETRY_SECONDS", "1")]).await else { return };
    let wire = Wire::to(stage.server.address).await;
    stage.profile.cookie(json!({"name": "allim_token", "value": somebody(), "domain": "127.0.0.1", "path": "/"})).await;
    let native = stage.page().await;
    let listen = "globalThis.native = { titles: [], opened: 0 };
        const events = new EventSource(arg + '/notifications', { withCredentials: true });
        events.onopen = () => { native.opened += 1; };
        events.onmessage = ({ data }) => native.titles.push(JSON.parse(data).title);";
    native.run(listen, json!(wire.url())).await;
    native.until("native.opened === 1").await;
    let ours = stage.live(json!({"url": wire.url(), "bearer": null})).await;
    stage.tell("before").await;
    native.until("native.titles.length === 1").await;
    ours.until("story.titles.length === 1").await;

    wire.cut();
    stage.tell("missed").await;
    for (tab, its) in [(&native, "native.titles"), (&ours, "story.titles")] {
        tab.until(&format!("{its}.length >= 2")).await;
        assert_eq!(tab.value(its).await, json!(["before", "missed"]));
    }
    assert_eq!(native.value("native.opened").await, 2);
    let asked = stage.profile.requests().await;
    let streams = asked.iter().filter(|asked| asked.contains("GET") && asked.contains("/notifications")).count();
    assert!(streams >= 3, "{asked:#?}");
    assert!(!asked.iter().any(|asked| asked.contains("OPTIONS")), "{asked:#?}");
    assert_eq!(stage.server.metric("allim_tickets_total{outcome=\"issued\"}").await, 0.0);
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_opens_nothing_ends_the_line_and_another_one_opens_it() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let tab = stage.listening(json!({"bearer": null})).await;
    tab.until("is('ended')").await;
    stage.profile.cookie(json!({"name": "allim_token", "value": somebody(), "domain": "127.0.0.1", "path": "/"})).await;
    tab.run("line.retry()", json!(null)).await;
    tab.until("isLive()").await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_replaced_stays_away_until_a_person_wants_it() {
    let Some(stage) = Stage::set(&[("ALLIM_DELIVER_STREAMS_PER_OPERATOR", "1")]).await else { return };
    let first = stage.live(json!({})).await;
    let second = stage.live(json!({})).await;
    first.until("is('replaced')").await;
    first.run("dispatchEvent(new Event('offline')); dispatchEvent(new Event('online'))", json!(null)).await;
    stage.tell("for the second").await;
    second.until("story.titles.length === 1").await;
    assert_eq!(first.value("[line.state.state, story.titles, story.hellos]").await, json!(["replaced", [], 1]));
    first.run("line.retry()", json!(null)).await;
    first.until("isLive() && story.titles.length > 0").await;
    second.until("is('replaced')").await;
    assert_eq!(titles(&first).await, ["for the second"]);
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_logged_out_is_told_and_goes_on_with_a_new_token() {
    let Some(stage) = Stage::set(&[]).await else { return };
    stage.signals().await;
    let tab = stage.live(json!({})).await;
    stage.accounts.change(&somebody(), None);
    let hash: String = Sha256::digest(somebody()).iter().map(|byte| format!("{byte:02x}")).collect();
    stage.publisher.signal(&json!({"type": "token.revoked", "adminNo": 1, "tokenSha256": hash})).await;
    tab.until("is('ended') && line.state.reason === 'revoked'").await;
    stage.tell("missed").await;
    tab.run("line.retry()", json!(null)).await;
    tab.until("line.state.reason === 'expired'").await;
    tab.run("globalThis.bearer = arg; line.retry()", json!(token(1, &[7], None, true))).await;
    tab.until("isLive() && story.titles.length > 0").await;
    assert_eq!(titles(&tab).await, ["missed"]);
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_can_say_who_somebody_is_the_line_waits_and_says_why() {
    let Some(stage) = Stage::set(&[("ALLIM_ACCOUNTS_FRESH_SECONDS", "1")]).await else { return };
    stage.accounts.fall_ill(true);
    let tab = stage.listening(json!({})).await;
    tab.until("is('accounts')").await;
    stage.accounts.fall_ill(false);
    tab.until("isLive()").await;
    stage.profile.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_tab_gives_its_stream_back_and_goes_on_without_a_hole_when_it_is_seen() {
    let Some(stage) = Stage::set(&[]).await else { return };
    let tab = stage.live(json!({"hiddenAfterMs": 300})).await;
    stage.tell("seen").await;
    tab.until("story.titles.length === 1").await;
    // A short look elsewhere changes nothing.
    tab.run(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true });
             document.dispatchEvent(new Event('visibilitychange'));
             Object.defineProperty(document, 'hidden', { value: false, configurable: true });
             document.dispatchEvent(new Event('visibilitychange'));",
        json!(null),
    )
    .await;
    assert_eq!(tab.value("[isLive(), story.hellos]").await, json!([true, 1]));
    tab.look_away(true).await;
    tab.until("is('resting')").await;
    stage.streams(0.0).await;
    stage.tell("hidden").await;
    tab.look_away(false).await;
    tab.until("isLive() && story.titles.length === 2").await;
    stage.tell("seen again").await;
    tab.until("story.titles.length === 3").await;
    assert_eq!(titles(&tab).await, ["seen", "hidden", "seen again"]);
    assert_eq!(tab.value("[story.hellos, story.repeated, story.gaps]").await, json!([2, 0, []]));
    stage.profile.done().await;
}
