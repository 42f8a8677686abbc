//! Every setting there is, as data: its key, its default and its sentence. Names of variables follow from the keys.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// In the file; a dot is a section. `kafka.topic` is `topic` in `[kafka]`.
    pub key: &'static str,
    /// What holds where nobody says otherwise, written as a variable would be.
    pub default: Fallback,
    pub secrecy: Secrecy,
    pub sentence: &'static str,
}

/// Whether it may be shown. What may not, wholly or in part, may stand in a file of its own that `…_FILE` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    Open,
    /// An address that may hold a password.
    InPart,
    Whole,
}

/// What holds where nobody says otherwise.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    Is(&'static str),
    /// Absent, or found out at the start; the words are for people.
    Means(&'static str),
}

impl Setting {
    /// The environment variable: the key in capitals, with `_` for the dots, behind `ALLIM_`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ALLIM_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// Whether a variable with `_FILE` behind it may name the file that holds it.
    #[must_use]
    pub fn may_be_in_a_file(&self) -> bool {
        self.secrecy != Secrecy::Open
    }

    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.secrecy == Secrecy::Whole
    }
}

const fn is(key: &'static str, default: &'static str, sentence: &'static str) -> Setting {
    Setting { key, default: Fallback::Is(default), secrecy: Secrecy::Open, sentence }
}

const fn means(key: &'static str, default: &'static str, sentence: &'static str) -> Setting {
    Setting { key, default: Fallback::Means(default), secrecy: Secrecy::Open, sentence }
}

const fn secret(key: &'static str, default: &'static str, sentence: &'static str) -> Setting {
    Setting { key, default: Fallback::Means(default), secrecy: Secrecy::Whole, sentence }
}

const fn in_part(key: &'static str, default: &'static str, sentence: &'static str) -> Setting {
    Setting { key, default: Fallback::Means(default), secrecy: Secrecy::InPart, sentence }
}

