//! The first run: one command, a few lines that can be pasted, a page; and an end that everybody is told of.

use std::{
    io::Read,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::task::JoinSet;

use crate::harness::{Accounts, Kafka, Listener, Publisher, Server, accounts::token, free_port, sse::Stream, until};

/// The tokens of the demo's cast.
const CAST: [u64; 8] = [70_001, 70_002, 70_003, 70_010, 80_501, 80_502, 10_000, 10_001];

/// The demo, once its last line is on the screen.
pub async fn first_run(env: &[(&str, &str)]) -> Server {
    let server = Server::demo(env).await;
    until("its lines are read", async || server.stdout.lock().unwrap().contains("data   ")).await;
    server
}

/// What a newcomer has on the screen.
fn screen(server: &Server) -> Vec<String> {
    let all = server.stdout.lock().unwrap().clone() + &server.log();
    all.lines().map(str::to_owned).collect()
}

/// What stands behind a word of the banner.
pub fn said(server: &Server, word: &str) -> String {
    let screen = screen(server);
    let line = screen.iter().find_map(|line| line.trim_start().strip_prefix(word)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no line says {word}: {screen:#?}")).trim().to_owned()
}

/// The program itself with these settings and no others.
fn allim(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allim"));
    command.current_dir(folder).args(arguments).envs(env.iter().copied()).output().unwrap()
}

fn only_line(text: &[u8]) -> String {
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// A line pasted into a shell; killed with the chapter.
pub struct Pasted {
    pub child: Child,
    out: Arc<Mutex<Vec<u8>>>,
}

impl Pasted {
    pub fn new(line: &str, env: &[(&str, &str)]) -> Pasted {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {line}")]).envs(env.iter().copied()).current_dir("/");
        Pasted::of(command)
    }

    pub fn of(mut command: Command) -> Pasted {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut pipe, out) = (child.stdout.take().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let into = Arc::clone(&out);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut piece) {
                into.lock().unwrap().extend(&piece[..length]);
            }
        });
        Pasted { child, out }
    }

    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.out.lock().unwrap()).into_owned()
    }
}

impl Drop for Pasted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_reads_eight_lines_and_each_of_them_works() {
    let server = first_run(&[]).await;
    let data = server.data.canonicalize().unwrap();
    until("live", async || server.get("/readyz").await.1.contains("\"live\":true")).await;

    let screen = screen(&server);
    assert!(screen.len() <= 8, "more than anybody reads: {screen:#?}");
    let wrong = screen.iter().find(|line| line.contains("WARN") || line.contains("ERROR"));
    assert_eq!(wrong, None);
    assert!(screen[0].contains("demo mode"), "{screen:#?}");
    let kafka = std::fs::read_to_string(data.join("kafka.address")).unwrap();
    assert!(said(&server, "Kafka").starts_with(&format!("{} ", kafka.trim())), "{screen:#?}");
    assert!(said(&server, "Kafka").contains("BACKOFFICE-NOTIFICATIONS"));
    assert!(Path::new(said(&server, "data").split("  ").next().unwrap()).is_absolute(), "{screen:#?}");
    assert!(said(&server, "data").starts_with(data.to_str().unwrap()), "{screen:#?}");
    let page = said(&server, "open");
    assert_eq!(page, format!("http://localhost:{}", server.address.port()));

