//! Every metric, registered once with its sentence. No label holds an operator, a mall or a token.

use std::{borrow::Cow, sync::Arc};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Metric, Registry},
};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From a colleague's own machine to a log that was away for a minute.
const DELIVERY_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// A person waits behind each; beyond the timeout there is nothing to measure.
const LOOKUP_BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0];

type Labels = [(&'static str, Cow<'static, str>); 1];

/// Counters that differ in one label. The label's values come from the code, never from outside: a series is for ever.
#[derive(Debug, Clone)]
pub struct Counters {
    label: &'static str,
    family: Family<Labels, Counter>,
}

impl Counters {
    /// The counter of one value; a hot loop asks once and keeps it.
    pub fn with(&self, value: impl Into<Cow<'static, str>>) -> Counter {
        self.family.get_or_create_owned(&[(self.label, value.into())])
    }
}

/// Gauges that differ in one label; see [`Counters`].
#[derive(Debug, Clone)]
pub struct Gauges {
    label: &'static str,
    family: Family<Labels, Gauge>,
}

impl Gauges {
    /// The gauge of one value.
    pub fn with(&self, value: impl Into<Cow<'static, str>>) -> Gauge {
        self.family.get_or_create_owned(&[(self.label, value.into())])
    }
}

/// One line of the page about metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// As a scrape shows it, without the suffixes of a histogram.
    pub name: String,
    pub kind: &'static str,
    /// Its one label, if it has one.
    pub label: Option<&'static str>,
    pub sentence: &'static str,
}

