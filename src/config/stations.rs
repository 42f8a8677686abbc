//! The settings of each station, read from what was given.

use std::{thread, time::Duration};

use super::{Broker, given::Reader, parse};
use crate::{brokers, deliver, http, hub, identity, ingest, telemetry, timeline};

/// A group of the system this replaces: joining it would take records away from what still runs there.
const OLD_GROUP: &str = "NOTIFICATION-GROUP";

pub fn read_ingest(r: &mut Reader, real: bool) -> Option<ingest::Settings> {
    let bootstrap_servers = r.get("kafka.bootstrap_servers", parse::servers).unwrap_or_default();
    let topic = r.get("kafka.topic", parse::text);
    let group_id = r.get("kafka.group_id", |value| match parse::text(value)? {
        old if old == OLD_GROUP => Err("a group of our own: that one belongs to the system this replaces".to_owned()),
        group => Ok(group),
    });
    let client_id = r.get("kafka.client_id", parse::text);
    let properties = r.get("kafka.properties", parse::properties).unwrap_or_default();
    for brokers::Wrong { found, wanted } in brokers::wrong(&properties) {
        let name = r.written("kafka.properties").unwrap_or("kafka.properties").to_owned();
        r.complain(name, found, wanted);
    }
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

pub fn read_broker(r: &mut Reader, real: bool) -> Option<Broker> {
    let loopback = |value: &toml::Value| match parse::address(value)? {
        address if address.ip().is_loopback() => Ok(address),
        _ => Err("an address on loopback: whoever reaches the small broker may read and write everything".to_owned()),
    };
    let listen = r.get("demo.kafka_listen", loopback);
    let log_max_bytes = r.get("demo.log_max_bytes", parse::whole(1_048_576..=1 << 50));
    if real { Some(Broker::Real) } else { Some(Broker::Embedded { listen, log_max_bytes: log_max_bytes? }) }
}

pub fn read_hub(r: &mut Reader) -> Option<hub::Settings> {
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

pub fn read_deliver(r: &mut Reader, real: bool) -> Option<deliver::Settings> {
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

pub fn read_identity(r: &mut Reader) -> Option<identity::Settings> {
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

pub fn read_http(r: &mut Reader) -> Option<http::Settings> {
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

pub fn read_telemetry(r: &mut Reader) -> Option<telemetry::Settings> {
    let log = r.get("log", parse::log_filter);
    let log_format = r.get("log_format", parse::log_format);
    Some(telemetry::Settings { log: log?, log_format: log_format? })
}

pub fn read_timeline(r: &mut Reader) -> Option<timeline::Settings> {
    let batch_rows = r.get("timeline.batch_rows", parse::count(1..=10_000));
    let batch_linger = r.get("timeline.batch_milliseconds", parse::milliseconds(0..=5_000));
    let waiting_bytes = r.get("timeline.waiting_bytes", parse::count(1_048_576..=1_073_741_824));
    let retention = r.get("timeline.retention_days", parse::whole(1..=3_650));
    let purge_every = r.get("timeline.purge_seconds", parse::seconds(1..=86_400));
    Some(timeline::Settings {
        batch_rows: batch_rows?,
        batch_linger: batch_linger?,
        waiting_bytes: waiting_bytes?,
        retention: Duration::from_secs(retention? * 24 * 60 * 60),
        purge_every: purge_every?,
    })
}
