//! `allim publish`: an event as a domain service would write it, and where it came to lie.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Failed, Outgoing, Producer, Published, Settings,
    event::{self, Event, key_for},
};
use crate::notification::{Audience, Catalogue, MallNo, PartnerNo};

/// Where the small broker of a running server writes down its address, in the folder of data.
pub const ADDRESS_FILE: &str = "kafka.address";
/// Sent before the first answer is waited for; more would only wait in the client.
const AT_ONCE: usize = 256;
/// More lines than this nobody reads.
const LINES: u32 = 20;

/// What can be said behind `allim publish`.
#[derive(Debug, Clone, Args)]
pub struct Order {
    /// The event's type, such as order.created.
    #[arg(value_name = "TYPE", required_unless_present_any = ["raw", "check"])]
    pub kind: Option<String>,
    /// The mall it is about.
    #[arg(long, value_name = "N")]
    pub mall: Option<MallNo>,
    /// Who shall see it, such as operator:70001; else the catalogue's rule decides.
    #[arg(long, value_name = "AUDIENCE")]
    pub to: Option<Audience>,
    /// The partner it is about.
    #[arg(long, value_name = "N")]
    pub partner: Option<PartnerNo>,
    /// The producer's own title.
    #[arg(long)]
    pub title: Option<String>,
    /// The producer's own text.
    #[arg(long)]
    pub body: Option<String>,
    /// The event's fields as JSON, or @FILE; else the catalogue's example.
    #[arg(long, value_name = "JSON")]
    pub data: Option<String>,
    /// How often, each time under an id of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// This very text as the record's value, as people typed it into the old console producer.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["kind", "mall", "to", "partner", "title", "body", "data"])]
    pub raw: Option<String>,
    /// The record's key; else mall:N, partner:P or operator:N.
    #[arg(long)]
    pub key: Option<String>,
    /// Publish nothing, and say what would become of records with these values, and whom they would reach; `-` is the
    /// standard input. Headers of FILE.json stand in FILE.headers, as name=value.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["kind", "raw", "mall", "to", "partner", "title", "body", "data", "key", "count"])]
    pub check: Vec<PathBuf>,
}