/// A handle on all of them; clones count into the same numbers.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub records: Counters,
    pub rejected: Counters,
    pub unreadable_later: Counter,
    pub log_live: Gauge,
    pub partitions: Gauges,
    pub kafka_errors: Counter,
    pub reader_rebuilds: Counter,
    pub signals: Counters,
    pub dead_letters_waiting: Gauge,
    pub signals_live: Gauge,
    pub memory_bytes: Gauge,
    pub memory_records: Gauge,
    pub memory_age_seconds: Gauge,
    pub memory_bound_bytes: Gauge,
    pub timeline_rows: Counters,
    pub timeline_batch_seconds: Histogram,
    pub timeline_behind: Gauge,
    pub timeline_well: Gauge,
    pub timeline_failures: Counter,
    pub timeline_holes: Counter,
    pub timeline_shrunk: Counter,
    pub timeline_purged: Counter,
    pub dead_letters: Counters,
    pub streams: Gauge,
    pub streams_opened: Counter,
    pub streams_ended: Counters,
    pub websockets_closed: Counters,
    pub frames: Counters,
    pub frame_bytes: Counter,
    pub frames_encoded: Counter,
    pub detours: Counter,
    pub gaps: Counters,
    pub sink_lagged: Counter,
    pub shard_behind: Gauges,
    pub catching_up: Gauge,
    pub delivery_seconds: Histogram,
    pub lookups: Counters,
    pub lookup_seconds: Histogram,
    pub tickets: Counters,
    pub published: Counters,
    pub connections: Gauge,
    pub connections_refused: Counters,
    registry: Arc<Registry>,
    described: Arc<[Described]>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// Registers each metric; to be called once per server.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a list: one metric after the other")]
    pub fn new() -> Metrics {
        let mut r = Register::new();
        Metrics {
            records: r.counters(
                "records",
                "outcome",
                "Records read from the topic, by what became of them.",
                &["announced", "repeat", "rejected", "behind"],
            ),
            rejected: r.counters(
                "rejected",
                "reason",
                "Records that nobody can be shown, by what is wrong with them.",
                &[],
            ),
            unreadable_later: r.counter(
                "unreadable_later",
                "Records whose headers were good and whose body turned out unreadable when first wanted.",
            ),
            log_live: r.gauge("log_live", "1 while Kafka answers and every partition is read to its end, else 0."),
            partitions: r.gauges("partitions", "log", "Partitions that this node reads, of notifications and of signals."),
            kafka_errors: r.counter("kafka_errors", "Errors that the Kafka client reported."),
            reader_rebuilds: r.counter(
                "reader_rebuilds",
                "Times a Kafka client that stood still was replaced by a new one.",
            ),
            signals: r.counters(
                "signals",
                "type",
                "Signals read, by type: rights that ended or changed. Those of no known type count as unknown.",
                &["token.revoked", "admin.changed", "read.changed", "unknown", "malformed"],
            ),
            dead_letters_waiting: r.gauge(
                "dead_letters_waiting",
                "Dead letters in the store that nobody has redriven, as of the last minute.",
            ),
            signals_live: r.gauge(
                "signals_live",
                "1 while signals are read to their end; 0 means that rights which end or change are felt within a minute.",
            ),
            memory_bytes: r.gauge("memory_bytes", "Bytes that recent memory holds, overhead included."),
            memory_records: r.gauge("memory_records", "Records that recent memory holds."),
            memory_age_seconds: r.gauge("memory_age_seconds", "Age of the oldest record in recent memory."),
            memory_bound_bytes: r.gauge("memory_bound_bytes", "Bytes that recent memory may hold at most."),
            timeline_rows: r.counters(
                "timeline_rows",
                "outcome",
                "Notifications that the timeline was given: stored, or there already.",
                &["stored", "repeat"],
            ),
            timeline_batch_seconds: r.histogram(
                "timeline_batch_seconds",
                "Time of one transaction of the recorder, until it is on the disk.",
                &LOOKUP_BUCKETS,
            ),
            timeline_behind: r.gauge("timeline_behind", "Records that this node has read and the timeline has yet to take up."),
            timeline_well: r.gauge("timeline_well", "1 while the recorder can write, 0 while its store is ill."),
            timeline_failures: r.counter("timeline_failures", "Questions to the timeline, and tries to write, that failed."),
            timeline_holes: r.counter(
                "timeline_holes",
                "Ranges of records that went from Kafka before they were recorded. Any is a loss in the timeline.",
            ),
            timeline_shrunk: r.counter(
                "timeline_shrunk",
                "Times a partition ended before what was recorded of it: Kafka has lost records.",
            ),
            timeline_purged: r.counter("timeline_purged", "Notifications taken away after their retention."),
            dead_letters: r.counters(
                "dead_letters",
                "reason",
                "Records parked as dead letters, by what is wrong with them.",
                &[],
            ),
            streams: r.gauge("streams", "Open streams."),
            streams_opened: r.counter("streams_opened", "Streams opened since the start."),
            streams_ended: r.counters(
                "streams_ended",
                "reason",
                "Streams ended, by the reason of their goodbye.",
                &["restart", "overload", "accounts", "slow", "expired", "revoked", "replaced"],
            ),
            websockets_closed: r.counters(
                "websockets_closed",
                "code",
                "WebSockets closed from our side in the middle or before they began, by code: 4401 is a bad token, 1002 to 1009 a peer that breaks the protocol. What streams end with is in `allim_streams_ended_total`.",
                &["1002", "1007", "1008", "1009", "1012", "1013", "4401"],
            ),
            frames: r.counters(
                "frames",
                "kind",
                "Frames handed to streams, by kind.",
                &["hello", "notification", "job", "gap", "status", "beat", "bye"],
            ),
            frame_bytes: r.counter("frame_bytes", "Bytes of the frames handed to streams."),
            frames_encoded: r.counter(
                "frames_encoded",
                "Renderings made; far fewer than frames, since all who see the same share one.",
            ),
            detours: r.counter("detours", "Times a slow listener was sent back to memory to catch up at its own pace."),
            gaps: r.counters(
                "gaps",
                "reason",
                "Gaps told to listeners, by reason.",
                &["retention", "epoch", "truncated", "unknown", "scope", "tooMany", "store", "lost"],
            ),
            sink_lagged: r.counter("sink_lagged", "Times a shard fell behind the ring and went on from memory."),
            shard_behind: r.gauges("shard_behind", "shard", "Announcements that a shard has yet to hand out."),
            catching_up: r.gauge("catching_up", "Listeners that are being sent what they missed."),
            delivery_seconds: r.histogram(
                "delivery_seconds",
                "From Kafka's timestamp of a record to its hand-over to a live stream.",
                &DELIVERY_BUCKETS,
            ),
            lookups: r.counters(
                "lookups",
                "outcome",
                "Tokens looked up, by how the answer was found.",
                &["asked", "fresh", "stale", "refused", "ill"],
            ),
            lookup_seconds: r.histogram(
                "lookup_seconds",
                "Time that the account service took for an answer.",
                &LOOKUP_BUCKETS,
            ),
            tickets: r.counters(
                "tickets",
                "outcome",
                "Tickets given out, redeemed, and refused with the reason why.",
                &["issued", "redeemed", "unreadable", "late", "ahead", "used", "other_page", "other_operator", "full"],
            ),
            published: r.counters(
                "published",
                "outcome",
                "Requests to publish over HTTP, by what became of them.",
                &["accepted", "dry_run", "invalid", "unauthorized", "forbidden", "too_large", "unavailable"],
            ),
            connections: r.gauge("connections", "Open TCP connections on the public port."),
            connections_refused: r.counters(
                "connections_refused",
                "reason",
                "Connections refused or cut off before a request was answered, by reason.",
                &["number", "rate", "dropped", "resources"],
            ),
            described: r.described.into(),
            registry: Arc::new(r.registry),
        }
    }

    /// The text of a scrape.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut page = String::with_capacity(8 * 1024);
        text::encode(&mut page, &self.registry).expect("writing into a String does not fail");
        page
    }

    /// Name, kind and sentence of each, in the order of the way; `docs/metrics.md` is made of it.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }
}

