//! The settings of every station, read once, with every complaint at once, before any port opens.

use std::{
    fmt::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

pub mod cli;
mod complaint;
mod given;
mod parse;
mod publishers;
pub mod table;

pub use complaint::{Complaint, Complaints};
pub use given::{Environment, Origin};

use given::{AllGiven, Reader};

use crate::{deliver, http, hub, identity, ingest, notification::Catalogue, publish, telemetry};

/// The process ends with it when its settings are not good (`EX_CONFIG`).
pub const EXIT_BAD_SETTINGS: u8 = 78;

/// A group of the system this replaces: joining it would take records away from what still runs there.
const OLD_GROUP: &str = "NOTIFICATION-GROUP";

/// What the settings are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To serve, or to say whether that would go well.
    Serve,
    /// For a command that opens no door: it needs no accounts to publish to real brokers.
    Command,
}

/// What every station needs to know. Its `Debug` is the report, since stations' settings hold passwords.
#[derive(Clone)]
pub struct Settings {
    /// Absolute.
    pub data_dir: PathBuf,
    pub broker: Broker,
    pub accounts: Accounts,
    /// Its `bootstrap_servers` are empty where the broker is embedded: only that one knows where it listens.
    pub ingest: ingest::Settings,
    pub hub: hub::Settings,
    pub deliver: deliver::Settings,
    /// Its `accounts_url` is empty where the accounts are the demo's.
    pub identity: identity::Settings,
    pub http: http::Settings,
    pub telemetry: telemetry::Settings,
    /// The built-in types, and those of the file that was named.
    pub catalogue: Catalogue,
    /// None: kept in the data folder where the broker is embedded, else one of this process alone.
    pub cluster_key: Option<Secret>,
    pub ticket_life: Duration,
    /// Who may publish over HTTP; in the demo somebody else may as well.
    pub publishers: identity::Publishers,
    pub database_url: Option<Secret>,
    /// What was set, and where.
    pub origins: Vec<Origin>,
}

/// Which brokers are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broker {
    Real,
    /// The demo's own. `listen`: None is where it was last time, else the usual port, else any.
    Embedded {
        listen: Option<SocketAddr>,
        log_max_bytes: u64,
    },
}

/// Who is asked whose a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounts {
    Real,
    Demo,
}

/// Text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

/// Our variables of this process's environment.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the only place that reads it")]
pub fn environment() -> Environment {
    let ours = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with("ALLIM_"))?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    ours.collect()
}

/// The running executable, by its whole path: what somebody may paste into a shell.
pub fn executable() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// Settings from the file that was named, else from `allim.toml` in `folder` if it is there, and from the environment.
pub fn load(
    purpose: Purpose,
    named: Option<&Path>,
    folder: &Path,
    environment: &Environment,
) -> Result<Settings, Complaints> {
    let mut reader = Reader::new(AllGiven::read(named, folder, environment));
    let read = read_all(&mut reader, folder);
    if purpose == Purpose::Serve {
        what_only_a_server_minds(&mut reader);
    }
    let origins = reader.finish()?;
    let settings = read.expect("what could not be read was complained about");
    Ok(Settings { origins, ..settings })
}

/// Reads to the end, also where something is missing, so that every complaint is written down.
fn read_all(r: &mut Reader, folder: &Path) -> Option<Settings> {
    let data_dir = r.get("data_dir", parse::text).map(|path| given::absolute(folder, &path));
    // Whoever wrote servers down meant real ones, also where they cannot be read.
    let real = r.written("kafka.bootstrap_servers").is_some();
    let ingest = read_ingest(r, real);
    let broker = read_broker(r, real);
    let hub = read_hub(r);
    let deliver = read_deliver(r, real);
    let identity = read_identity(r);
    let accounts = if r.written("accounts.url").is_some() { Accounts::Real } else { Accounts::Demo };
    let http = read_http(r);
    let telemetry = read_telemetry(r);
    let own_types = r.get("catalogue", |value| parse::catalogue(&given::absolute(folder, &parse::text(value)?)));
    let cluster_key = r.get("cluster_key", parse::secret(32)).map(Secret);
    let longest_life = identity::tickets::LONGEST_LIFE.as_secs();
    let ticket_life = r.get("tickets.life_seconds", parse::seconds(1..=longest_life));
    let publishers = r.get("publishers", publishers::publishers).unwrap_or_default();
    let database_url = r.get("database_url", parse::database_url).map(Secret);
    Some(Settings {
        data_dir: data_dir?,
        broker: broker?,
        accounts,
        ingest: ingest?,
        hub: hub?,
        deliver: deliver?,
        identity: identity?,
        http: http?,
        telemetry: telemetry?,
        catalogue: own_types.unwrap_or_else(Catalogue::builtin),
        cluster_key,
        ticket_life: ticket_life?,
        publishers,
        database_url,
        origins: Vec::new(),
    })
}

fn what_only_a_server_minds(r: &mut Reader) {
    if let (Some(servers), None) = (r.written("kafka.bootstrap_servers"), r.written("accounts.url")) {
        let servers = servers.to_owned();
        let name = if servers.starts_with("ALLIM_") { "ALLIM_ACCOUNTS_URL" } else { "accounts.url" };
        r.complain(name, "not set", format!("wanted with {servers}: demo accounts never meet real data"));
    }
}

