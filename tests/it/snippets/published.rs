//! Each language's snippet publishes over either broker, and an operator sees exactly that, once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use allim::{
    demo::accounts::cast,
    notification::{MallNo, NotificationId, Tenant},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::snippet;
use crate::harness::{
    Accounts, Kafka, Listener, Server, Service, Story, apache,
    program::{Program, installed, is_there, runs, skip},
    transport::{Line, Transport},
};

/// Of so many partitions Java's murmur2 gives `mall:1001` this one, and the CRC32 of librdkafka's default another.
const PARTITIONS: i32 = 8;
const BY_MURMUR2: i64 = 4;

/// The demo's, which a server with real brokers has as well if it is in its settings.
const KEY: &str = "demo-publisher";

/// Makes the command that runs a snippet out of files in this folder; or says what is missing for it.
type Runs = fn(&Path) -> Result<Command, String>;

/// A shell's, with all that it says in one place.
fn shell(folder: &Path, name: &str, program: &str) -> Result<Command, String> {
    runs(program, "-V")?;
    let file = written(folder, "snippet.sh", &snippet(name));
    let mut command = Command::new("sh");
    command.args(["-c", "exec 2>&1; . \"$0\""]).arg(file);
    Ok(command)
}

fn java(folder: &Path) -> Result<Command, String> {
    runs("javac", "-version")?;
    is_there(&apache::jars())?;
    let mut command = Command::new("java");
    command.args(QUICK).arg("-cp").arg(apache::jars().join("*"));
    command.arg(written(folder, "PublishOrder.java", &snippet("java")));
    Ok(command)
}

/// The service of the snippet and its settings, in the least application that there is.
fn spring(folder: &Path) -> Result<Command, String> {
    runs("javac", "-version")?;
    let jars = installed().join("spring/libs");
    is_there(&jars)?;
    let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/spring/Main.java");
    fs::copy(main, folder.join("Main.java")).expect("the application");
    written(folder, "OrderNotifications.java", &snippet("spring"));
    written(folder, "application.yaml", &snippet("spring-settings"));
    let mut command = Command::new("sh");
    let script = "javac -parameters -cp \"$0/*\" -d . ./*.java && exec java \"$@\" -cp \".:$0/*\" Main";
    command.args(["-c", script]).arg(jars).args(QUICK).current_dir(folder);
    Ok(command)
}

fn kafkajs(folder: &Path) -> Result<Command, String> {
    runs("node", "--version")?;
    is_there(&installed().join("node_modules/kafkajs"))?;
    let mut command = Command::new("node");
    command.arg(written(folder, "snippet.mjs", &snippet("kafkajs")));
    Ok(command)
}

fn python(folder: &Path) -> Result<Command, String> {
    let python = installed().join("venv/bin/python3");
    is_there(&python)?;
    let mut command = Command::new(python);
    command.arg(written(folder, "snippet.py", &snippet("python")));
    Ok(command)
}

/// A machine for a program that lives for a second.
pub const QUICK: [&str; 2] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

pub fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, text).expect("a file");
    file
}

/// Where a snippet is run: below the packages that it needs, where Node looks for them.
pub fn workshop() -> TempDir {
    fs::create_dir_all(installed()).expect("a folder");
    tempfile::tempdir_in(installed()).expect("a folder")
}