/// Registers and keeps the list.
struct Register {
    registry: Registry,
    described: Vec<Described>,
}

impl Register {
    fn new() -> Register {
        let mut register = Register { registry: Registry::with_prefix("allim"), described: Vec::new() };
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        register.add("build", "info", Some("version"), "The version that runs, as the label of a constant 1.", version);
        register
    }

    fn add(
        &mut self,
        name: &'static str,
        kind: &'static str,
        label: Option<&'static str>,
        sentence: &'static str,
        metric: impl Metric,
    ) {
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        self.described.push(Described { name: format!("allim_{name}{suffix}"), kind, label, sentence });
        // The registry ends each sentence with a full stop of its own.
        self.registry.register(name, sentence.trim_end_matches('.'), metric);
    }

    fn counter(&mut self, name: &'static str, sentence: &'static str) -> Counter {
        let counter = Counter::default();
        self.add(name, "counter", None, sentence, counter.clone());
        counter
    }

    /// `known` values are there from the start, at 0: an alarm on a series that does not exist yet never rings.
    fn counters(
        &mut self,
        name: &'static str,
        label: &'static str,
        sentence: &'static str,
        known: &[&'static str],
    ) -> Counters {
        let counters = Counters { label, family: Family::default() };
        self.add(name, "counter", Some(label), sentence, counters.family.clone());
        for &value in known {
            counters.with(value);
        }
        counters
    }

    fn gauge(&mut self, name: &'static str, sentence: &'static str) -> Gauge {
        let gauge = Gauge::default();
        self.add(name, "gauge", None, sentence, gauge.clone());
        gauge
    }

    fn gauges(&mut self, name: &'static str, label: &'static str, sentence: &'static str) -> Gauges {
        let gauges = Gauges { label, family: Family::default() };
        self.add(name, "gauge", Some(label), sentence, gauges.family.clone());
        gauges
    }

    fn histogram(&mut self, name: &'static str, sentence: &'static str, buckets: &[f64]) -> Histogram {
        let histogram = Histogram::new(buckets.iter().copied());
        self.add(name, "histogram", None, sentence, histogram.clone());
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_shows_every_metric_with_its_sentence_and_clones_count_together() {
        let metrics = Metrics::new();
        metrics.clone().records.with("announced").inc_by(3);
        metrics.rejected.with("no_type").inc();
        metrics.shard_behind.with("0").set(7);
        metrics.partitions.with("notifications").set(3);
        metrics.delivery_seconds.observe(0.002);
        // A family shows itself with its first value.
        for family in [&metrics.streams_ended, &metrics.gaps, &metrics.connections_refused, &metrics.dead_letters] {
            family.with("test").inc();
        }
        let page = metrics.encode();
        assert!(page.contains("allim_records_total{outcome=\"announced\"} 3\n"), "{page}");
        assert!(page.contains("allim_records_total{outcome=\"repeat\"} 0\n"), "{page}");
        assert!(page.contains("allim_shard_behind{shard=\"0\"} 7\n"), "{page}");
        assert!(page.contains("allim_delivery_seconds_bucket{le=\"0.0025\"} 1\n"), "{page}");
        assert!(page.contains(concat!("allim_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n")), "{page}");
        for metric in metrics.described() {
            let name = metric.name.trim_end_matches("_total").trim_end_matches("_info");
            assert!(page.contains(&format!("# HELP {name} {}\n", metric.sentence)), "{} in {page}", metric.name);
        }
    }
}
