//! `allim dead-letters`: what nobody could understand, listed, shown, and sent once more after mending.

use std::{
    io::{self, Write},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    dead_letters::{Count, DeadLetter, Listed, Parked, harmless, in_words, steers},
    redrive,
    sqlite::{Beside, NotOpen, dead_letters},
};
use crate::publish;

/// What can be said behind `allim dead-letters`.
#[derive(Debug, Clone, Subcommand)]
pub enum Order {
    /// The newest of them, and how many there are of each reason.
    List(List),
    /// One of them whole, headers and value as well.
    Show {
        number: i64,
        /// As one line of JSON, bytes in base64.
        #[arg(long)]
        json: bool,
    },
    /// Send them once more to the topic of notifications, when what was wrong has been mended.
    Redrive(redrive::Which),
}

#[derive(Debug, Clone, Args)]
pub struct List {
    /// Only those of this reason, such as `no_audience`.
    #[arg(long)]
    pub reason: Option<String>,
    /// So many at most.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Show the first 80 letters of the values as they are, personal data as well.
    #[arg(long)]
    pub values: bool,
    /// A line of JSON for each, and nothing else.
    #[arg(long)]
    pub json: bool,
}

/// Why it was not done, in one line.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    #[error(transparent)]
    NotOpen(#[from] NotOpen),
    #[error("there is no dead letter {0}; `allim dead-letters list` names them")]
    NoSuch(i64),
    #[error(transparent)]
    NotPublished(#[from] publish::command::NotPublished),
    #[error(transparent)]
    Failed(#[from] publish::Failed),
    #[error("{0}")]
    NotRedriven(String),
    #[error("the answer could not be printed: {0}")]
    Output(#[from] io::Error),
}

/// Does it; `brokers` are asked for only where something is sent.
pub async fn run(
    order: &Order,
    file: &Path,
    brokers: impl FnOnce() -> Result<publish::Settings, publish::command::NotPublished>,
    out: &mut impl Write,
) -> Result<(), NotDone> {
    let letters = Beside::open(file)?;
    let done = match order {
        Order::List(order) => list(order, &letters, out),
        Order::Show { number, json } => show(*number, *json, &letters, out),
        Order::Redrive(which) => redrive::run(which, &letters, brokers, out).await,
    };
    match done {
        // `| head` has seen enough.
        Err(NotDone::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

fn list(order: &List, letters: &Beside, out: &mut impl Write) -> Result<(), NotDone> {
    let listed = letters.with(|db| dead_letters::list(db, order.reason.as_deref(), order.limit))?;
    if order.json {
        for letter in &listed {
            writeln!(out, "{}", listed_json(letter, order.values))?;
        }
        return Ok(out.flush()?);
    }
    for letter in &listed {
        let parked = &letter.parked;
        let redriven = if parked.redriven.is_some() { "  (redriven)" } else { "" };
        writeln!(out, "{}  {}  {}{redriven}", parked.number, local(parked.at), place(parked))?;
        writeln!(out, "    {}: {}", parked.reason, in_words(&parked.reason))?;
        writeln!(out, "    {}", letter.preview(order.values))?;
    }
    let counts = letters.with(dead_letters::counts)?;
    if counts.is_empty() {
        writeln!(out, "there are no dead letters")?;
        return Ok(out.flush()?);
    }
    if !listed.is_empty() {
        writeln!(out)?;
    }
    summary(&counts, out)?;
    if !order.values && !listed.is_empty() {
        writeln!(out, "values are masked, since nobody can tell what in them is personal; --values shows them")?;
    }
    Ok(out.flush()?)
}

fn summary(counts: &[Count], out: &mut impl Write) -> io::Result<()> {
    let all: u64 = counts.iter().map(|count| count.all).sum();
    let waiting: u64 = counts.iter().map(|count| count.waiting).sum();
    let letters = if all == 1 { "dead letter" } else { "dead letters" };
    writeln!(out, "{all} {letters}, {waiting} never redriven")?;
    for Count { reason, all, waiting } in counts {
        writeln!(out, "{all:>8}  {reason}: {}; {waiting} never redriven", in_words(reason))?;
    }
    Ok(())
}

fn show(number: i64, json: bool, letters: &Beside, out: &mut impl Write) -> Result<(), NotDone> {
    let letter = letters.with(|db| dead_letters::one(db, number))?.ok_or(NotDone::NoSuch(number))?;
    if json {
        writeln!(out, "{}", whole_json(&letter))?;
        return Ok(out.flush()?);
    }
    let parked = &letter.parked;
    let (at, origin) = (parked.place.at, letter.origin());
    writeln!(out, "number    {number}")?;
    writeln!(out, "written   {}, parked {}", local(parked.at), local(parked.parked))?;
    writeln!(out, "reason    {}: {}", parked.reason, in_words(&parked.reason))?;
    writeln!(out, "detail    {}", harmless(parked.detail.as_bytes()))?;
    writeln!(out, "place     partition {}, offset {}   (allim-origin {})", at.partition, at.offset, parked.place)?;
    if origin != parked.place {
        writeln!(
            out,
            "before    partition {}, offset {}   (allim-origin {origin})",
            origin.at.partition, origin.at.offset
        )?;
    }
    writeln!(out, "on -dlt   {}", if parked.sent { "yes" } else { "not yet" })?;
    writeln!(out, "redriven  {}", parked.redriven.map_or("never".to_owned(), local))?;
    writeln!(out, "key       {}", parked.key.as_deref().map_or("(none)".to_owned(), harmless))?;
    for (name, value) in &letter.headers {
        let value =
            value.as_deref().map_or("(none)".to_owned(), |value| readable(value).unwrap_or_else(|| binary(value)));
        writeln!(out, "header    {}: {}", harmless(name.as_bytes()), value.replace('\n', "·"))?;
    }
    match &letter.value {
        None => writeln!(out, "value     (none)")?,
        Some(value) => match readable(value) {
            Some(text) => writeln!(out, "value     {} bytes\n{text}", value.len())?,
            None => writeln!(out, "value     {}", binary(value))?,
        },
    }
    Ok(out.flush()?)
}

/// Text whole, its lines as they are; None for what is no text.
fn readable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    let safe = |letter: char| letter == '\n' || letter == '\t' || !steers(letter);
    Some(text.chars().map(|letter| if safe(letter) { letter } else { '·' }).collect())
}

fn binary(bytes: &[u8]) -> String {
    format!("{} bytes that are no text; --json has them", bytes.len())
}

fn place(parked: &Parked) -> String {
    let at = parked.place.at;
    let key = parked.key.as_deref().map_or("no key".to_owned(), |key| format!("key {}", harmless(key)));
    format!("partition {} offset {}  {key}", at.partition, at.offset)
}

/// As the clock on the wall has it, with the zone: whoever compares it with a log has to know.
fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %z").to_string()
}

fn parked_json(parked: &Parked) -> Value {
    json!({
        "number": parked.number,
        "at": parked.at.to_string(),
        "parkedAt": parked.parked.to_string(),
        "reason": parked.reason,
        "meaning": in_words(&parked.reason),
        "detail": parked.detail,
        "partition": parked.place.at.partition,
        "offset": parked.place.at.offset,
        "place": parked.place.to_string(),
        "key": parked.key.as_deref().map(String::from_utf8_lossy),
        "sentToDlt": parked.sent,
        "redrivenAt": parked.redriven.map(|at| at.to_string()),
    })
}

fn listed_json(letter: &Listed, values: bool) -> Value {
    let mut line = parked_json(&letter.parked);
    line["valueBytes"] = json!(letter.bytes);
    line["preview"] = json!(letter.preview(values));
    line
}

fn whole_json(letter: &DeadLetter) -> Value {
    let base64 = |bytes: &[u8]| STANDARD.encode(bytes);
    let mut line = parked_json(&letter.parked);
    let header = |(name, value): &(String, Option<Vec<u8>>)| json!([name, value.as_deref().map(base64)]);
    line["origin"] = json!(letter.origin().to_string());
    line["keyBase64"] = json!(letter.parked.key.as_deref().map(base64));
    line["headersBase64"] = letter.headers.iter().map(header).collect();
    line["valueBase64"] = json!(letter.value.as_deref().map(base64));
    line
}
