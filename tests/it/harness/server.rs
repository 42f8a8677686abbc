//! A server process: the real executable with settings of its own, killed when the chapter ends.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{Accounts, Kafka, PATIENCE, free_port, secrets, sse::Stream};

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub management: SocketAddr,
    pub data: PathBuf,
    pub stdout: Arc<Mutex<String>>,
    pub stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    /// As it was last read.
    metrics: Arc<Mutex<String>>,
    env: Vec<(String, String)>,
    folder: Arc<TempDir>,
}

impl Server {
    /// Reads this broker, asks these accounts.
    pub async fn start(kafka: &Kafka, accounts: &Accounts, env: &[(&str, &str)]) -> Server {
        let mut server = Server::spawn_with(kafka, accounts, env);
        server.ready().await;
        server
    }

    /// The same without waiting.
    pub fn spawn_with(kafka: &Kafka, accounts: &Accounts, env: &[(&str, &str)]) -> Server {
        let (servers, url) = (kafka.address.to_string(), accounts.url());
        let mut all = vec![
            ("ALLIM_KAFKA_BOOTSTRAP_SERVERS", servers.as_str()),
            ("ALLIM_KAFKA_TOPIC", kafka.address.topic),
            ("ALLIM_ACCOUNTS_URL", &url),
        ];
        all.extend_from_slice(env);
        Server::spawn(&all)
    }

    /// With nothing set but its ports: broker and accounts are its own.
    pub async fn demo(env: &[(&str, &str)]) -> Server {
        let mut server = Server::spawn(env);
        server.ready().await;
        server
    }

    /// Does not wait. A variable that is given empty is not set at all.
    pub fn spawn(env: &[(&str, &str)]) -> Server {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let port = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (address, management) = (port(free_port()), port(free_port()));
        let mut all: Vec<(String, String)> = vec![
            ("ALLIM_LISTEN".into(), address.to_string()),
            ("ALLIM_MANAGEMENT_LISTEN".into(), management.to_string()),
            ("ALLIM_DEMO_KAFKA_LISTEN".into(), port(free_port()).to_string()),
            ("ALLIM_DATA_DIR".into(), folder.path().join("data").display().to_string()),
        ];
        let given: Vec<&str> = env.iter().map(|(name, _)| *name).collect();
        if given.contains(&"ALLIM_KAFKA_BOOTSTRAP_SERVERS") {
            all.retain(|(name, _)| name != "ALLIM_DEMO_KAFKA_LISTEN");
        }
        all.retain(|(name, _)| !given.contains(&name.as_str()));
        all.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all.retain(|(_, value)| !value.is_empty());
        let data = folder.path().join("data");
        Server::launch(address, management, data, all, folder)
    }

    fn launch(
        address: SocketAddr,
        management: SocketAddr,
        data: PathBuf,
        env: Vec<(String, String)>,
        folder: Arc<TempDir>,
    ) -> Server {
        let mut child = program(&env)
            .current_dir(folder.path())
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        for (name, value) in &env {
            if ["ALLIM_CLUSTER_KEY", "ALLIM_MANAGEMENT_TOKEN"].contains(&name.as_str()) {
                secrets::text(value);
            }
        }
        let (stdout, out) = collect(child.stdout.take().expect("stdout"));
        let (stderr, err) = collect(child.stderr.take().expect("stderr"));
        let (readers, metrics) = (vec![out, err], Arc::default());
        Server { child, address, management, data, stdout, stderr, readers, metrics, env, folder }
    }

    /// Waits until it lets listeners in.
    pub async fn ready(&mut self) {
        let give_up = Instant::now() + PATIENCE;
        while self.try_get("/readyz").await.is_none_or(|(status, _)| status != 200) {
            let ended = self.child.try_wait().expect("it can be waited for");
            assert!(ended.is_none() && Instant::now() < give_up, "not ready ({ended:?}):\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The same again after an end: same ports, same data.
    pub async fn again(self) -> Server {
        let (address, management, data, env, folder) =
            (self.address, self.management, self.data.clone(), self.env.clone(), Arc::clone(&self.folder));
        drop(self);
        let mut server = Server::launch(address, management, data, env, folder);
        server.ready().await;
        server
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// `INT`, `TERM`, `KILL`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(Instant::now() < end, "the server does not end:\n{}", self.stderr.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn try_get(&self, path: &str) -> Option<(u16, String)> {
        let at = if path == "/metrics" { self.management } else { self.address };
        let mut answer = Stream::get(at, path, &[]).await.ok()?;
        let body = answer.rest().await.ok()?;
        if path == "/metrics" {
            self.metrics.lock().unwrap().clone_from(&body);
        }
        Some((answer.status, body))
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).await.unwrap_or_else(|| panic!("no answer; log:\n{}", self.stderr.lock().unwrap()))
    }

    /// One metric as `/metrics` shows it: `allim_streams`, `allim_gaps_total{reason="epoch"}`.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, page) = self.get("/metrics").await;
        let line = page.lines().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    }

    pub fn log(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Metrics as they are now, without waiting long for a server that was stopped; None where it ended.
    pub fn last_metrics(&self) -> Option<String> {
        let mut socket = TcpStream::connect_timeout(&self.management, Duration::from_millis(500)).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n").ok()?;
        let mut page = String::new();
        socket.read_to_string(&mut page).ok()?;
        Some(page)
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") * 1024
    }

    /// Processor time that it has used.
    pub fn worked(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("Linux");
        let (_, behind_the_name) = stat.rsplit_once(") ").expect("a name");
        let ticks =
            behind_the_name.split(' ').skip(11).take(2).map(|n| n.parse::<u64>().expect("a number")).sum::<u64>();
        // A hundred a second on every Linux that there is.
        Duration::from_millis(ticks * 10)
    }

    /// Bytes that the kernel holds for its peers, or from them, on this side of its connections.
    pub fn unsent(&self) -> u64 {
        let ours = format!(":{:04X}", self.address.port());
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
        let held = table.lines().skip(1).filter_map(|line| {
            let mut columns = line.split_whitespace().skip(1);
            let queues = columns.next().filter(|local| local.ends_with(&ours)).and_then(|_| columns.nth(2))?;
            let (sends, receives) = queues.split_once(':')?;
            Some(u64::from_str_radix(sends, 16).ok()? + u64::from_str_radix(receives, 16).ok()?)
        });
        held.sum()
    }
}

/// The executable; with `DESCRIPTORS` in the environment it gets no more of them.
fn program(env: &[(String, String)]) -> Command {
    const EXECUTABLE: &str = env!("CARGO_BIN_EXE_allim");
    let Some((_, most)) = env.iter().find(|(name, _)| name == "DESCRIPTORS") else { return Command::new(EXECUTABLE) };
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {most} && exec \"$0\"")).arg(EXECUTABLE);
    shell
}

/// What comes out of it, and who reads that until its end.
fn collect(pipe: impl Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut text = into.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    });
    (text, reader)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(metrics) = self.last_metrics() {
            *self.metrics.lock().unwrap_or_else(PoisonError::into_inner) = metrics;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        if let Ok(key) = std::fs::read_to_string(self.data.join("cluster.key")) {
            secrets::text(key.trim());
        }
        if std::thread::panicking() {
            eprintln!("the server that this was about said:\n{}", self.log());
        }
        let [screen, log, metrics] = [&self.stdout, &self.stderr, &self.metrics]
            .map(|text| text.lock().unwrap_or_else(PoisonError::into_inner).clone());
        secrets::none_in(&[("the screen", &screen), ("the log", &log), ("a page of metrics", &metrics)]);
    }
}