fn read_ingest(r: &mut Reader, real: bool) -> Option<ingest::Settings> {
    let bootstrap_servers = r.get("kafka.bootstrap_servers", parse::servers).unwrap_or_default();
    let topic = r.get("kafka.topic", parse::text);
    let group_id = r.get("kafka.group_id", |value| match parse::text(value)? {
        old if old == OLD_GROUP => Err("a group of our own: that one belongs to the system this replaces".to_owned()),
        group => Ok(group),
    });
    let client_id = r.get("kafka.client_id", parse::text);
    let properties = r.get("kafka.properties", parse::properties).unwrap_or_default();
    let legacy_text = r.get("legacy_text", parse::switch).unwrap_or(!real);
    let type_prefix = r.get("kafka.type_prefix", parse::text_or_empty);
    let max_record_bytes = r.get("kafka.max_record_bytes", parse::count(1_024..=100_000_000));
    let stall = r.get("kafka.stall_seconds", parse::seconds(5..=3_600));
    Some(ingest::Settings {
        bootstrap_servers,
        topic: topic?,
        group_id: group_id?,
        client_id: client_id?,
        properties,
        legacy_text,
        type_prefix: type_prefix?,
        max_record_bytes: max_record_bytes?,
        stall: stall?,
    })
}

fn read_broker(r: &mut Reader, real: bool) -> Option<Broker> {
    let loopback = |value: &toml::Value| match parse::address(value)? {
        address if address.ip().is_loopback() => Ok(address),
        _ => Err("an address on loopback: whoever reaches the small broker may read and write everything".to_owned()),
    };
    let listen = r.get("demo.kafka_listen", loopback);
    let log_max_bytes = r.get("demo.log_max_bytes", parse::whole(1_048_576..=1 << 50));
    if real { Some(Broker::Real) } else { Some(Broker::Embedded { listen, log_max_bytes: log_max_bytes? }) }
}

fn read_hub(r: &mut Reader) -> Option<hub::Settings> {
    let memory_bytes = r.get("hub.memory_bytes", parse::whole(65_536..=1 << 40));
    let memory_age = r.get("hub.memory_age_seconds", parse::seconds(1..=604_800));
    let ring = r.get("hub.ring", parse::count(2..=65_536));
    let shards = r.get("hub.shards", parse::count(1..=256));
    Some(hub::Settings {
        memory_bytes: memory_bytes?,
        memory_age: memory_age?,
        ring: ring?,
        shards: shards.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)),
    })
}

fn read_deliver(r: &mut Reader, real: bool) -> Option<deliver::Settings> {
    let heartbeat = r.get("deliver.heartbeat_seconds", parse::seconds(1..=300));
    let queue_frames = r.get("deliver.queue_frames", parse::count(4..=65_536));
    let queue_bytes = r.get("deliver.queue_bytes", parse::count(4_096..=100_000_000));
    let slow_after = r.get("deliver.slow_after_seconds", parse::seconds(1..=3_600));
    let streams_per_operator = r.get("deliver.streams_per_operator", parse::count(1..=1_000));
    let retry = r.get("deliver.retry_seconds", parse::seconds(1..=300));
    let usual_window = Duration::from_secs(if real { 20 } else { 0 });
    let drain_window = r.get("deliver.drain_window_seconds", parse::seconds(0..=600)).unwrap_or(usual_window);
    Some(deliver::Settings {
        heartbeat: heartbeat?,
        queue_frames: queue_frames?,
        queue_bytes: queue_bytes?,
        slow_after: slow_after?,
        streams_per_operator: streams_per_operator?,
        retry: retry?,
        drain_window,
    })
}

fn read_identity(r: &mut Reader) -> Option<identity::Settings> {
    let accounts_url = r.get("accounts.url", parse::http_url).unwrap_or_default();
    let token_header = r.get("token_header", parse::header);
    let token_cookie = r.get("token_cookie", parse::cookie);
    let pointers = read_pointers(r);
    let fresh = r.get("accounts.fresh_seconds", parse::seconds(1..=3_600));
    let stale = r.get("accounts.stale_seconds", parse::seconds(0..=3_600));
    let refused = r.get("accounts.refused_seconds", parse::seconds(1..=300));
    let timeout = r.get("accounts.timeout_milliseconds", parse::milliseconds(50..=2_000));
    let concurrent = r.get("accounts.concurrent", parse::count(1..=1_000));
    let remembered = r.get("accounts.remembered", parse::whole(100..=10_000_000));
    Some(identity::Settings {
        accounts_url,
        token_header: token_header?,
        token_cookie: token_cookie?,
        pointers: pointers?,
        fresh: fresh?,
        stale: stale?,
        refused: refused?,
        timeout: timeout?,
        concurrent: concurrent?,
        remembered: remembered?,
    })
}

