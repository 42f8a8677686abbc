//! Builds every station and joins them; starts and drains in order; the only file that knows all.

use std::{
    fs::{File, TryLockError},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::{StreamExt, wrappers::WatchStream};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Accounts, Broker},
    deliver::Streams,
    demo,
    http::{self, Connections, DemoDoors, Doors, Publishing, Recheck},
    hub::Hub,
    identity::{ClusterKey, Identity, Tickets},
    ingest::{self, Ingest, Refill},
    publish::{self, Producer},
    shutdown::Signals,
    telemetry::{self, Metrics, Readiness},
    timeline::{Store, Timeline},
};

mod kept;

/// The least that a record in memory takes: how many of them a refill may read at most.
const LEAST_RECORD_BYTES: u64 = 256;
/// What is still being written when everybody has been told goodbye.
const LAST_WORDS: Duration = Duration::from_millis(1500);
/// How long the drain may outlast its window.
const DRAIN_GRACE: Duration = Duration::from_secs(2);
/// A balancer learns only after some seconds that we are not ready: until then whoever it sends finds the door open, and
/// is told where to go, also where nobody listened. Never longer than the window.
const STILL_OPEN: Duration = Duration::from_secs(5);

/// What runs only in the demo; empty where everything is real.
#[derive(Default)]
struct Demo {
    broker: Option<demo::kafka::Broker>,
    accounts: Option<demo::accounts::Accounts>,
    instead_of: Option<SocketAddr>,
}

/// Serves until a signal. Everything that can fail at a start fails before the first line is printed.
pub async fn run(mut settings: config::Settings) -> anyhow::Result<()> {
    telemetry::log::start(&settings.telemetry)?;
    let mut signals = Signals::new().context("no signal can be received")?;
    let _lock = lock(&settings.data_dir)?;
    let (_alone, store) = kept::open(&settings)?.unzip();
    let public = bind(settings.http.listen, settings.http.send_buffer, "ALLIM_LISTEN")?;
    let management = bind(settings.http.management_listen, settings.http.send_buffer, "ALLIM_MANAGEMENT_LISTEN")?;
    let demo = start_demo(&mut settings).await?;
    settings.http.connections = http::connections(settings.http.connections);
    let server = Server::start(&settings, store, public, management)?;
    // Also where nobody reads it: a server is none the worse.
    let _ = write!(io::stdout(), "{}", banner(&settings, server.address, &demo)?);

    let stop = signals.next().await;
    tracing::debug!(?stop, "stopping");
    let ended = server.drain(stop.window(settings.deliver.drain_window));
    tokio::select! {
        () = ended => {}
        _ = signals.next() => tracing::info!("a second signal: ending at once"),
    }
    if let Some(accounts) = demo.accounts {
        accounts.stop().await;
        tracing::debug!("demo accounts closed");
    }
    if let Some(broker) = demo.broker {
        broker.stop().await;
        tracing::debug!("demo broker closed");
    }
    Ok(())
}

/// Two servers in one folder would write into each other's files. The system frees the lock of a process that died.
fn lock(data_dir: &Path) -> anyhow::Result<File> {
    let shown = data_dir.display();
    std::fs::create_dir_all(data_dir).with_context(|| format!("the data folder {shown} cannot be made"))?;
    let file =
        File::create(data_dir.join("lock")).with_context(|| format!("the data folder {shown} is not writable"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another allim runs in the data folder {shown}; name another one with ALLIM_DATA_DIR")
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("the data folder {shown} cannot be locked"))
        }
    }
}

fn bind(address: SocketAddr, send_buffer: usize, setting: &str) -> anyhow::Result<TcpListener> {
    http::bind(address, send_buffer)
        .with_context(|| format!("{address} cannot be listened on; choose another address with {setting}"))
}

/// What the nodes share. In the demo there is one node, whose tickets outlive it.
fn cluster_key(settings: &config::Settings) -> anyhow::Result<ClusterKey> {
    if let Some(key) = &settings.cluster_key {
        return Ok(ClusterKey::given(key.text()));
    }
    if settings.broker == Broker::Real {
        tracing::warn!("ALLIM_CLUSTER_KEY is not set: tickets hold on the node that gave them out");
        return Ok(ClusterKey::of_this_process());
    }
    ClusterKey::kept_in(&settings.data_dir)
        .with_context(|| format!("the cluster's key in {} cannot be read or made", settings.data_dir.display()))
}