/// In the order of the page that is made of it.
#[rustfmt::skip] // One setting reads as one row.
pub const SETTINGS: &[Setting] = &[
    is("listen", "127.0.0.1:8080", "Where operators connect."),
    is("management_listen", "127.0.0.1:9464", "Where metrics and health are asked for; off loopback it wants `management_token`."),
    secret("management_token", "none", "Bearer token for everything on the management port but metrics and health."),
    is("data_dir", "./data", "The folder for what this node keeps: the timeline, and in the demo the small broker's log, its address and a key."),
    in_part("database_url", "`timeline.sqlite` in the data folder", "`sqlite:PATH`: where the timeline is kept, for one server; `none`: nowhere. PostgreSQL is not spoken yet."),
    secret("cluster_key", "in the demo one kept in the data folder, with real brokers one per process", "32 bytes of text or more, the same on all nodes: it seals tickets, which any node with it can then redeem."),
    secret("publishers", "nobody; in the demo the key `demo-publisher`", "Who may publish over HTTP, and to which malls: sections `[[publishers]]` with `name`, `key_sha256`, `malls` (numbers, or `*`) and `everyone`; in a variable `name=orders key_sha256=… malls=1001,1002 everyone=on`, with `;` between."),
    means("allowed_origins", "our own", "Other origins whose scripts may read our answers, exact: `https://admin.example.com`."),
    means("trusted_proxies", "none", "Addresses or networks whose `X-Forwarded-For` is believed: `10.0.0.0/8`. With them new streams are counted by address as well."),
    is("token_header", "Authorization", "The header that carries the token to the account service: `Authorization` sends `Bearer …`, any other the bare token."),
    is("token_cookie", "allim_token", "The cookie in which browsers may send the token."),
    means("legacy_text", "on in the demo, off with real brokers", "Whether plain text records of the old console producer are read."),
    means("catalogue", "the built-in types alone", "A file of event types of your own, in the form of `src/notification/catalogue.toml`; it wins over the built-in ones."),
    is("log", "info", "Which lines are logged: `info`, or per part `info,allim::ingest=debug`."),
    is("log_format", "text", "`text` for people, `json` for collectors."),

    means("kafka.bootstrap_servers", "the small embedded broker", "`host:port,…` of the brokers."),
    is("kafka.topic", "BACKOFFICE-NOTIFICATIONS", "The topic that is read."),
    is("kafka.group_id", "allim-timeline", "The consumer group of the kept way; never the old system's."),
    is("kafka.client_id", "allim", "How this node calls itself towards the brokers."),
    secret("kafka.properties", "none", "`key=value;…` for librdkafka, over our own choices; in a file a line for each. TLS and SASL: [kafka-tls.md](kafka-tls.md)."),
    is("kafka.type_prefix", "kr.co.shopby.", "Stripped from the types of events, as is a `.vN` behind them."),
    is("kafka.max_record_bytes", "262144", "A larger value is refused before it is looked at."),
    is(
        "kafka.stall_seconds",
        "30",
        "A Kafka client that fetches nothing for so long, although there is something to fetch, is replaced.",
    ),

    means("accounts.url", "the demo account service", "Asked whose a token is; with real brokers it has to be set."),
    is("accounts.fresh_seconds", "30", "How long an answer serves without asking again."),
    is("accounts.stale_seconds", "300", "How long it serves while the account service is ill."),
    is("accounts.refused_seconds", "5", "How long a refused token is remembered."),
    is("accounts.timeout_milliseconds", "1500", "One look-up, the wait for its turn included; a person waits behind it."),
    is("accounts.concurrent", "32", "Look-ups at once."),
    is("accounts.remembered", "100000", "Tokens remembered."),
    is("accounts.pointers.admin_no", "/adminNo", "JSON pointer to the operator's number in the answer."),
    is("accounts.pointers.name", "/name", "To the name."),
    is("accounts.pointers.status", "/adminStatus", "To the status, of which only ACTIVE is let in; empty where the answer has none."),
    is("accounts.pointers.malls", "/malls", "To the malls: an array of them, or one."),
    is("accounts.pointers.mall_no", "/mallNo", "To the number, within one mall."),
    is("accounts.pointers.partner_no", "/partner/partnerNo", "To the partner's number; absent or null for operators."),
    is("accounts.pointers.permits_private_information", "/permitsPrivateInformation", "To the right to see personal data; what is not `true` is no right."),
    is("accounts.pointers.locale", "/locale", "To the language."),
    is("accounts.pointers.expires_at", "/expiresAt", "To the end of the token, as RFC 3339; absent where it has none."),

    is("hub.memory_bytes", "67108864", "The bound of recent memory; it wins over the age."),
    is("hub.memory_age_seconds", "900", "What is older is forgotten; who was away for less returns without a gap."),
    is("hub.ring", "256", "Announcements that wait for a shard; one further behind reads on from memory."),
    means("hub.shards", "one per core", "Threads that own listeners."),

    is("timeline.batch_rows", "500", "The most rows of one transaction."),
    is("timeline.batch_milliseconds", "20", "How long a row waits for others to share its transaction with."),
    is("timeline.waiting_bytes", "16777216", "What waits for the store; beyond it Kafka keeps the rest."),
    is("timeline.retention_days", "90", "How long a type is kept whose catalogue entry has no `retention`, and a dead letter."),
    is("timeline.purge_seconds", "60", "Between two looks for what has been kept long enough."),

    is("deliver.heartbeat_seconds", "15", "Between two beats; proxies close what is silent for 30 or 60 seconds."),
    is("deliver.queue_frames", "64", "Frames that wait for one slow reader before it is caught up at its own pace."),
    is("deliver.queue_bytes", "65536", "Bytes that wait for one slow reader; one whole notification always fits."),
    is("deliver.slow_after_seconds", "30", "A stream on which nothing moved for so long is closed."),
    is("deliver.streams_per_operator", "10", "One operator's open streams; the next one ends the oldest."),
    is("deliver.retry_seconds", "3", "What clients wait before they return, jittered by half."),
    means("deliver.drain_window_seconds", "0 in the demo, 20 with real brokers", "Over how long SIGTERM spreads the goodbyes."),

    is("http.head_deadline_seconds", "10", "From accepting a connection, or its last answer, to the end of the request head."),
    is("http.head_bytes", "32768", "Larger request heads are answered 431."),
    is("http.write_deadline_seconds", "35", "A peer that takes nothing for so long is cut off; longer than `deliver.slow_after_seconds`, which says goodbye first."),
    is("http.send_buffer_bytes", "16384", "The kernel's send buffer of one connection; it keeps some times as much for a peer that does not read."),
    is("http.connections", "20000", "Connections at once; never more than three quarters of the descriptors that the system grants. Who is too many is told to come back later."),
    is("http.new_connections_per_second", "2000", "New connections a second; more are told to come back later, and those that are open go on."),
    is("http.new_streams_per_operator", "100", "New streams of one operator a second: a client that reconnects in a loop is told to come back later."),
    is("http.new_streams_per_address", "200", "New streams of one address a second, where `trusted_proxies` says who names it; without, nobody's address is counted."),
    is("http.h2c", "off", "Whether proxies may speak HTTP/2 without TLS to us, beside HTTP/1.1; WebSockets are opened over HTTP/1.1."),
    is("http.recheck_seconds", "60", "How often the rights of an open stream are asked again."),

    is("tickets.life_seconds", "30", "How long a ticket can be redeemed; a browser does so at once."),

    is("demo.open", "off", "Whether whoever reaches `listen` may come in as the demo's people, whose tokens are published: wanted for a demo off loopback."),
    means("demo.kafka_listen", "where it was last time, else 127.0.0.1:9092, else any free port", "Where the small embedded broker listens; loopback only."),
    is("demo.log_max_bytes", "1073741824", "What the small broker keeps at most."),
];

/// The setting of a key.
#[must_use]
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The page about settings, `docs/settings.md`.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         In `allim.toml`, in the folder where the server is started, or in the file that `--config` names. Each key can be\n\
         overridden by its environment variable. A key with a dot stands in a section: `kafka.topic` is `topic` below\n\
         `[kafka]`. Lists are arrays in the file and comma-separated in a variable. A secret can stand in a file of its\n\
         own, which the variable with `_FILE` behind its name points to. `allim check-config` says what is wrong, all at\n\
         once, and what comes from where. What is not set is embedded: without brokers and accounts a demo runs.\n\n\
         This page is made from `src/config/table.rs`; a test sees to it.\n\n\
         | key | variable | default | meaning |\n|---|---|---|---|\n",
    );
    for setting in SETTINGS {
        let default = match setting.default {
            Fallback::Is(text) => format!("`{text}`"),
            Fallback::Means(words) => words.to_owned(),
        };
        let file = if setting.may_be_in_a_file() { " (or `…_FILE`)" } else { "" };
        page.push_str(&format!(
            "| `{}` | `{}`{file} | {default} | {} |\n",
            setting.key,
            setting.variable(),
            setting.sentence
        ));
    }
    page
}
