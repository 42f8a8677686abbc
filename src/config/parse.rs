//! From what was given to what it means: each function says in its error what is wanted.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::Path,
    time::Duration,
};

use toml::Value;

use super::Database;
use crate::{http::Network, notification::Catalogue, telemetry::log};

type Parsed<T> = Result<T, String>;

/// Text that is not empty.
pub fn text(value: &Value) -> Parsed<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => Err("a text".to_owned()),
    }
}

/// Text, or nothing on purpose.
pub fn text_or_empty(value: &Value) -> Parsed<String> {
    value.as_str().map(|text| text.trim().to_owned()).ok_or_else(|| "a text".to_owned())
}

/// `127.0.0.1:8080` or `[::1]:8080`; names are not asked for, so that what is bound is what is written.
pub fn address(value: &Value) -> Parsed<SocketAddr> {
    let wanted = || "an address and a port from 0 to 65535, such as 127.0.0.1:8080".to_owned();
    value.as_str().and_then(|text| text.trim().parse().ok()).ok_or_else(wanted)
}

/// `host:port,host:port`.
pub fn servers(value: &Value) -> Parsed<String> {
    let wanted = || "host:port,host:port of the brokers, such as kafka-1:9092,kafka-2:9092".to_owned();
    let list = strings(value).ok_or_else(wanted)?;
    let good = |server: &String| match server.rsplit_once(':') {
        Some((host, port)) => {
            let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            let in_brackets = name.len() != host.len();
            !name.is_empty()
                && (in_brackets || !name.contains(':'))
                && !name.contains(['/', ' ', '@'])
                && port.parse::<u16>().is_ok_and(|port| port != 0)
        }
        None => false,
    };
    if list.is_empty() || !list.iter().all(good) { Err(wanted()) } else { Ok(list.join(",")) }
}

/// An array of texts, or texts with commas between.
fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) if text.trim().is_empty() => Some(Vec::new()),
        Value::String(text) => Some(text.split(',').map(|part| part.trim().to_owned()).collect()),
        Value::Array(parts) => parts.iter().map(|part| part.as_str().map(|text| text.trim().to_owned())).collect(),
        _ => None,
    }
}

/// A whole number within bounds.
pub fn whole(bounds: RangeInclusive<u64>) -> impl Fn(&Value) -> Parsed<u64> {
    move |value| {
        let number = match value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let wanted = || format!("a whole number from {} to {}", bounds.start(), bounds.end());
        number.filter(|number| bounds.contains(number)).ok_or_else(wanted)
    }
}

/// As [`whole`], for what counts things in memory.
pub fn count(bounds: RangeInclusive<u64>) -> impl Fn(&Value) -> Parsed<usize> {
    let whole = whole(bounds);
    move |value| whole(value).and_then(|n| usize::try_from(n).map_err(|_| "a number this machine can count".to_owned()))
}

pub fn seconds(bounds: RangeInclusive<u64>) -> impl Fn(&Value) -> Parsed<Duration> {
    let whole = whole(bounds);
    move |value| whole(value).map(Duration::from_secs).map_err(|wanted| format!("seconds, {wanted}"))
}

pub fn milliseconds(bounds: RangeInclusive<u64>) -> impl Fn(&Value) -> Parsed<Duration> {
    let whole = whole(bounds);
    move |value| whole(value).map(Duration::from_millis).map_err(|wanted| format!("milliseconds, {wanted}"))
}

pub fn switch(value: &Value) -> Parsed<bool> {
    match value {
        Value::Boolean(on) => Ok(*on),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            _ => Err("on or off".to_owned()),
        },
        _ => Err("on or off".to_owned()),
    }
}

/// An address that can be asked over HTTP. A password in it would end up in logs of others.
pub fn http_url(value: &Value) -> Parsed<String> {
    let wanted = || "an address such as https://accounts.example.com/auth/me, without user and password".to_owned();
    let text = text(value).map_err(|_| wanted())?;
    let uri: http::Uri = text.parse().map_err(|_| wanted())?;
    let scheme = uri.scheme_str();
    let host = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let port_is_good = match host.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok(),
        _ => true,
    };
    let good = matches!(scheme, Some("http" | "https")) && !host.is_empty() && !host.contains('@') && port_is_good;
    if good { Ok(text) } else { Err(wanted()) }
}

/// `sqlite:PATH`, or `none`. The engine for several nodes is known by name, and not built yet.
pub fn database(value: &Value, folder: &Path) -> Parsed<Database> {
    let wanted = || "sqlite:PATH, or none for no timeline".to_owned();
    let text = text(value).map_err(|_| wanted())?;
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Err(format!("{}: PostgreSQL is not spoken yet", wanted()));
    }
    match (text.as_str(), text.strip_prefix("sqlite:")) {
        ("none", _) => Ok(Database::Nowhere),
        (_, Some(path)) if !path.is_empty() => Ok(Database::Sqlite(super::given::absolute(folder, path))),
        _ => Err(wanted()),
    }
}