/// What is not set is embedded.
async fn start_demo(settings: &mut config::Settings) -> anyhow::Result<Demo> {
    let mut demo = Demo::default();
    if let Broker::Embedded { listen, log_max_bytes } = settings.broker {
        let (data_dir, topic) = (&settings.data_dir, &settings.ingest.topic);
        let chosen = match listen {
            Some(address) => demo::Chosen { address, instead_of: None },
            None => demo::choose(data_dir).await,
        };
        let broker = demo::kafka::Broker::start(demo::broker_settings(chosen.address, data_dir, log_max_bytes, topic))
            .await
            .context("the embedded broker does not start; its address is the setting ALLIM_DEMO_KAFKA_LISTEN")?;
        demo::remember(data_dir, broker.address()).context("the broker's address cannot be written down")?;
        settings.ingest.bootstrap_servers = broker.address().to_string();
        demo.instead_of = chosen.instead_of;
        demo.broker = Some(broker);
    }
    if settings.accounts == Accounts::Demo {
        let accounts = demo::accounts::Accounts::start(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .context("the demo account service does not start")?;
        settings.identity.accounts_url = accounts.url();
        demo.accounts = Some(accounts);
    }
    Ok(demo)
}

/// In the demo its page publishes as well, and a dry run says of each of its people who would see it.
fn publishing(settings: &config::Settings, producer: Producer) -> Publishing {
    let decoder = settings.ingest.decoder(settings.catalogue.clone());
    if settings.is_demo() {
        let publishers = settings.publishers.and(demo::publisher());
        return Publishing::new(producer, decoder, publishers, demo::accounts::viewers());
    }
    Publishing::new(producer, decoder, settings.publishers.clone(), Vec::new())
}

/// The shop publishes like any domain service, and knows of the listeners only how many there are.
fn demo_doors(producer: &Producer, streams: &Streams, tasks: &mut JoinSet<()>) -> DemoDoors {
    let streams = streams.clone();
    let (mall, shop) = demo::mall::Mall::new(producer.clone(), move || streams.count());
    tasks.spawn(shop);
    DemoDoors::new(Arc::new(mall))
}

/// All stations, joined.
struct Server {
    address: SocketAddr,
    streams: Streams,
    readiness: Readiness,
    connections: Connections,
    /// Notifications and signals.
    reading: Vec<Ingest>,
    /// Ends behind the readers, with what it has.
    recording: Option<kept::Recording>,
    stop: CancellationToken,
    /// Kept to be let go of where that may block.
    producer: Producer,
    /// The doors' accept loops, what happens every now and then, and the demo's shop.
    tasks: JoinSet<()>,
}

impl Server {
    fn start(
        settings: &config::Settings,
        store: Option<Arc<dyn Store>>,
        public: TcpListener,
        management: TcpListener,
    ) -> anyhow::Result<Server> {
        let (metrics, readiness) = (Metrics::new(), Readiness::new());
        let catalogue = settings.catalogue.clone();
        let hub = Hub::new(settings.hub.clone(), metrics.clone());
        let refill = Refill { age: settings.hub.memory_age, records: settings.hub.memory_bytes / LEAST_RECORD_BYTES };
        let next = Arc::new(hub.clone());
        let ingest = Ingest::notifications(&settings.ingest, refill, catalogue.clone(), &metrics, next)?;
        hub.ask(Arc::new(ingest.ends()));
        let timeline = store.as_ref().map(|store| Timeline::new(Arc::clone(store), metrics.clone()));
        let (deliver, shards) = (settings.deliver.clone(), settings.hub.shards);
        let streams = Streams::start(deliver, shards, &hub, timeline, catalogue, metrics.clone())
            .context("no thread for a shard")?;
        let identity = Identity::new(&settings.identity, &metrics)?;
        let recheck = Recheck::new(settings.http.recheck, identity.clone(), metrics.clone());
        let signals = Ingest::signals(&settings.ingest, &metrics, Arc::new(recheck.clone()))?;
        let producer = Producer::new(&settings.publish(settings.ingest.bootstrap_servers.clone(), publish::SERVING))?;
        let mut reading = vec![ingest, signals];
        let recording =
            store.map(|store| kept::record(settings, store, &hub, &streams, &producer, &metrics)).transpose()?;
        let recording = recording.map(|(reader, recording)| {
            reading.push(reader);
            recording
        });

        let (stop, connections, mut tasks) = (CancellationToken::new(), Connections::new(), JoinSet::new());
        let doors = Doors {
            settings: Arc::new(settings.http.clone()),
            cookie: settings.identity.token_cookie.as_str().into(),
            identity,
            streams: streams.clone(),
            catalogue: settings.catalogue.clone(),
            contract: Arc::new(ingest::asyncapi::document(&settings.ingest, &settings.catalogue)),
            marking: http::Turns::default(),
            recheck: recheck.clone(),
            limits: settings.http.limits(),
            tickets: Tickets::new(cluster_key(settings)?, settings.ticket_life),
            publishing: publishing(settings, producer.clone()),
            demo: settings.is_demo().then(|| demo_doors(&producer, &streams, &mut tasks)),
            metrics: metrics.clone(),
        };
        let address = public.local_addr().context("the address that is listened on")?;
        for (listener, router) in [
            (public, http::routes(doors, readiness.clone())),
            (management, http::management(metrics.clone(), readiness.clone())),
        ] {
            let serving = http::serve(
                listener,
                router,
                settings.http.clone(),
                connections.clone(),
                metrics.clone(),
                stop.clone(),
            );
            tasks.spawn(serving);
        }
        tasks.spawn(recheck.run(streams.clone()));
        tasks.spawn(housekeeping(hub.clone()));
        tasks.spawn(report_readiness(hub, readiness.clone()));
        Ok(Server { address, streams, readiness, connections, reading, recording, producer, stop, tasks })
    }

    /// Says goodbye to everybody over `window`, then closes the doors and stops reading.
    async fn drain(mut self, window: Duration) {
        self.readiness.draining();
        self.streams.drain(window).await;
        let (until, open_until) = (Instant::now() + window + DRAIN_GRACE, Instant::now() + window.min(STILL_OPEN));
        while Instant::now() < open_until || self.streams.count() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tracing::debug!(streams = self.streams.count(), "goodbyes said");
        self.stop.cancel();
        let until = tokio::time::Instant::now() + LAST_WORDS;
        // A question to brokers that are away takes its time. Nobody listens any more and nothing is committed, so it
        // ends with the process if need be: on a thread that the runtime does not wait for.
        let (stopped, reading) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            self.reading.into_iter().for_each(Ingest::stop);
            let _ = stopped.send(());
        });
        if let Some(recording) = self.recording {
            recording.end(LAST_WORDS).await;
        }
        self.connections.end(LAST_WORDS).await;
        tracing::debug!("doors closed");
        self.tasks.shutdown().await;
        std::thread::spawn(move || drop(self.producer));
        let _ = tokio::time::timeout_at(until, reading).await;
        tracing::debug!("Kafka closed");
    }
}

