//! `kafka/samples`: one of each type that is understood, one of each reason why not, and the real way confirms it.

use std::{collections::BTreeSet, fs};

use allim::{
    ingest::{RawRecord, Rejected},
    notification::{Catalogue, Coordinates, Epoch, Notification, Term},
};
use jiff::Timestamp;

use super::folder;
use crate::{
    harness::{Accounts, Kafka, Publisher, Server, inbox, until},
    tidy::is_up_to_date,
    words::{decoder, with_legacy_text},
};

/// The value of a record, and its headers.
pub struct Sample {
    pub file: String,
    pub value: Vec<u8>,
    headers: Vec<(String, String)>,
}

/// In the order of their names.
pub fn all() -> Vec<Sample> {
    let names = fs::read_dir(folder("samples")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".json") || name.ends_with(".txt")).collect();
    names.sort();
    let sample = |file: String| {
        let path = folder("samples").join(&file);
        let beside = fs::read_to_string(path.with_extension("headers")).unwrap_or_default();
        let header = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = beside.lines().map(|line| header(line).expect("name=value")).collect();
        Sample { file, value: fs::read(path).unwrap(), headers }
    };
    names.into_iter().map(sample).collect()
}

impl Sample {
    pub fn is_accepted(&self) -> bool {
        self.file.starts_with("accepted_")
    }

    /// What its name says: the type, or the reason.
    fn named(&self) -> &str {
        let (_, name) = self.file.split_once('_').expect("accepted_ or rejected_");
        let name = name.rsplit_once('.').expect("an ending").0;
        name.split('-').next().unwrap_or(name)
    }

    fn headers(&self) -> Vec<(&str, Option<&[u8]>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))).collect()
    }

    fn value(&self) -> Option<&[u8]> {
        Some(self.value.as_slice()).filter(|value| !value.is_empty())
    }

    fn decoded(&self) -> Result<Notification, Rejected> {
        // A value that is plain text is read only where that is on.
        let decoder = if self.file.ends_with(".txt") { with_legacy_text() } else { decoder() };
        let coordinates = Coordinates { epoch: Epoch(1), partition: 0, offset: 0 };
        let headers = self.headers();
        decoder.decode(&RawRecord { coordinates, timestamp: Timestamp::now(), key: None, headers, value: self.value() })
    }

    /// Its row in the table.
    fn row(&self) -> String {
        let name = format!("[{0}]({0})", self.file);
        match self.decoded() {
            Ok(notification) => {
                let terms: Vec<String> = notification.audience.terms().iter().map(Term::to_string).collect();
                format!("| {name} | {} | `{}` |\n", notification.type_name, terms.join("`, `"))
            }
            Err(why) => format!("| {name} | `{}` | {} |\n", why.reason.as_str(), why.detail.replace('|', "\\|")),
        }
    }
}

#[test]
fn each_becomes_what_its_name_says() {
    let samples = all();
    let mut types: BTreeSet<String> = BTreeSet::new();
    let mut reasons: BTreeSet<String> = BTreeSet::new();
    for sample in &samples {
        match sample.decoded() {
            Ok(notification) => {
                assert!(sample.is_accepted(), "{} is accepted", sample.file);
                types.insert(notification.type_name.to_string());
            }
            Err(rejected) => {
                assert!(!sample.is_accepted(), "{}: {rejected}", sample.file);
                assert_eq!(rejected.reason.as_str(), sample.named(), "{}", sample.file);
                reasons.insert(rejected.reason.as_str().to_owned());
            }
        }
    }
    for name in Catalogue::builtin().types() {
        assert!(types.contains(&*name), "no sample of {name}");
    }
    // All that there are but `too_big`, whose sample would be a quarter of a megabyte.
    let wanted = "bad_audience bad_cloudevent bad_header bad_id bad_json bad_mall bad_member bad_type duplicate_key empty \
                  legacy_unaddressed no_audience no_type not_utf8 nul number_range tombstone too_deep";
    assert_eq!(reasons.iter().map(String::as_str).collect::<Vec<_>>().join(" "), wanted);
}

#[test]
fn their_table_is_up_to_date() {
    let rows = |accepted: bool| -> String {
        all().iter().filter(|sample| sample.is_accepted() == accepted).map(Sample::row).collect()
    };
    let page = format!(
        "# Samples\n\nValues of records, byte for byte; headers stand beside them in a file that ends with `.headers`. What ends with \
         `.txt` is plain\ntext, which is read only with `ALLIM_LEGACY_TEXT=on`, as in the demo; the others are judged without. `allim publish --check\nFILE` \
         says of each, and of yours, what would become of it.\n\n\
         This page is made of the files, by a run of the tests with `BLESS=1`.\n\n\
         ## Accepted\n\n| file | type | audience |\n|---|---|---|\n{}\n\
         ## Rejected\n\nNobody sees them; each is counted, and kept as a [dead letter](../../docs/dead-letters.md) with its \
         reason. The one reason\nwithout a sample is `too_big`: a value of more than 256 KB, or more than 64 KB of key and headers.\n\n\
         | file | reason | what is said |\n|---|---|---|\n{}",
        rows(true),
        rows(false)
    );
    is_up_to_date("kafka/samples/README.md", &page);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_does_with_each_what_is_promised() {
    let kafka = Kafka::start().await;
    let accounts = Accounts::start().await;
    let server = Server::start(&kafka, &accounts, &[("ALLIM_LEGACY_TEXT", "off")]).await;
    let publisher = Publisher::new(kafka.address);
    // Those of plain text are about a setting of their own.
    let samples: Vec<Sample> = all().into_iter().filter(|sample| sample.file.ends_with(".json")).collect();
    let accepted = samples.iter().filter(|sample| sample.is_accepted()).count();
    for sample in &samples {
        publisher.raw(Some("mall:1001"), sample.value(), &sample.headers()).await;
    }
    let counted = async |outcome: &str| server.metric(&format!("allim_records_total{{outcome=\"{outcome}\"}}")).await;
    until("all are read", async || counted("announced").await + counted("rejected").await >= samples.len() as f64)
        .await;
    assert_eq!(counted("announced").await, accepted as f64);
    // The reasons as whoever runs the server finds them, in the order in which they came.
    let wanted: Vec<&str> = samples.iter().filter(|sample| !sample.is_accepted()).map(Sample::named).collect();
    let parked = || {
        let db = inbox::tool(&inbox::file(&server));
        let mut rows = db.prepare("SELECT reason FROM dead_letter ORDER BY number").unwrap();
        rows.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    until("all are parked", async || parked().len() >= wanted.len()).await;
    assert_eq!(parked(), wanted);
}
