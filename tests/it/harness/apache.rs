//! Apache Kafka in processes of its own, which `tests/kafka/broker` starts and which end with whoever started them.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{PATIENCE, free_port, until};

/// What a test leaves out, or does elsewhere, is said where nothing captures it.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[expect(clippy::disallowed_methods, reason = "how the tests run is said by whoever runs them")]
pub fn word(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the chapters run over Apache Kafka: `BROKER=apache`.
pub fn chosen() -> bool {
    match word("BROKER").as_deref() {
        None | Some("" | "small") => false,
        Some("apache") => true,
        Some(other) => panic!("BROKER={other}: wanted is `apache`, or `small` (the demo's broker)"),
    }
}

/// Whether what is missing for a test is an error: in `tests/all` it is.
pub fn everything_is_required() -> bool {
    word("INTEROP").as_deref() == Some("required")
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the jars are: the server's, and the Java client's among them.
pub fn jars() -> PathBuf {
    package().join("target/kafka/libs")
}

/// A folder with the scripts that an administrator of Kafka types, as far as somebody here does.
pub fn tools() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, class) in [
        ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
        ("kafka-configs.sh", "kafka.admin.ConfigCommand"),
        ("kafka-broker-api-versions.sh", "org.apache.kafka.tools.BrokerApiVersionsCommand"),
        ("kafka-storage.sh", "kafka.tools.StorageTool"),
    ] {
        let java = "java -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error";
        let script = format!("#!/bin/sh\nexec {java} -cp '{}/*' {class} \"$@\"\n", jars().display());
        let file = folder.path().join(name);
        std::fs::write(&file, script).expect("a script");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("that can be run");
    }
    folder
}

/// Whether Apache Kafka can be started. What is left out where it cannot is said; where everything has to run, and
/// where it was chosen, that is an error.
pub fn there_is(test: &str) -> bool {
    let there = package().join("target/kafka/fetched").exists();
    let missing = "Apache Kafka is not there: tests/kafka/broker fetch";
    assert!(there || !everything_is_required() && !chosen(), "{test} cannot run: {missing}");
    if !there {
        say(&format!("SKIPPED {test}: {missing}"));
    }
    there
}

/// A line in the report of a run over Apache Kafka, from which `tests/all` counts.
pub fn report(what: &str, rest: &str) {
    report_in("kafka/report", what, rest);
}

/// A line in a report below `target/`, with the test's name: that of its thread.
pub fn report_in(file: &str, what: &str, rest: &str) {
    let thread = std::thread::current();
    let line = format!("{what} {}{rest}\n", thread.name().unwrap_or("?"));
    let file = package().join("target").join(file);
    // What is built may be elsewhere.
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder for the report");
    // In one write: tests run side by side.
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&file);
    opened.and_then(|mut file| file.write_all(line.as_bytes())).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
}

/// One broker, which is its own controller or one of three.
pub struct Node {
    id: usize,
    pub port: u16,
    voters: String,
    folder: PathBuf,
    /// The folder of what it has beside the usual: properties and users.
    more: Option<PathBuf>,
    /// None: it is away.
    running: Option<Running>,
}

struct Running {
    /// The script: it ends after its broker.
    script: Child,
    broker: i32,
}

impl Node {
    fn start(&mut self) {
        let mut script = Command::new(package().join("tests/kafka/broker"))
            .arg("run")
            .arg(&self.folder)
            .args([&self.id.to_string(), &self.port.to_string(), &self.voters])
            .args(&self.more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/kafka/broker runs");
        let mut line = String::new();
        BufReader::new(script.stdout.take().expect("stdout")).read_line(&mut line).expect("it says something");
        let broker = line.trim().strip_prefix("pid ").and_then(|pid| pid.parse().ok());
        self.running = Some(Running { script, broker: broker.expect("it says its broker's process id") });
    }

    async fn answers(&self) -> bool {
        tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
    }

    /// `STOP` and `CONT`; `TERM` and `KILL` are [`Node::end`].
    pub fn signal(&self, name: &str) {
        let broker = self.running.as_ref().expect("it is away").broker.to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &broker]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Ended by this signal, and gone.
    pub async fn end(&mut self, signal: &str) {
        self.signal(signal);
        let mut running = self.running.take().expect("it is away");
        let give_up = Instant::now() + PATIENCE;
        while running.script.try_wait().expect("it can be waited for").is_none() {
            assert!(Instant::now() < give_up, "broker {} does not end:\n{}", self.id, self.log());
            tokio::time::sleep(SOON).await;
        }
    }

    /// Again where it was, with what it had; returns when its port is open.
    pub async fn again(&mut self) {
        self.start();
        until("the broker's port is open", async || self.answers().await).await;
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            // Its standard input ends.
            drop(running.script.stdin.take());
            let _ = running.script.wait();
        }
        if std::thread::panicking() {
            say(&format!("broker {}:\n{}", self.id, self.log()));
        }
    }
}

/// One broker, or three that are one cluster.
pub struct Cluster {
    pub nodes: Vec<Node>,
    _folder: TempDir,
}

impl Cluster {
    pub async fn start(size: usize) -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        let voters: Vec<String> = (1..=size).map(|id| format!("{id}@127.0.0.1:{}", free_port())).collect();
        let voters = voters.join(",");
        let node = |id: usize| {
            let folder = folder.path().join(id.to_string());
            Node { id, port: free_port(), voters: voters.clone(), folder, more: None, running: None }
        };
        let nodes = (1..=size).map(node).collect();
        Cluster { nodes, _folder: folder }.started().await
    }

    /// One broker with more than the usual: `write` puts its `properties` and `users` into the folder that it is given,
    /// knowing the ports for clients and of the controller.
    #[cfg(feature = "kafka-tls")]
    pub async fn with_more(write: impl FnOnce(&Path, u16, u16)) -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, controller, more) = (free_port(), free_port(), folder.path().join("more"));
        std::fs::create_dir(&more).expect("a folder");
        write(&more, port, controller);
        let (voters, log) = (format!("1@127.0.0.1:{controller}"), folder.path().join("1"));
        let node = Node { id: 1, port, voters, folder: log, more: Some(more), running: None };
        Cluster { nodes: vec![node], _folder: folder }.started().await
    }

    async fn started(mut self) -> Cluster {
        for node in &mut self.nodes {
            node.start();
        }
        for node in &self.nodes {
            until("a broker's port is open", async || node.answers().await).await;
        }
        self
    }

    /// What a client is told.
    pub fn list(&self) -> String {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect::<Vec<_>>().join(",")
    }
}

/// The broker of all chapters that take nothing away from each other, and a topic that nobody has yet.
pub async fn shared() -> (String, String) {
    static BROKER: OnceCell<Cluster> = OnceCell::const_new();
    static TOPICS: AtomicU32 = AtomicU32::new(1);
    let cluster = BROKER.get_or_init(|| Cluster::start(1)).await;
    (cluster.list(), format!("{}-{}", super::kafka::TOPIC, TOPICS.fetch_add(1, Ordering::Relaxed)))
}

/// Between two questions to a broker that is about to be there.
pub const SOON: Duration = Duration::from_millis(50);
