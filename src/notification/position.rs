//! A place in the stream: for every partition the next offset, plus the epoch of the log (D1).
//!
//! It travels as the SSE `id:` and comes back as `Last-Event-ID`. It is never a right: the audience is
//! computed anew at each connect, so it carries no signature.

use std::{cmp::Ordering, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The first byte of every position; another number is another format.
const VERSION: u8 = 1;
/// No topic of ours comes near; more is not a position but an attempt to make us allocate.
const MOST_PARTITIONS: usize = 4096;
/// What base64 makes of version, epoch and the longest numbers of that many partitions.
const LONGEST_TEXT: usize = (9 + MOST_PARTITIONS * 9) * 4 / 3 + 4;

/// Which log the offsets belong to. A recreated topic or another cluster is another epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

/// For every partition the next offset. A partition that is missing stands at its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vector(Vec<u64>);

impl Vector {
    #[must_use]
    pub fn new(next: Vec<u64>) -> Vector {
        Vector(next)
    }

    #[must_use]
    pub fn get(&self, partition: usize) -> u64 {
        self.0.get(partition).copied().unwrap_or(0)
    }

    /// Puts one partition at `next`, also backwards (a log that shrank).
    pub fn set(&mut self, partition: usize, next: u64) {
        if partition >= self.0.len() {
            self.0.resize(partition + 1, 0);
        }
        self.0[partition] = next;
    }

    /// Moves every partition forward to where `other` is further.
    pub fn raise(&mut self, other: &Vector) {
        for (partition, &next) in other.0.iter().enumerate() {
            if next > self.get(partition) {
                self.set(partition, next);
            }
        }
    }

    #[must_use]
    pub fn partitions(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.0.iter().copied().enumerate()
    }

    /// At or behind `other` in every partition.
    #[must_use]
    pub fn within(&self, other: &Vector) -> bool {
        self.iter().all(|(partition, next)| next <= other.get(partition))
    }
}

impl PartialOrd for Vector {
    /// Two vectors of which each is ahead somewhere have no order.
    fn partial_cmp(&self, other: &Vector) -> Option<Ordering> {
        match (self.within(other), other.within(self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            (false, false) => None,
        }
    }
}

/// What a client brings back and where it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub epoch: Epoch,
    pub next: Vector,
}

/// A text that is no position. Such a client is told `gap{unknown}`; nothing is guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position")]
pub struct BadPosition;

impl Position {
    /// Reads what [`fmt::Display`] writes, and nothing else: every position has exactly one text.
    pub fn decode(text: &str) -> Result<Position, BadPosition> {
        if text.len() > LONGEST_TEXT {
            return Err(BadPosition);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadPosition)?;
        let [VERSION, rest @ ..] = bytes.as_slice() else {
            return Err(BadPosition);
        };
        let (epoch, mut rest) = rest.split_first_chunk::<8>().ok_or(BadPosition)?;
        let mut next = Vec::new();
        while !rest.is_empty() {
            if next.len() == MOST_PARTITIONS {
                return Err(BadPosition);
            }
            next.push(take_varint(&mut rest)?);
        }
        Ok(Position { epoch: Epoch(u64::from_be_bytes(*epoch)), next: Vector(next) })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(9 + self.next.partitions() * 5);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.epoch.0.to_be_bytes());
        for (_, next) in self.next.iter() {
            put_varint(&mut bytes, next);
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Seven bits a byte, lowest first, the high bit says that more follow (LEB128).
fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Refuses what [`put_varint`] would not write: padding, and offsets beyond Kafka's signed 64 bits.
fn take_varint(bytes: &mut &[u8]) -> Result<u64, BadPosition> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(BadPosition)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return if byte == 0 && shift > 0 { Err(BadPosition) } else { Ok(number) };
        }
    }
    Err(BadPosition)
}