async fn housekeeping(hub: Hub) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        hub.housekeeping();
    }
}

async fn report_readiness(hub: Hub, readiness: Readiness) {
    let mut states = WatchStream::new(hub.state());
    while let Some(log) = states.next().await {
        if log.known {
            readiness.ready();
        }
        if log.live { readiness.live() } else { readiness.not_live(log.reason) }
    }
}

/// What somebody needs who has just started it: at most eight lines.
fn banner(settings: &config::Settings, address: SocketAddr, demo: &Demo) -> anyhow::Result<String> {
    let executable = config::executable().context("the path of this executable")?;
    let (executable, version) = (executable.display(), env!("CARGO_PKG_VERSION"));
    let [four, six] = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let host = if [four, six].contains(&address.ip()) || address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let (servers, topic) = (&settings.ingest.bootstrap_servers, &settings.ingest.topic);
    let data = settings.data_dir.display();
    let mut lines = vec![match (&demo.broker, &demo.accounts) {
        (Some(_), Some(_)) if !address.ip().is_loopback() => {
            format!("알림 Allim {version} · demo mode, open to whoever reaches port {}", address.port())
        }
        (Some(_), Some(_)) => format!("알림 Allim {version} · demo mode, nothing leaves this machine"),
        (Some(_), None) => format!("알림 Allim {version} · demo mode: embedded broker, real accounts"),
        _ => format!("알림 Allim {version}"),
    }];
    lines.push(format!("open      http://{host}"));
    lines.push(format!("Kafka     {servers}   topic {topic}"));
    if let Some(taken) = demo.instead_of {
        lines.push(format!("          NOT {taken}: another program answers there"));
    }
    if demo.broker.is_some() {
        lines.push(format!("publish   {executable} publish order.created --mall 1001"));
    }
    if demo.accounts.is_some() {
        lines.push(format!("listen    {executable} tail"));
    }
    lines.push(format!("data      {data}   (Ctrl-C and start again: nobody misses anything)"));
    Ok(lines.iter().map(|line| format!("  {line}\n")).collect())
}
