//! Dead letters once more: each is taken by one statement, sent unchanged, and given back where it could not be.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::Args;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use super::{
    command::NotDone,
    dead_letters::DeadLetter,
    sqlite::{Beside, dead_letters},
};
use crate::publish::{self, Failed, Found, Producer, Published, command::NotPublished};

/// Taken and sent together; each may be as large as a record can be.
const PART: usize = 64;
/// More lines than this nobody reads.
const LINES: usize = 20;

/// Which dead letters.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// These.
    #[arg(value_name = "NUMBER", required_unless_present_any = ["reason", "all"])]
    pub numbers: Vec<i64>,
    /// All of this reason that were never redriven, the oldest first.
    #[arg(long, conflicts_with_all = ["numbers", "all"])]
    pub reason: Option<String>,
    /// All that were never redriven, the oldest first.
    #[arg(long, conflicts_with = "numbers")]
    pub all: bool,
    /// Also those that were redriven before, as after a redrive that was killed. It stays one notification.
    #[arg(long, requires = "numbers")]
    pub again: bool,
}

/// What became of them.
#[derive(Default)]
struct Done {
    sent: usize,
    /// Somebody has redriven them before, or does so now.
    taken: Vec<i64>,
    failed: Vec<i64>,
    why: Option<Failed>,
}

/// Sends them; what could not be sent can be redriven again.
pub async fn run(
    which: &Which,
    letters: &Beside,
    brokers: impl FnOnce() -> Result<publish::Settings, NotPublished>,
    out: &mut impl Write,
) -> Result<(), NotDone> {
    let numbers = numbers(which, letters)?;
    if numbers.is_empty() {
        writeln!(out, "there is nothing to redrive")?;
        return Ok(());
    }
    let producer = Producer::new(&brokers()?)?;
    let done = send_all(&numbers, which.again, letters, &producer, out).await;
    producer.close().await;
    let Done { sent, taken, failed, why } = done?;
    for number in taken.iter().take(LINES) {
        writeln!(out, "{number} was redriven before; --again sends it once more; it stays one notification")?;
    }
    if taken.len() > LINES {
        writeln!(out, "and {} more were redriven before", taken.len() - LINES)?;
    }
    if numbers.len() > LINES {
        writeln!(out, "redriven {sent} of {}", numbers.len())?;
    }
    out.flush()?;
    let left = numbers.len() - sent - taken.len();
    match (failed.first(), why) {
        (Some(first), Some(why)) => {
            Err(NotDone::NotRedriven(format!("{left} not redriven, from {first} on, and still waiting: {why}")))
        }
        _ if left > 0 => Err(NotDone::NotRedriven(format!("{left} not redriven, and still waiting: interrupted"))),
        _ => Ok(()),
    }
}

fn numbers(which: &Which, letters: &Beside) -> Result<Vec<i64>, NotDone> {
    if which.numbers.is_empty() {
        return Ok(letters.with(|db| dead_letters::never_redriven(db, which.reason.as_deref()))?);
    }
    let mut numbers = which.numbers.clone();
    numbers.sort_unstable();
    numbers.dedup();
    for &number in &numbers {
        if letters.with(|db| dead_letters::one(db, number))?.is_none() {
            return Err(NotDone::NoSuch(number));
        }
    }
    Ok(numbers)
}

/// Some at a time: each part is taken, sent and answered before the next, so that who is interrupted leaves none behind
/// that is taken and not sent.
async fn send_all(
    numbers: &[i64],
    again: bool,
    letters: &Beside,
    producer: &Producer,
    out: &mut impl Write,
) -> Result<Done, NotDone> {
    // Before anything is taken: most failures are seen here.
    producer.check().await?;
    let interrupted = until_interrupted();
    let mut done = Done::default();
    for part in numbers.chunks(PART) {
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
        let mine = letters.with(|db| dead_letters::claim(db, part, again, Timestamp::now()))?;
        done.taken.extend(part.iter().filter(|number| !mine.contains(number)));
        let mut answers = stream::iter(&mine).map(|&number| send(number, letters, producer)).buffered(PART);
        let mut failed = Vec::new();
        while let Some((number, answer)) = answers.next().await {
            match answer {
                Ok(Published { partition, offset, .. }) => {
                    done.sent += 1;
                    if numbers.len() <= LINES {
                        writeln!(out, "redriven {number} to partition {partition} at offset {offset}")?;
                    }
                }
                Err(why) => {
                    failed.push(number);
                    done.why.get_or_insert(why);
                }
            }
        }
        drop(answers);
        if !failed.is_empty() {
            letters.with(|db| dead_letters::give_back(db, &failed))?;
            done.failed = failed;
            break;
        }
    }
    Ok(done)
}

async fn send(number: i64, letters: &Beside, producer: &Producer) -> (i64, Result<Published, Failed>) {
    (number, send_one(number, letters, producer).await)
}

async fn send_one(number: i64, letters: &Beside, producer: &Producer) -> Result<Published, Failed> {
    let letter = letters.with(|db| dead_letters::one(db, number));
    let letter = letter.map_err(|error| Failed::Refused(error.to_string()))?;
    let Some(letter) = letter else { return Err(Failed::Refused("it has just been purged".to_owned())) };
    publish(&letter, producer).await
}

async fn publish(letter: &DeadLetter, producer: &Producer) -> Result<Published, Failed> {
    let headers = letter.headers_with_origin();
    let record = Found {
        key: letter.parked.key.as_deref(),
        headers: headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect(),
        value: letter.value.as_deref(),
    };
    producer.send_found(record, None).await
}

/// True from the first Ctrl-C on: the part that is under way is finished, and takes seconds at most.
fn until_interrupted() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&interrupted);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            seen.store(true, Ordering::Relaxed);
        }
    });
    interrupted
}