/// A server with the demo's people, whose publisher has the demo's key.
pub async fn stage(kafka: &Kafka) -> (Accounts, Server) {
    let accounts = Accounts::with_the_cast().await;
    let hash: String = Sha256::digest(KEY.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let publishers = format!("name=demo key_sha256={hash} malls=* everyone=on");
    let server = Server::start(kafka, &accounts, &[("ALLIM_PUBLISHERS", &publishers)]).await;
    (accounts, server)
}

/// Somebody of the demo, on an event stream, which is live.
pub async fn listens(server: &Server, token: &str) -> Listener {
    assert!(cast().as_array().expect("a list").iter().any(|person| person["token"] == token));
    let line = Line::open(Transport::Sse, server.address, token, None).await.expect("the stream opens");
    let mut listener = Listener { line, story: Story::default() };
    listener.live().await;
    listener
}

/// Everybody hears this, behind all that was published with mall 1001's key before.
pub async fn the_end(server: &Server) -> Service {
    let service = Service::new(server.address, KEY);
    let end = json!({"type": "test.happened", "audience": "everyone", "mallNo": 1001, "title": "the end"});
    assert_eq!(service.publish(&end).await.status, 202);
    service
}

/// The number behind this word, where it is said last.
fn number_behind(word: &str, said: &str) -> Option<i64> {
    let behind = said.rmatch_indices(word).map(|(at, _)| said[at + word.len()..].trim_start_matches([' ', '"', ':']));
    behind.filter_map(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()).next()
}

/// As the page says, by the environment.
fn points_to(command: &mut Command, kafka: &Kafka, server: &Server) {
    command.env("KAFKA_BOOTSTRAP_SERVERS", kafka.address.to_string());
    command.env("NOTIFICATIONS_TOPIC", kafka.address.topic);
    command.env("NOTIFICATIONS_URL", format!("http://{}/notifications", server.address));
}

async fn is_published(name: &str, order: &str, source: &str, runs: Runs) {
    let folder = workshop();
    let mut command = match runs(folder.path()) {
        Ok(command) => command,
        Err(missing) => return skip(&format!("the snippet {name}"), &missing),
    };
    let kafka = Kafka::with_partitions(PARTITIONS).await;
    let (_accounts, server) = stage(&kafka).await;
    let mut operator = listens(&server, "demo-70001").await;
    let mut partner = listens(&server, "demo-80502").await;
    let mut elsewhere = listens(&server, "demo-70003").await;

    points_to(&mut command, &kafka, &server);
    let said = Program::spawn(&mut command).ends_well().await;
    let place = (number_behind("partition", &said), number_behind("offset", &said));
    assert_eq!(place, (Some(BY_MURMUR2), Some(0)), "{said}");

    the_end(&server).await;
    let mut heard = Vec::new();
    while operator.story.titles().last() != Some(&"the end") {
        heard.push(operator.event("message").await.json());
    }
    assert_eq!(operator.story.titles(), ["새 주문 39,000원", "the end"]);
    let mall = Tenant::Mall(MallNo::new(1001).unwrap());
    let id = NotificationId::of_producer(mall, source, &format!("order-{order}"));
    let line = json!({"productName": "사과 3kg", "orderCnt": 1, "amount": 39000, "partnerNo": 501});
    let wanted = json!({"id": id.to_string(), "type": "order.created", "orderNo": order, "lines": [line]});
    let data = &heard[0]["data"];
    let is: Value = json!({"id": heard[0]["id"], "type": heard[0]["type"], "orderNo": data["orderNo"],
                           "lines": data["orderProductOptions"]});
    assert_eq!(is, wanted);
    // A partner that has no line of it, and another mall's operator.
    for bystander in [&mut partner, &mut elsewhere] {
        bystander.hears("the end").await;
        assert_eq!(bystander.story.titles(), ["the end"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_publishes_what_its_snippet_says() {
    is_published("kcat", "202611210000000001", "/shop/orders", |folder| shell(folder, "kcat", "kcat")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_publishes_what_its_snippet_says() {
    is_published("curl", "202611210000000002", "/publishers/demo", |folder| shell(folder, "curl", "curl")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn java_publishes_what_its_snippet_says() {
    is_published("java", "202611210000000003", "/shop/orders", java).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spring_publishes_what_its_snippet_says() {
    is_published("spring", SPRING_ORDER, "/shop/orders", spring).await;
}

/// That of `tests/interop/spring/Main.java`: the snippet is a service, which is given its order.
const SPRING_ORDER: &str = "202611210000000006";

#[tokio::test(flavor = "multi_thread")]
async fn kafkajs_publishes_what_its_snippet_says() {
    is_published("kafkajs", "202611210000000004", "/shop/orders", kafkajs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_publishes_what_its_snippet_says() {
    is_published("python", "202611210000000005", "/shop/orders", python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn run_twice_there_are_two_records_and_one_notification() {
    let folder = workshop();
    let mut command = match shell(folder.path(), "kcat", "kcat") {
        Ok(command) => command,
        Err(missing) => return skip("the snippet kcat, twice", &missing),
    };
    let kafka = Kafka::start().await;
    let (_accounts, server) = stage(&kafka).await;
    let mut operator = listens(&server, "demo-70001").await;
    points_to(&mut command, &kafka, &server);
    for offset in [0, 1] {
        let said = Program::spawn(&mut command).ends_well().await;
        assert_eq!(number_behind("offset", &said), Some(offset), "{said}");
    }
    the_end(&server).await;
    operator.hears("the end").await;
    assert_eq!(operator.story.titles(), ["새 주문 39,000원", "the end"]);
}

/// The event that the page begins with is understood as it stands.
#[tokio::test(flavor = "multi_thread")]
async fn the_least_event_is_taken_and_seen_by_whom_the_page_says() {
    let kafka = Kafka::start().await;
    let (_accounts, server) = stage(&kafka).await;
    let mut event: Value = serde_json::from_str(&snippet("event")).unwrap();
    event.as_object_mut().unwrap().shift_remove("source"); // over HTTP it is the key's own
    let answer = Service::new(server.address, KEY).dry_run(&event).await;
    assert_eq!((answer.status, &answer.json()["audience"]), (200, &json!(["mall:1001", "mall:1001:partner:501"])));
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a page");
    assert!(readme.contains(&snippet("tail")), "to see it arrive is said as README.md says it, whose commands are run");
}
