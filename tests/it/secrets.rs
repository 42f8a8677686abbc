//! Nothing secret is shown: the search that runs over everything servers say is itself put to the test.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::harness::{Accounts, Kafka, Server, accounts::token, secrets, sse::Stream, until};

/// Like no other, so that it is found here and nowhere else.
fn planted(what: &str) -> String {
    format!("planted-{what}-{:016x}", fastrand::u64(..))
}

fn why(panic: Box<dyn std::any::Any + Send>) -> String {
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn whatever_a_test_proves_itself_with_or_publishes_is_searched_for() {
    let number = fastrand::u64(1_000_000..9_000_000);
    let bearer = token(number, &[1001], None, true);
    let (header, cookie, url, ticket) = (planted("header"), planted("cookie"), planted("url"), planted("ticket"));
    secrets::request(&format!(
        "GET /notifications?lang=ko&access_token={url}&ticket={ticket} HTTP/1.1\r\nHost: a\r\n\
         authorization: Bearer {header}\r\nCookie: a=1; allim_token={cookie}; theme=dark\r\n\r\n"
    ));
    let (name, phone) = (planted("name"), format!("010-9999-{:04}", number % 10_000));
    let order =
        json!({"type": "order.created", "data": {"orderNo": "1", "receiver": {"receiverName": name, "mobile": phone}}});
    secrets::event(order.to_string().as_bytes());
    for secret in [&bearer, &header, &cookie, &url, &ticket, &name, &phone] {
        for line in [format!("token={secret}"), format!("a \"{secret}\", b"), format!("it was {secret}.")] {
            let log = format!("nothing\n{line}\nnothing");
            assert_eq!(secrets::found_in(&log), Some(line), "{secret}");
        }
    }
    assert!(secrets::found_in(&format!("cut: {}", &ticket[..24])).is_some(), "a ticket's beginning is enough");
    assert!(secrets::found_in(&format!("{phone}로 연락")).is_some());
    for known in ["Bearer demo-70001", "김하늘님", "이영희"] {
        assert!(secrets::found_in(known).is_some(), "{known}");
    }
    assert_eq!(secrets::found_in("theme=dark a=1 orderNo 1 demo-7000 the-demo-70001-folder order.created"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_log_on_the_screen_or_in_a_refusal_fails_the_test() {
    // On the screen: the banner prints the data folder.
    let screen = planted("screen");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join(&screen).display().to_string();
    let server = Server::demo(&[("ALLIM_DATA_DIR", &data)]).await;
    until("the banner", async || server.stdout.lock().unwrap().contains(&screen)).await;
    secrets::text(&screen);
    let message = why(catch_unwind(AssertUnwindSafe(|| drop(server))).expect_err("it was shown"));
    assert!(message.contains("the screen shows a secret") && message.contains(&screen), "{message}");

    // In the log: it names a topic that there is not.
    let (kafka, accounts, log) = (Kafka::start().await, Accounts::start().await, planted("log"));
    let (brokers, url) = (kafka.address.to_string(), accounts.url());
    let env = [("ALLIM_KAFKA_BOOTSTRAP_SERVERS", &brokers), ("ALLIM_ACCOUNTS_URL", &url), ("ALLIM_KAFKA_TOPIC", &log)];
    let server = Server::spawn(&env.map(|(name, value)| (name, value.as_str())));
    until("a line about it", async || server.log().contains(&log)).await;
    assert!(server.last_metrics().is_some_and(|page| page.contains("allim_tickets_total")), "metrics are not searched");
    secrets::text(&log);
    let message = why(catch_unwind(AssertUnwindSafe(|| drop(server))).expect_err("it was shown"));
    assert!(message.contains("the log shows a secret") && message.contains(&log), "{message}");

    // In a refusal: of a server that repeats what it was given.
    let secret = planted("refusal");
    let parrot = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = parrot.local_addr().unwrap();
    let body = format!("there is no token {secret} here");
    tokio::spawn(async move {
        let (mut socket, _) = parrot.accept().await.unwrap();
        let _ = socket.read_u8().await;
        let head = format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\n\r\n", body.len());
        socket.write_all((head + &body).as_bytes()).await.unwrap();
        let _ = socket.read_to_end(&mut Vec::new()).await;
    });
    let asked = tokio::spawn(async move {
        let mut answer = Stream::get(address, "/", &[("Authorization", &format!("Bearer {secret}"))]).await.unwrap();
        answer.rest().await.unwrap()
    });
    let message = why(asked.await.expect_err("it was shown").into_panic());
    assert!(message.starts_with("a refusal shows a secret"), "{message}");
}