    let (data, listen) = (data.display().to_string(), server.address.to_string());
    let env = [("ALLIM_DATA_DIR", data.as_str()), ("ALLIM_LISTEN", &listen)];
    let tail = Pasted::new(&said(&server, "listen"), &env);
    until("it listens", async || tail.printed().contains("(status)  {\"live\":true}")).await;
    let mut publish = Pasted::new(&said(&server, "publish"), &env);
    assert!(publish.child.wait().unwrap().success());
    until("it is told where the event lies", async || publish.printed().contains("published order.created to")).await;
    until("tail prints it", async || tail.printed().contains("order.created  새 주문 128,000원")).await;
    assert_eq!(self::screen(&server).len(), screen.len(), "nothing more is said: {:#?}", self::screen(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_the_words_for_machines_are_there() {
    let server = Server::demo(&[]).await;
    until("live", async || server.get("/readyz").await.1.contains("\"live\":true")).await;
    let mut page = Stream::get(server.address, "/", &[]).await.unwrap();
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'self'"), "{policy}");
    let text = page.rest().await.unwrap();
    assert!(!text.contains("://"), "the page needs nothing from elsewhere: {text}");
    for file in text.split("src=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert_eq!(server.get(file).await.0, 200, "{file}");
    }
    let mut script = Stream::get(server.address, "/allim.js", &[]).await.unwrap();
    assert_eq!((script.status, script.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
    assert!(script.rest().await.unwrap().contains("/notifications"));
    for at in [server.address, server.management] {
        let mut alive = Stream::get(at, "/livez", &[]).await.unwrap();
        assert_eq!((alive.status, alive.rest().await.unwrap().as_str()), (200, r#"{"alive":true}"#));
        let mut ready = Stream::get(at, "/readyz", &[]).await.unwrap();
        assert_eq!((ready.status, ready.rest().await.unwrap().as_str()), (200, r#"{"ready":true,"live":true}"#));
        assert_eq!(ready.header("content-type"), Some("application/json"));
    }
}

/// Everybody of the cast with 125 tabs each; how the server ended, and how long it took.
async fn ends_with_a_thousand_streams(signal: &str) {
    let env = [("ALLIM_DELIVER_STREAMS_PER_OPERATOR", "125"), ("ALLIM_HTTP_NEW_STREAMS_PER_OPERATOR", "125")];
    let mut server = Server::demo(&env).await;
    let mut opening = JoinSet::new();
    for number in CAST {
        let address = server.address;
        opening.spawn(async move {
            let mut streams = Vec::new();
            for _ in 0..125 {
                let mut listener = Listener::open(address, &format!("demo-{number}"), None).await;
                listener.live().await;
                streams.push(listener);
            }
            streams
        });
    }
    let streams: Vec<Listener> = opening.join_all().await.into_iter().flatten().collect();
    assert_eq!(server.metric("allim_streams").await, 1000.0);
    let mut reading = JoinSet::new();
    for mut listener in streams {
        reading.spawn(async move {
            let bye = listener.event("bye").await;
            assert!(listener.next().await.is_none(), "something behind the goodbye");
            assert_eq!((&bye.json()["reason"], &bye.json()["reconnect"]), (&"restart".into(), &Value::Bool(true)));
            let retry = bye.retry.expect("when to come back");
            assert_eq!(bye.json()["retryAfterMs"], retry);
            retry
        });
    }
    let asked = Instant::now();
    server.signal(signal);
    let status = server.ended().await;
    let took = asked.elapsed();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(took < Duration::from_secs(3), "SIG{signal} took {took:?}:\n{}", server.log());
    let mut retries = reading.join_all().await;
    assert_eq!(retries.len(), 1000);
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 100, "they would all return at once: {retries:?}");
    assert!(*retries.last().unwrap() <= 10_000, "nobody waits long for a restart: {retries:?}");
    assert!(!server.log().contains("WARN") && !server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_tells_a_thousand_streams_and_ends_in_three_seconds() {
    ends_with_a_thousand_streams("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_a_polite_end_of_the_demo() {
    ends_with_a_thousand_streams("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_57_a_second_server_in_one_folder_and_taken_ports_end_with_one_line() {
    let server = first_run(&[]).await;
    let (data, public, management) =
        (server.data.display().to_string(), server.address.to_string(), server.management.to_string());
    let kafka = said(&server, "Kafka").split(' ').next().unwrap().to_owned();
    for (setting, value, named) in [
        ("ALLIM_DATA_DIR", &data, "another allim runs in the data folder"),
        ("ALLIM_LISTEN", &public, "ALLIM_LISTEN"),
        ("ALLIM_MANAGEMENT_LISTEN", &management, "ALLIM_MANAGEMENT_LISTEN"),
        ("ALLIM_DEMO_KAFKA_LISTEN", &kafka, "ALLIM_DEMO_KAFKA_LISTEN"),
    ] {
        let mut second = Server::spawn(&[(setting, value)]);
        let status = second.ended().await;
        until("its words are read", async || !second.log().is_empty()).await;
        assert_ne!(status.code().expect("it ended by itself"), 0, "{setting}");
        let line = only_line(second.log().as_bytes());
        assert!(line.contains(named) && line.contains(value.as_str()), "{setting}: {line}");
        assert_eq!(*second.stdout.lock().unwrap(), "", "{setting}: it said that it runs");
    }
    // The first one never noticed.
    let mut listener = Listener::open(server.address, "demo-70001", None).await;
    listener.live().await;
    Publisher::new(kafka.parse::<std::net::SocketAddr>().unwrap()).tell("everyone", "k", "still here").await;
    listener.hears("still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_somebody_has_kafkas_port_the_broker_goes_elsewhere_and_says_so_loudly() {
    // If it is taken already, all the better.
    let usual = TcpListener::bind("127.0.0.1:9092");
    let server = first_run(&[("ALLIM_DEMO_KAFKA_LISTEN", "")]).await;
    let screen = screen(&server);
    assert!(screen.iter().any(|line| line.contains("NOT 127.0.0.1:9092")), "{screen:#?}");
    assert!(screen.len() <= 8, "{screen:#?}");
    let address = std::fs::read_to_string(server.data.join("kafka.address")).unwrap();
    let broker: SocketAddr = address.trim().parse().unwrap();
    assert!(broker.ip().is_loopback() && broker.port() != 9092, "{broker}");
    assert!(said(&server, "Kafka").starts_with(&format!("{broker} ")), "{screen:#?}");
    let mut listener = Listener::open(server.address, "demo-70001", None).await;
    listener.live().await;
    Publisher::new(broker).tell("everyone", "k", "over there").await;
    listener.hears("over there").await;
    let story = listener.cut();

    // Where it was once it is again, also when the usual port has become free: clients have been told of this one.
    drop(usual);
    server.signal("KILL");
    let server = server.again().await;
    until("its lines are read", async || server.stdout.lock().unwrap().contains("data   ")).await;
    assert!(said(&server, "Kafka").starts_with(&format!("{broker} ")), "{:#?}", self::screen(&server));
    let mut back = Listener::resume(server.address, "demo-70001", story).await.unwrap();
    back.live().await;
    assert_eq!(back.story.titles(), ["over there"], "nothing twice");
    assert_eq!(back.story.gaps, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn check_config_opens_nothing_and_health_answers_with_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (listen, free) = ([("ALLIM_LISTEN", address.as_str())], format!("127.0.0.1:{}", free_port()));
    // On ports that are taken, with brokers and accounts that nobody runs: nothing is touched.
    let real =
        [listen[0], ("ALLIM_KAFKA_BOOTSTRAP_SERVERS", &address), ("ALLIM_ACCOUNTS_URL", "http://127.0.0.1:9/me")];
    for (command, env) in [(&["check-config"][..], &listen[..]), (&["check-config", "--offline"], &real)] {
        let checked = allim(folder.path(), command, env);
        assert_eq!((checked.status.code(), checked.stderr.as_slice()), (Some(0), &b""[..]));
        assert!(String::from_utf8(checked.stdout).unwrap().starts_with("settings are good\n"));
    }
    taken.set_nonblocking(true).unwrap();
    assert!(taken.accept().is_err(), "somebody was called");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was written");

    // With real brokers they are asked for the topics; who is not there is said, and the settings are good all the same.
    let free_broker = [real[0], ("ALLIM_KAFKA_BOOTSTRAP_SERVERS", &free), real[2]];
    let asked = allim(folder.path(), &["check-config"], &free_broker);
    assert_eq!(asked.status.code(), Some(1));
    assert!(String::from_utf8(asked.stdout).unwrap().starts_with("settings are good\n"));
    assert!(only_line(&asked.stderr).starts_with(&format!("allim: no broker answers at {free}")));

    // Whoever should read it has gone: that is one line, and no panic.
    let (reader, unread) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_allim"));
    let ended = command.arg("check-config").current_dir(folder.path()).stdout(unread).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(only_line(&ended.stderr).starts_with("allim: the answer could not be printed: "));

    let wrong = [("ALLIM_LISTEN", "8080"), ("ALLIM_HUB_RING", "0"), ("ALLIM_LISTN", "x")];
    let refused = allim(folder.path(), &["check-config"], &wrong);
    assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(78), &b""[..]));
    let complaints = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(complaints.lines().count(), 3, "all at once: {complaints}");
    for (name, _) in wrong {
        assert!(complaints.lines().any(|line| line.starts_with(name)), "{complaints}");
    }
    assert_eq!(allim(folder.path(), &["serve"], &wrong).status.code(), Some(78));

    let mut server = Server::demo(&[]).await;
    let address = server.address.to_string();
    let healthy = allim(folder.path(), &["health"], &[("ALLIM_LISTEN", &address)]);
    assert_eq!(healthy.status.code(), Some(0));
    assert!(only_line(&healthy.stdout).contains("\"ready\":true"));
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
    for nobody in [&address, &free] {
        let ill = allim(folder.path(), &["health"], &[("ALLIM_LISTEN", nobody)]);
        assert_eq!((ill.status.code(), ill.stdout.as_slice()), (Some(1), &b""[..]));
        assert!(only_line(&ill.stderr).contains(nobody.as_str()));
    }
}

/// What holds nobody up: brokers that are gone, and a client that takes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_waits_for_no_broker_and_for_no_client_that_does_not_read() {
    let (mut kafka, accounts) = (Kafka::alone(3).await, Accounts::start().await);
    let mut server = Server::start(&kafka, &accounts, &[]).await;
    let publisher = Publisher::new(kafka.address);
    let mut deaf = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    deaf.live().await;
    let mut reads = Listener::open(server.address, &token(2, &[7], None, false), None).await;
    reads.live().await;
    for n in 0..60 {
        publisher.tell_padded("mall:7", "k", &format!("event {n}"), 200_000).await;
    }
    reads.hears("event 59").await;
    until("the deaf one has been sent away to catch up", async || server.metric("allim_detours_total").await >= 1.0)
        .await;
    kafka.go_away().await;
    until("it is noticed", async || server.get("/readyz").await.1.contains("\"live\":false")).await;
    let asked = Instant::now();
    server.signal("INT");
    assert_eq!(reads.event("bye").await.json()["reason"], "restart");
    let status = server.ended().await;
    let took = asked.elapsed();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(took < Duration::from_secs(3), "it took {took:?}:\n{}", server.log());
}
