//! The settings of every station, read once, with every complaint at once, before any port opens.

use std::{
    fmt::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub mod cli;
mod complaint;
mod given;
mod parse;
mod publishers;
mod stations;
pub mod table;

pub use complaint::{Complaint, Complaints};
pub use given::{Environment, Origin};

use given::{AllGiven, Reader};

use crate::{deliver, http, hub, identity, ingest, notification::Catalogue, publish, telemetry, timeline};

/// The process ends with it when its settings are not good (`EX_CONFIG`).
pub const EXIT_BAD_SETTINGS: u8 = 78;

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
    /// Whether a demo may listen off loopback.
    pub demo_open: bool,
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
    pub timeline: timeline::Settings,
    pub database: Database,
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

/// Where the timeline is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// Nowhere: what memory has passed is gone.
    Nowhere,
    Sqlite(PathBuf),
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
    let ingest = stations::read_ingest(r, real);
    let broker = stations::read_broker(r, real);
    let hub = stations::read_hub(r);
    let deliver = stations::read_deliver(r, real);
    let identity = stations::read_identity(r);
    let accounts = if r.written("accounts.url").is_some() { Accounts::Real } else { Accounts::Demo };
    let http = stations::read_http(r);
    let demo_open = r.get("demo.open", parse::switch);
    let timeline = stations::read_timeline(r);
    let telemetry = stations::read_telemetry(r);
    let prefix = ingest.as_ref().map(|ingest| ingest.type_prefix.clone()).unwrap_or_default();
    let own_types =
        r.get("catalogue", |value| parse::catalogue(&given::absolute(folder, &parse::text(value)?), &prefix));
    let cluster_key = r.get("cluster_key", parse::secret(32)).map(Secret);
    let longest_life = identity::tickets::LONGEST_LIFE.as_secs();
    let ticket_life = r.get("tickets.life_seconds", parse::seconds(1..=longest_life));
    let publishers = r.get("publishers", publishers::publishers).unwrap_or_default();
    let database = r.get("database_url", |value| parse::database(value, folder));
    let kept_here = || data_dir.as_ref().map(|folder| Database::Sqlite(folder.join("timeline.sqlite")));
    let database = database.or_else(kept_here);
    Some(Settings {
        data_dir: data_dir.clone()?,
        broker: broker?,
        accounts,
        demo_open: demo_open?,
        ingest: ingest?,
        hub: hub?,
        deliver: deliver?,
        identity: identity?,
        http: http?,
        timeline: timeline?,
        telemetry: telemetry?,
        catalogue: own_types.unwrap_or_else(Catalogue::builtin),
        cluster_key,
        ticket_life: ticket_life?,
        publishers,
        database: database?,
        origins: Vec::new(),
    })
}

fn what_only_a_server_minds(r: &mut Reader) {
    let demo = r.written("kafka.bootstrap_servers").or(r.written("accounts.url")).is_none();
    let closed = r.again("demo.open", parse::switch) == Some(false);
    let listen = r.again("listen", parse::address).filter(|address| demo && closed && !address.ip().is_loopback());
    if let Some(address) = listen {
        let name = r.written("listen").unwrap_or("listen").to_owned();
        let (accounts, open) = match name.starts_with("ALLIM_") {
            true => ("ALLIM_ACCOUNTS_URL", "ALLIM_DEMO_OPEN=on"),
            false => ("accounts.url", "demo.open = true"),
        };
        let found = format!("{address} is off loopback, and everybody knows the demo's tokens");
        let wanted = format!("wanted is {accounts}, for accounts of your own, or {open}, to let everybody in");
        r.complain(name, found, wanted);
    }
    if let (Some(servers), None) = (r.written("kafka.bootstrap_servers"), r.written("accounts.url")) {
        let servers = servers.to_owned();
        let name = if servers.starts_with("ALLIM_") { "ALLIM_ACCOUNTS_URL" } else { "accounts.url" };
        r.complain(name, "not set", format!("wanted with {servers}: demo accounts never meet real data"));
    }
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
            if !self.http.listen.ip().is_loopback() {
                report.push_str("  whoever reaches it may come in with the demo's tokens: demo.open is on\n");
            }
        }
        match &self.database {
            Database::Nowhere => report.push_str("  there is no timeline: what memory has passed is gone\n"),
            Database::Sqlite(path) => {
                let _ = writeln!(report, "  the timeline is kept in {}", path.display());
                if self.broker == Broker::Real {
                    report.push_str("  SQLite is one node's: a second server needs a timeline of its own\n");
                }
            }
        }
        let _ = writeln!(report, "  data are kept in {}", self.data_dir.display());
        report
    }
}
