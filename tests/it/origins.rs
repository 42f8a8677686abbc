//! Origins: which pages may listen and get tickets, with a token and with the cookie that a browser sends by itself.

use serde_json::Value;

use crate::harness::{
    Accounts, Kafka, Listener, Publisher, Server, Story, accounts::token, answers::problem, secrets, sse::Stream,
};

/// What a request says of itself, and whether it may listen and get a ticket.
struct Row {
    what: &'static str,
    headers: Vec<(&'static str, String)>,
    listen: bool,
    ticket: bool,
}

/// The rows with an `Origin` are tried with a token and with a cookie, and it makes no difference.
fn with_origin(host: &str, port: u16) -> Vec<Row> {
    let row = |what, origins: &[&str], may| {
        let headers = origins.iter().map(|origin| ("Origin", (*origin).to_owned())).collect();
        Row { what, headers, listen: may, ticket: may }
    };
    vec![
        row("listed", &["https://admin.example.com"], true),
        row("listed with its port", &["http://example.com:8443"], true),
        row("listed, with another port", &["https://admin.example.com:444"], false),
        row("http instead of https", &["http://admin.example.com"], false),
        row("below a listed one", &["https://a.admin.example.com"], false),
        row("above a listed one", &["https://example.com"], false),
        row("a listed one at its end", &["https://evil-admin.example.com"], false),
        row("a listed one at its beginning", &["https://admin.example.com.evil.example"], false),
        row("null", &["null"], false),
        row("empty", &[""], false),
        row("two of them", &["https://admin.example.com", "https://admin.example.com"], false),
        row("upper case", &["HTTPS://ADMIN.EXAMPLE.COM"], false),
        row("a slash behind it", &["https://admin.example.com/"], false),
        row("a path behind it", &["https://admin.example.com/admin"], false),
        row("two in one", &["https://admin.example.com https://evil.example"], false),
        row("our own host", &[&format!("http://{host}:{port}")], true),
        row("our own host behind TLS", &[&format!("https://{host}:{port}")], true),
        row("our own host, with another port", &[&format!("http://{host}:{}", port ^ 1)], false),
        row("our own host, without its port", &[&format!("http://{host}")], false),
    ]
}

/// Without an `Origin` a cookie alone does not say which page it was that asked.
fn without_origin() -> Vec<(Row, bool)> {
    let row = |what, site: &[&str], listen, ticket| {
        let headers = site.iter().map(|site| ("Sec-Fetch-Site", (*site).to_owned())).collect();
        Row { what, headers, listen, ticket }
    };
    vec![
        (row("a script with a token", &[], true, true), false),
        (row("a cookie alone", &[], true, false), true),
        (row("a cookie, typed into the address line", &["none"], true, false), true),
        (row("a cookie, and the browser says it is our page", &["same-origin"], true, true), true),
        (row("a cookie, from a neighbour's page", &["same-site"], false, false), true),
        (row("a cookie, from anybody's page", &["cross-site"], false, false), true),
        (row("a cookie, from who knows where", &["?"], false, false), true),
    ]
}

async fn is_as_it_should_be(server: &Server, row: &Row, credential: (&str, &str)) {
    let address = server.address;
    for (method, path, may) in [("GET", "/notifications", row.listen), ("POST", "/tickets", row.ticket)] {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n");
        request.push_str(&format!("{}: {}\r\n", credential.0, credential.1));
        for (name, value) in &row.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut answer = Stream::raw(address, &(request + "Content-Length: 0\r\n\r\n")).await.unwrap();
        let what = format!("{method} {path}: {} with {}", row.what, credential.0);
        assert_eq!(answer.status, if may { 200 } else { 403 }, "{what}: {}", answer.head);
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("origin")), "{what}: {}", answer.head);
        let (allowed, credentials) =
            (answer.header("access-control-allow-origin"), answer.header("access-control-allow-credentials"));
        let listed = row.headers.first().filter(|(name, _)| *name == "Origin" && row.what.starts_with("listed") && may);
        if row.headers.len() < 2 {
            assert_eq!(allowed, listed.map(|(_, origin)| origin.as_str()), "{what}");
            assert_eq!(credentials, listed.map(|_| "true"), "{what}");
        }
        if !may {
            assert_eq!(problem(answer, 403).await, "origin_refused", "{what}");
        } else if method == "POST" {
            let body: Value = serde_json::from_str(&answer.rest().await.unwrap()).unwrap();
            secrets::ticket(body["ticket"].as_str().unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_come_in_by_their_whole_origin_and_by_nothing_else() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let listed = ("ALLIM_ALLOWED_ORIGINS", "https://admin.example.com,http://example.com:8443");
    let server = Server::start(&kafka, &accounts, &[listed]).await;
    let who = token(7, &[1001], None, false);
    let (bearer, cookie) = (format!("Bearer {who}"), format!("allim_token={who}"));
    let (bearer, cookie) = (("Authorization", bearer.as_str()), ("Cookie", cookie.as_str()));
    let rows = with_origin("127.0.0.1", server.address.port());
    assert!(rows.len() >= 15);
    for row in &rows {
        is_as_it_should_be(&server, row, bearer).await;
        is_as_it_should_be(&server, row, cookie).await;
    }
    for (row, with_cookie) in &without_origin() {
        is_as_it_should_be(&server, row, if *with_cookie { cookie } else { bearer }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_page_logs_in_by_cookie_or_by_ticket_after_its_preflight() {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let page = "https://admin.example.com";
    let env = [("ALLIM_ALLOWED_ORIGINS", page), ("ALLIM_TOKEN_COOKIE", "backoffice")];
    let server = Server::start(&kafka, &accounts, &env).await;
    let address = server.address;
    for (path, method) in [("/notifications", "GET"), ("/tickets", "POST")] {
        let preflight = |page: &str| {
            format!(
                "OPTIONS {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: {page}\r\n\
                 Access-Control-Request-Method: {method}\r\nAccess-Control-Request-Headers: authorization\r\n\r\n"
            )
        };
        let answer = Stream::raw(address, &preflight(page)).await.unwrap();
        assert!((200..300).contains(&answer.status), "{}", answer.head);
        assert_eq!(answer.header("access-control-allow-origin"), Some(page));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert!(answer.header("access-control-allow-methods").unwrap().split(',').any(|one| one == method));
        let age: u64 = answer.header("access-control-max-age").unwrap().parse().unwrap();
        assert!(age <= 600, "{age}");
        let foreign = Stream::raw(address, &preflight("https://evil.example")).await.unwrap();
        assert_eq!(foreign.header("access-control-allow-origin"), None, "{}", foreign.head);
        assert_eq!(foreign.header("access-control-allow-credentials"), None, "{}", foreign.head);
        for answer in [&answer, &foreign] {
            assert!(!answer.head.contains('*'), "{}", answer.head);
        }
    }
    // As an EventSource `withCredentials` of a page on the same parent domain asks, and returns by itself.
    let cookie = format!("theme=dark; backoffice={}", token(7, &[1001], None, false));
    let publisher = Publisher::new(kafka.address);
    let mut story = Story::default();
    for round in ["first", "second"] {
        let position = story.position.clone().unwrap_or_default();
        let mut headers = vec![
            ("Accept", "text/event-stream"),
            ("Cookie", cookie.as_str()),
            ("Origin", page),
            ("Sec-Fetch-Site", "same-site"),
        ];
        if !position.is_empty() {
            headers.push(("Last-Event-ID", &position));
        }
        let stream = Stream::get(address, "/notifications", &headers).await.unwrap();
        assert_eq!(stream.status, 200, "{}", stream.head);
        assert_eq!(stream.header("access-control-allow-origin"), Some(page));
        assert_eq!(stream.header("access-control-allow-credentials"), Some("true"));
        let mut listener = Listener { line: stream.into(), story };
        listener.story.live = None;
        listener.live().await;
        publisher.tell("mall:1001", "k", round).await;
        listener.hears(round).await;
        story = listener.cut();
        publisher.tell("mall:1001", "k", &format!("behind the {round}")).await;
    }
    assert_eq!(story.titles(), ["first", "behind the first", "second"]);
}