/// Exact origins: a pattern here would let in whoever can name a host to fit it.
pub fn origins(value: &Value) -> Parsed<Vec<String>> {
    let wanted = || "exact origins such as https://admin.example.com, without a path or *".to_owned();
    let list = strings(value).ok_or_else(wanted)?;
    let good = |origin: &String| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")).unwrap_or_default();
        !host.is_empty() && !host.contains(['/', '*', '@', ' ', '?', '#']) && *origin == origin.to_ascii_lowercase()
    };
    if list.iter().all(good) { Ok(list) } else { Err(wanted()) }
}

/// `10.0.0.0/8,192.168.1.7`.
pub fn networks(value: &Value) -> Parsed<Vec<Network>> {
    let wanted = || "addresses or networks such as 10.0.0.0/8,192.168.1.7".to_owned();
    let network = |text: &String| -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.as_str(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
        Some((address, bits))
    };
    strings(value).ok_or_else(wanted)?.iter().map(|text| network(text).ok_or_else(wanted)).collect()
}

/// A name that may stand in a request head.
pub fn header(value: &Value) -> Parsed<String> {
    let text = text(value)?;
    let good = http::HeaderName::from_bytes(text.as_bytes()).is_ok();
    if good { Ok(text) } else { Err("the name of a header".to_owned()) }
}

/// Cookies have the same letters as headers.
pub fn cookie(value: &Value) -> Parsed<String> {
    header(value).map_err(|_| "the name of a cookie".to_owned())
}

/// A JSON pointer: parts that each begin with `/`.
pub fn pointer(value: &Value) -> Parsed<String> {
    let wanted = || "a JSON pointer such as /mall/mallNo".to_owned();
    text(value).ok().filter(|text| text.starts_with('/')).ok_or_else(wanted)
}

/// The same, or nothing where the answer has no such field.
pub fn pointer_or_empty(value: &Value) -> Parsed<String> {
    if text_or_empty(value)?.is_empty() { Ok(String::new()) } else { pointer(value) }
}

/// A secret of at least so many bytes.
pub fn secret(least: usize) -> impl Fn(&Value) -> Parsed<String> {
    move |value| {
        let wanted = || format!("a secret of {least} bytes or more");
        text(value).ok().filter(|text| text.len() >= least).ok_or_else(wanted)
    }
}

/// The built-in types and those of a file, all of it checked; what is wrong with it is said in one line. `prefix` is
/// stripped from the types of events, and so has no place in those of a catalogue.
pub fn catalogue(file: &Path, prefix: &str) -> Parsed<Catalogue> {
    let text = fs::read_to_string(file).map_err(|error| format!("a file that can be read: {error}"))?;
    let catalogue = Catalogue::builtin().with(&text).map_err(|error| {
        let complaints = error.complaints.join("; ").replace('\n', " ");
        format!("a file of good types: {complaints}")
    })?;
    match catalogue.types().iter().find(|name| !prefix.is_empty() && name.starts_with(prefix)) {
        Some(name) => {
            Err(format!("a file of good types: type `{name}`: `{prefix}` is stripped from events (kafka.type_prefix)"))
        }
        None => Ok(catalogue),
    }
}

pub fn log_filter(value: &Value) -> Parsed<String> {
    let text = text(value)?;
    match log::check(&text) {
        Ok(()) => Ok(text),
        Err(_) => Err("a level (error, warn, info, debug) or part=level with commas between".to_owned()),
    }
}

pub fn log_format(value: &Value) -> Parsed<log::Format> {
    match value.as_str() {
        Some("text") => Ok(log::Format::Text),
        Some("json") => Ok(log::Format::Json),
        _ => Err("text or json".to_owned()),
    }
}

/// What librdkafka is told under settings of their own; here they would contradict those.
const SET_ELSEWHERE: [&str; 3] = ["bootstrap.servers", "group.id", "client.id"];
/// What the promises rest on: with other values positions would move by themselves, or records come twice.
const NOT_TO_BE_SET: [&str; 5] = [
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "auto.offset.reset",
    "enable.idempotence",
];

/// A section of the file, or `key=value` with line ends between, or where there is but one line with `;`: in a file of
/// lines a password may have one.
pub fn properties(value: &Value) -> Parsed<Vec<(String, String)>> {
    let wanted = || "key=value;key=value, or a line for each, or a section [kafka.properties]".to_owned();
    let pairs: Vec<(String, String)> = match value {
        Value::Table(table) => {
            let plain = |value: &Value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Some(value.to_string()),
                _ => None,
            };
            let pair = |(key, value): (&String, &Value)| Some((key.clone(), plain(value)?));
            table.iter().map(pair).collect::<Option<_>>().ok_or_else(wanted)?
        }
        Value::String(text) => {
            let between = if text.trim().contains('\n') { '\n' } else { ';' };
            let lines = text.split(between).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            let pair = |line: &str| {
                let (key, value) = line.split_once('=')?;
                Some((key.trim().to_owned(), value.trim().to_owned()))
            };
            lines.map(pair).collect::<Option<_>>().ok_or_else(wanted)?
        }
        _ => return Err(wanted()),
    };
    for (key, _) in &pairs {
        match key.as_str() {
            "" => return Err(wanted()),
            key if SET_ELSEWHERE.contains(&key) => {
                return Err(format!("that {key} is set as kafka.{}", key.replace('.', "_")));
            }
            key if NOT_TO_BE_SET.contains(&key) => return Err(format!("that {key} is left to us")),
            _ => {}
        }
    }
    Ok(pairs)
}