fn read_pointers(r: &mut Reader) -> Option<identity::Pointers> {
    let admin_no = r.get("accounts.pointers.admin_no", parse::pointer);
    let name = r.get("accounts.pointers.name", parse::pointer);
    let status = r.get("accounts.pointers.status", parse::pointer_or_empty);
    let malls = r.get("accounts.pointers.malls", parse::pointer);
    let mall_no = r.get("accounts.pointers.mall_no", parse::pointer);
    let partner_no = r.get("accounts.pointers.partner_no", parse::pointer);
    let permits = r.get("accounts.pointers.permits_private_information", parse::pointer);
    let locale = r.get("accounts.pointers.locale", parse::pointer);
    let expires_at = r.get("accounts.pointers.expires_at", parse::pointer);
    Some(identity::Pointers {
        admin_no: admin_no?,
        name: name?,
        status: status?,
        malls: malls?,
        mall_no: mall_no?,
        partner_no: partner_no?,
        permits_private_information: permits?,
        locale: locale?,
        expires_at: expires_at?,
    })
}

fn read_http(r: &mut Reader) -> Option<http::Settings> {
    let listen = r.get("listen", parse::address);
    let management_listen = r.get("management_listen", parse::address);
    let management_token = r.get("management_token", parse::secret(16));
    if let Some(address) = management_listen {
        if !address.ip().is_loopback() && r.written("management_token").is_none() {
            let name = r.written("management_listen").unwrap_or("management_listen").to_owned();
            r.complain(name, format!("{address} is off loopback"), "wanted is a management_token with it");
        }
        if Some(address) == listen && address.port() != 0 {
            let name = r.written("management_listen").or(r.written("listen")).unwrap_or("management_listen").to_owned();
            r.complain(name, format!("{address} serves the operators"), "wanted is an address of its own");
        }
    }
    let allowed_origins = r.get("allowed_origins", parse::origins).unwrap_or_default();
    let head_deadline = r.get("http.head_deadline_seconds", parse::seconds(1..=300));
    let head_bytes = r.get("http.head_bytes", parse::count(16_384..=1_048_576));
    let write_deadline = r.get("http.write_deadline_seconds", parse::seconds(1..=600));
    let send_buffer = r.get("http.send_buffer_bytes", parse::count(4_096..=16_777_216));
    let connections = r.get("http.connections", parse::count(1..=10_000_000));
    let new_connections = r.get("http.new_connections_per_second", parse::count(1..=1_000_000));
    let of_an_operator = r.get("http.new_streams_per_operator", parse::count(1..=1_000_000));
    let of_an_address = r.get("http.new_streams_per_address", parse::count(1..=1_000_000));
    let trusted_proxies = r.get("trusted_proxies", parse::networks).unwrap_or_default();
    let h2c = r.get("http.h2c", parse::switch);
    let recheck = r.get("http.recheck_seconds", parse::seconds(1..=3_600));
    Some(http::Settings {
        listen: listen?,
        management_listen: management_listen?,
        management_token,
        allowed_origins,
        head_deadline: head_deadline?,
        head_bytes: head_bytes?,
        write_deadline: write_deadline?,
        send_buffer: send_buffer?,
        connections: connections?,
        new_connections_per_second: new_connections?,
        new_streams_per_operator: of_an_operator?,
        new_streams_per_address: of_an_address?,
        trusted_proxies,
        h2c: h2c?,
        recheck: recheck?,
    })
}

fn read_telemetry(r: &mut Reader) -> Option<telemetry::Settings> {
    let log = r.get("log", parse::log_filter);
    let log_format = r.get("log_format", parse::log_format);
    Some(telemetry::Settings { log: log?, log_format: log_format? })
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report())
    }
}

impl Settings {
    /// For the producer towards these brokers: `ingest`'s where they are real, else the small one's address.
    #[must_use]
    pub fn publish(&self, bootstrap_servers: String, deadline: Duration) -> publish::Settings {
        publish::Settings {
            bootstrap_servers,
            topic: self.ingest.topic.clone(),
            client_id: self.ingest.client_id.clone(),
            properties: self.ingest.properties.clone(),
            deadline,
        }
    }

    /// Broker and accounts are both ours, so nothing of it is real.
    #[must_use]
    pub fn is_demo(&self) -> bool {
        self.broker != Broker::Real && self.accounts == Accounts::Demo
    }

    /// What `check-config` prints: that all is well, what each choice comes from, and what runs embedded.
    #[must_use]
    pub fn report(&self) -> String {
        let mut report = String::from("settings are good\n");
        for origin in &self.origins {
            let _ = writeln!(report, "  {} = {}   ({})", origin.key, origin.value, origin.name);
        }
        if let Broker::Embedded { .. } = self.broker {
            report.push_str("  the broker is the small embedded one: kafka.bootstrap_servers is not set\n");
        }
        if self.broker == Broker::Real && self.cluster_key.is_none() {
            report.push_str("  tickets hold on the node that gave them out: cluster_key is not set\n");
        }
        if self.accounts == Accounts::Demo {
            report.push_str("  the accounts are the demo's: accounts.url is not set\n");
        }
        let _ = writeln!(report, "  data are kept in {}", self.data_dir.display());
        report
    }
}
