//! The reference: a listener is a cursor over the log, and whatever it passes it has heard exactly if it may.
//!
//! An always-connected listener hears record after record, each if its rights of that moment allow it. Somebody who is
//! cut, hops and falls behind has to end up the same. So every frame with an id moves a cursor, and each record that
//! the cursor passes is judged once: heard and not allowed is foreign, allowed and not heard is a hole, heard and
//! behind the cursor is a repeat. Only a gap that tells of a true loss excuses what it passes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use allim::notification::{Position, Vector};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::plan::{Malls, PARTITIONS, numbers};
use crate::harness::sse::Event;

/// What was published: of each partition the offsets, and whom they are for.
#[derive(Default)]
pub struct Log {
    records: [BTreeMap<u64, Malls>; PARTITIONS],
    titles: HashMap<String, (usize, u64)>,
}

impl Log {
    pub fn add(&mut self, title: String, record: (usize, u64), malls: Malls) {
        self.records[record.0].insert(record.1, malls);
        self.titles.insert(title, record);
    }

    /// The first record of a partition that is not before `next`.
    pub fn from(&self, partition: usize, next: u64) -> Option<(u64, Malls)> {
        self.records[partition].range(next..).next().map(|(&offset, &malls)| (offset, malls))
    }

    pub fn ends(&self) -> Vector {
        let end = |records: &BTreeMap<u64, Malls>| records.last_key_value().map_or(0, |(offset, _)| offset + 1);
        Vector::new(self.records.iter().map(end).collect())
    }
}

pub struct Reference {
    log: Arc<Mutex<Log>>,
    /// What it was ever given to see, in order; the last is what it may see now.
    rights: Vec<Malls>,
    /// The first of these that may still be in force on its stream: a change takes effect a little after it is made.
    oldest: usize,
    /// Records that were announced when later rights than that were surely in force.
    surely: HashMap<(usize, u64), usize>,
    /// A change was made of which its stream has not been told.
    untold: bool,
    cursor: Option<Position>,
    admin: u64,
    /// What the last status on its stream said.
    live: Option<bool>,
    pub heard: usize,
    pub gaps: usize,
    /// Why its stream has ended, if it has been told.
    pub bye: Option<String>,
}

impl Reference {
    pub fn new(log: &Arc<Mutex<Log>>, malls: Malls) -> Reference {
        Reference {
            log: Arc::clone(log),
            rights: vec![malls],
            oldest: 0,
            surely: HashMap::new(),
            untold: false,
            cursor: None,
            admin: 0,
            live: None,
            heard: 0,
            gaps: 0,
            bye: None,
        }
    }

    pub fn malls(&self) -> Malls {
        self.rights[self.rights.len() - 1]
    }

    /// Gives other rights; returns their number.
    pub fn may_see(&mut self, malls: Malls) -> usize {
        self.rights.push(malls);
        self.untold = true;
        self.newest()
    }

    /// The number of the rights that were given last.
    pub fn newest(&self) -> usize {
        self.rights.len() - 1
    }

    /// This record was announced to a stream on which the rights of this number were in force already.
    pub fn announced(&mut self, record: (usize, u64), in_force: usize) {
        if in_force > self.oldest {
            self.surely.insert(record, in_force);
        }
    }

    pub fn admin(&self) -> u64 {
        self.admin
    }

    /// A new stream, of a node that knows the rights of this number, or newer ones.
    pub fn connects(&mut self, admin: u64, known: usize) {
        self.admin = admin;
        (self.bye, self.live) = (None, None);
        self.surely.clear();
        self.oldest = known;
        self.untold = known < self.newest();
    }

    /// The number of the oldest rights that may still be in force on its stream.
    pub fn known(&self) -> usize {
        self.oldest
    }

    /// Whether its stream has been told of the newest rights. Of several changes at once it may be told in one word, and
    /// of none that leaves everything as it was.
    pub fn is_told(&self) -> bool {
        !self.untold || self.rights[self.oldest] == self.malls()
    }

    /// Everything that was published is behind it, and it has been told that nothing is missing.
    pub fn has_passed_everything(&self) -> bool {
        let ends = self.log.lock().unwrap().ends();
        self.live == Some(true) && self.cursor.as_ref().is_some_and(|cursor| ends.within(&cursor.next))
    }

    pub fn cursor(&self) -> Option<&Position> {
        self.cursor.as_ref()
    }

    /// Judges one event. `beginning`: where its node's memory begins, for whom it is a gap's excuse.
    pub fn note(&mut self, event: &Event, beginning: &Vector) -> Result<(), String> {
        if let Some(reason) = &self.bye {
            return Err(format!("{event:?} after the goodbye {reason}"));
        }
        let id = event.id.as_ref().map(|id| Position::decode(id).map_err(|e| format!("{e}: {id}"))).transpose()?;
        match (event.name.as_str(), id) {
            ("hello", id) => self.hello(&event.json(), id),
            ("message", Some(id)) => self.hears(&event.json(), id),
            ("gap", Some(id)) => self.gap(&event.json(), id, beginning),
            ("beat", Some(id)) => self.passes(id, None, None),
            ("status", None) => {
                // `kept` alone says nothing of the log.
                self.live = event.json()["live"].as_bool().or(self.live);
                Ok(())
            }
            ("bye", None) => {
                self.bye = Some(event.json()["reason"].as_str().unwrap_or_default().to_owned());
                Ok(())
            }
            (name, id) => Err(format!("a {name} with the id {id:?}")),
        }
    }