/// Why nothing was published, in one line.
#[derive(Debug, thiserror::Error)]
pub enum NotPublished {
    #[error("no brokers are set, and no server runs on this data folder ({0}); start `allim` there first")]
    NoAddress(String),
    #[error("--data is no JSON object: {0}")]
    BadData(String),
    #[error("nobody could see {0}: say --to, or give --data that the rule of its type can work with")]
    ForNobody(String),
    #[error("{0} cannot be read: {1}")]
    NoFile(String, #[source] io::Error),
    #[error("{0}: a header is written as name=value")]
    BadHeaders(String),
    #[error("{refused} of {of} would not be shown")]
    WouldBeRefused { refused: usize, of: usize },
    #[error(transparent)]
    Failed(#[from] Failed),
    #[error("the answer could not be printed: {0}")]
    Output(#[from] io::Error),
}

/// The brokers that are set, else the small one of the server that runs on this data folder.
pub fn find_brokers(set: &str, data_dir: &Path) -> Result<String, NotPublished> {
    if !set.is_empty() {
        return Ok(set.to_owned());
    }
    let file = data_dir.join(ADDRESS_FILE);
    let address = fs::read_to_string(&file).unwrap_or_default().trim().to_owned();
    if address.is_empty() { Err(NotPublished::NoAddress(data_dir.display().to_string())) } else { Ok(address) }
}

/// Publishes what was ordered, and writes a line for each, or a summary of many.
pub async fn run(
    settings: &Settings,
    order: &Order,
    catalogue: &Catalogue,
    out: &mut impl Write,
) -> Result<(), NotPublished> {
    let what = What::of(order, catalogue)?;
    let producer = Producer::new(settings)?;
    let done = send_all(&producer, &what, order.count, out).await;
    producer.close().await;
    done
}

async fn send_all(producer: &Producer, what: &What, count: u32, out: &mut impl Write) -> Result<(), NotPublished> {
    producer.check().await?;
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    let sends = stream::iter(0..count).map(|_| async {
        let record = what.record();
        producer.send(&record).await
    });
    let mut answers = std::pin::pin!(sends.buffered(AT_ONCE));
    while let Some(Published { partition, offset, took }) = answers.try_next().await? {
        slowest = slowest.max(took);
        if count <= LINES {
            let milliseconds = took.as_millis();
            writeln!(
                out,
                "published {} to partition {partition} at offset {offset} ({milliseconds} ms)",
                what.called()
            )?;
        }
    }
    if count > LINES {
        let seconds = began.elapsed().as_secs_f64();
        let (rate, slowest) = (f64::from(count) / seconds, slowest.as_millis());
        writeln!(
            out,
            "published {count} {} in {seconds:.2} s ({rate:.0}/s), the slowest in {slowest} ms",
            what.called()
        )?;
    }
    Ok(())
}

/// What is sent again and again.
enum What {
    Event(Box<Event>),
    Raw(Outgoing),
}

impl What {
    fn of(order: &Order, catalogue: &Catalogue) -> Result<What, NotPublished> {
        if let Some(text) = &order.raw {
            let value = text.clone().into_bytes();
            return Ok(What::Raw(Outgoing { key: order.key.clone(), headers: Vec::new(), value }));
        }
        let kind = order.kind.clone().unwrap_or_default();
        let data = match &order.data {
            Some(data) => read_data(data)?,
            // Under a title of one's own an announcement has no other words than one's own.
            None if order.title.is_some() && catalogue.entry(&kind).audience.is_empty() => Map::new(),
            None => catalogue.example(&kind).cloned().unwrap_or_default(),
        };
        let mut event = Event {
            kind,
            mall: order.mall,
            partner: order.partner,
            audience: order.to.clone(),
            title: order.title.clone(),
            body: order.body.clone(),
            data,
            key: order.key.clone(),
        };
        event.settle();
        let audience = match &event.audience {
            Some(audience) => Ok(audience.clone()),
            None => catalogue.audience(&event.kind, event.mall, &event.data),
        };
        let Ok(audience) = audience else { return Err(NotPublished::ForNobody(event.kind)) };
        event.key = event.key.or_else(|| key_for(event.mall, &audience));
        Ok(What::Event(Box::new(event)))
    }

    fn record(&self) -> Outgoing {
        match self {
            What::Event(event) => event.record(&event::fresh_id(), Timestamp::now()),
            What::Raw(record) => record.clone(),
        }
    }

    fn called(&self) -> &str {
        match self {
            What::Event(event) => &event.kind,
            What::Raw(_) => "raw text",
        }
    }
}

fn read_data(data: &str) -> Result<Map<String, Value>, NotPublished> {
    let bad = |error: &dyn std::fmt::Display| NotPublished::BadData(error.to_string());
    let text = match data.strip_prefix('@') {
        Some(file) => fs::read_to_string(file).map_err(|error| NotPublished::NoFile(file.to_owned(), error))?,
        None => data.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| bad(&error))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        order: Order,
    }

    fn what(arguments: &[&str]) -> Result<What, NotPublished> {
        What::of(&Line::parse_from([&["publish"], arguments].concat()).order, &Catalogue::builtin())
    }

    #[test]
    fn every_type_with_a_rule_can_be_published_by_its_name_alone() {
        let catalogue = Catalogue::builtin();
        let (ruled, unruled): (Vec<_>, Vec<_>) =
            catalogue.types().into_iter().partition(|kind| !catalogue.entry(kind).audience.is_empty());
        assert!(ruled.len() > 10, "{ruled:?}");
        for kind in ruled {
            let record = what(&[&kind]).unwrap_or_else(|error| panic!("{kind}: {error}")).record();
            // Only what is for everyone has no order to keep.
            assert_eq!(record.key.is_none(), &*kind == "maintenance.scheduled", "{kind}");
            what(&[&kind, "--mall", "1002"]).unwrap();
        }
        // An announcement has to say to whom.
        for kind in unruled {
            assert!(what(&[&kind]).is_err(), "{kind}");
            what(&[&kind, "--to", "everyone"]).unwrap();
        }
    }

    #[test]
    fn an_unknown_type_wants_to_know_for_whom() {
        assert!(matches!(what(&["no.such.type"]), Err(NotPublished::ForNobody(kind)) if kind == "no.such.type"));
        // A mall alone says what it is about, not who shall see it.
        assert!(what(&["no.such.type", "--mall", "1001"]).is_err());
        what(&["no.such.type", "--to", "everyone"]).unwrap();
    }
}
