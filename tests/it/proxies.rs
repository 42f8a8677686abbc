//! Behind a proxy that somebody else has set up: nothing is collected, nothing falls silent, and a lost header is no loss.

use crate::{
    documents::of_nginx,
    harness::{
        Accounts, Kafka, Listener, Publisher, Server, Story,
        accounts::token,
        nginx::Nginx,
        sse::Stream,
        transport::{Line, Transport},
    },
};

/// It cuts off what is silent for so long; it is 60 s where nobody says so.
const IMPATIENT: &str = "proxy_read_timeout 3s;";

/// What our page on embedding says.
fn usual(server: &Server) -> String {
    of_nginx("location / {", server.address)
}

async fn stage(heartbeat: &str) -> (Kafka, Accounts, Server) {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[("ALLIM_DELIVER_HEARTBEAT_SECONDS", heartbeat)]).await;
    (kafka, accounts, server)
}

async fn listen(nginx: &Nginx, over: Transport, position: Option<&str>) -> Listener {
    let line = Line::open(over, nginx.address, &token(1, &[7], None, false), position).await.expect("it opens");
    Listener { line, story: Story::default() }
}

/// With default settings it speaks HTTP/1.0 to us, and collects answers in pages of 4 KB: what arrives is far less.
#[tokio::test(flavor = "multi_thread")]
async fn fault_65_a_proxy_that_collects_answers_hands_on_each_event_at_once() {
    let (kafka, _accounts, server) = stage("1").await;
    let Some(nginx) = Nginx::before(server.address, "").await else { return };
    let mut listener = listen(&nginx, Transport::Sse, None).await;
    listener.live().await;
    let publisher = Publisher::new(kafka.address);
    for i in 0..5 {
        publisher.tell("mall:7", "mall:7", &format!("event {i}")).await;
        listener.hears(&format!("event {i}")).await;
        listener.event("beat").await;
    }
    listener.story.check(&publisher.sent(), |_| true);
    assert!(listener.line.said().len() < 4_000, "enough to fill a page: the test shows nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_66_where_a_proxy_takes_the_last_event_id_away_the_url_has_it() {
    let (kafka, _accounts, server) = stage("1").await;
    let Some(nginx) = Nginx::before(server.address, "proxy_set_header Last-Event-ID \"\";").await else { return };
    let mut listener = listen(&nginx, Transport::Sse, None).await;
    listener.live().await;
    let position = listener.cut().position.expect("it has a place");
    let publisher = Publisher::new(kafka.address);
    publisher.tell("mall:7", "mall:7", "while away").await;

    let mut lost = listen(&nginx, Transport::Sse, Some(&position)).await;
    assert!(lost.event("hello").await.json()["recovered"].is_null(), "the header came through: the test shows nothing");
    let bearer = format!("Bearer {}", token(1, &[7], None, false));
    let headers = [("Authorization", bearer.as_str()), ("Last-Event-ID", position.as_str())];
    let path = format!("/notifications?last_event_id={position}");
    let stream = Stream::get(nginx.address, &path, &headers).await.unwrap();
    let mut found = Listener { line: stream.into(), story: Story::default() };
    assert_eq!(found.event("hello").await.json()["recovered"], true);
    found.hears("while away").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_64_a_proxy_that_cuts_off_what_is_silent_hears_beats() {
    let (_kafka, _accounts, server) = stage("1").await;
    let Some(nginx) = Nginx::with(&format!("{IMPATIENT}\n{}", usual(&server))).await else { return };
    for over in [Transport::Sse, Transport::WebSocket] {
        let mut listener = listen(&nginx, over, None).await;
        for _ in 0..8 {
            listener.event("beat").await;
        }
    }
    // Without them it would be cut off.
    let (_kafka, _accounts, server) = stage("30").await;
    let Some(nginx) = Nginx::with(&format!("{IMPATIENT}\n{}", usual(&server))).await else { return };
    for over in [Transport::Sse, Transport::WebSocket] {
        let mut listener = listen(&nginx, over, None).await;
        while let Ok(Some(event)) = listener.line.next().await {
            assert_ne!(event.name, "beat", "a beat came in time: the test shows nothing");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_goes_through_with_the_usual_lines() {
    let (kafka, _accounts, server) = stage("1").await;
    let Some(nginx) = Nginx::with(&usual(&server)).await else { return };
    let publisher = Publisher::new(kafka.address);
    let mut listener = listen(&nginx, Transport::WebSocket, None).await;
    listener.live().await;
    publisher.tell("mall:7", "mall:7", "through").await;
    listener.hears("through").await;
    let position = listener.cut().position;
    publisher.tell("mall:7", "mall:7", "while away").await;
    let mut back = listen(&nginx, Transport::WebSocket, position.as_deref()).await;
    back.hears("while away").await;
    assert_eq!(back.story.hellos[0]["recovered"], true);
}