    /// The scope tells which rights the node knows; the position is the one that was brought.
    fn hello(&mut self, hello: &serde_json::Value, id: Option<Position>) -> Result<(), String> {
        let told = hello["scope"].as_str().unwrap_or_default();
        let known = (self.oldest..self.rights.len()).find(|&i| scope(self.admin, self.rights[i]) == told);
        self.oldest = known.ok_or_else(|| format!("a hello with rights that nobody has: {hello}"))?;
        self.untold = self.oldest < self.newest();
        let recovered = hello["recovered"].as_bool();
        let (is_true, is_there) = match (&self.cursor, &id) {
            (None, _) => (recovered.is_none(), true),
            // Refused, so that a gap follows, or not known yet.
            (Some(_), None) => (recovered != Some(true), true),
            (Some(cursor), Some(id)) => (recovered == Some(true), cursor.epoch == id.epoch && cursor.next == id.next),
        };
        if !is_true || !is_there {
            return Err(format!("to somebody at {:?} hello says {id:?}, {hello}", self.cursor));
        }
        self.cursor = id.or(self.cursor.take());
        Ok(())
    }

    fn hears(&mut self, notification: &serde_json::Value, id: Position) -> Result<(), String> {
        let title = notification["title"].as_str().unwrap_or_default();
        let (record, malls) = {
            let log = self.log.lock().unwrap();
            let record = *log.titles.get(title).ok_or_else(|| format!("nobody published {title:?}"))?;
            (record, log.records[record.0][&record.1])
        };
        let Some(cursor) = &self.cursor else { return Err(format!("{title} before any place")) };
        if record.1 < cursor.next.get(record.0) {
            return Err(format!("{title} is a repeat, or late: the place was {cursor:?}"));
        }
        if id.next.get(record.0) != record.1 + 1 {
            return Err(format!("{title} came with the place {id:?}"));
        }
        if !self.in_force(record).any(|rights| rights & malls != 0) {
            let rights: Vec<Malls> = self.in_force(record).collect();
            return Err(format!("{title} for {malls:03b} is foreign to somebody of {rights:?} (bits)"));
        }
        self.heard += 1;
        self.passes(id, Some(record), None)
    }

    fn gap(&mut self, gap: &serde_json::Value, id: Position, beginning: &Vector) -> Result<(), String> {
        match gap["reason"].as_str().unwrap_or_default() {
            "scope" => {
                self.passes(id, None, None)?;
                self.oldest = (self.oldest + 1).min(self.newest());
                self.untold = false;
                Ok(())
            }
            "retention" if self.cursor.as_ref().is_none_or(|cursor| !beginning.within(&cursor.next)) => {
                self.gaps += 1;
                self.passes(id, None, Some(beginning))
            }
            reason => Err(format!("a needless gap{{{reason}}} to somebody at {:?}", self.cursor)),
        }
    }

    /// The cursor moves; what it passes without a word was not due, or is `lost` and excused.
    fn passes(&mut self, to: Position, heard: Option<(usize, u64)>, lost: Option<&Vector>) -> Result<(), String> {
        let Some(from) = self.cursor.replace(to.clone()) else { return Ok(()) };
        if from.epoch != to.epoch || !from.next.within(&to.next) {
            return Err(format!("the place goes back from {from:?} to {to:?}"));
        }
        let (log, from, to) = (self.log.lock().unwrap(), from.next, to.next);
        let passed =
            log.records.iter().enumerate().filter(|(p, _)| from.get(*p) < to.get(*p)).flat_map(|(p, records)| {
                records.range(from.get(p)..to.get(p)).map(move |(&offset, &malls)| ((p, offset), malls))
            });
        let excused = |(p, offset): (usize, u64)| lost.is_some_and(|lost| offset < lost.get(p));
        for (record, malls) in passed.filter(|(record, _)| Some(*record) != heard && !excused(*record)) {
            if self.in_force(record).all(|rights| rights & malls != 0) {
                return Err(format!("a hole at {record:?}, passed on the way from {from:?} to {to:?}"));
            }
        }
        Ok(())
    }

    /// The rights that may have decided about a record: one, but for the moment in which they change.
    fn in_force(&self, record: (usize, u64)) -> impl Iterator<Item = Malls> + '_ {
        let oldest = self.surely.get(&record).copied().unwrap_or(0).max(self.oldest);
        self.rights[oldest..].iter().copied()
    }
}

/// What `hello` calls the rights of an operator of these malls; written out here, so that the server's word is checked.
fn scope(admin: u64, malls: Malls) -> String {
    let of_malls: String = numbers(malls).iter().map(|mall| format!("mall:{mall},")).collect();
    let mut hash = Sha256::new();
    hash.update(format!("everyone,operator:{admin},{of_malls}"));
    hash.update([0]);
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..9])
}
