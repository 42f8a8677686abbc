//! Idempotent producers: which sequence numbers a partition has seen, so that a retried batch is written once.

use std::collections::{HashMap, VecDeque};

use kafka_protocol::error::ResponseError;
use serde::{Deserialize, Serialize};

use super::batch::{Header, advance};

/// Batches remembered per producer: a client has at most five requests in flight, so a retry is one of them.
const REMEMBERED: usize = 5;

/// Producers remembered per partition; every start of a client is a new one, so the bound is needed.
const PRODUCERS: usize = 1_000;

/// One batch that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    first: i32,
    last: i32,
    offset: i64,
    at: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Producer {
    epoch: i16,
    seen: VecDeque<Seen>,
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Producers(HashMap<i64, Producer>);

/// What to do with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Append,
    /// It is in the log already, at this offset since this time: acknowledge it again.
    Duplicate {
        offset: i64,
        at: i64,
    },
}

impl Producers {
    /// Judges a batch before it is written.
    ///
    /// A producer of whom nothing is known may begin anywhere: what it wrote before may have been deleted.
    pub(super) fn judge(&self, header: &Header) -> Result<Verdict, ResponseError> {
        if header.producer_id < 0 {
            return Ok(Verdict::Append);
        }
        if header.producer_epoch < 0 || header.base_sequence < 0 {
            return Err(ResponseError::InvalidRecord);
        }
        let Some(producer) = self.0.get(&header.producer_id) else {
            return Ok(Verdict::Append);
        };
        if header.producer_epoch < producer.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if header.producer_epoch > producer.epoch {
            return match header.base_sequence {
                0 => Ok(Verdict::Append),
                _ => Err(ResponseError::OutOfOrderSequenceNumber),
            };
        }
        let (first, last) = (header.base_sequence, header.last_sequence());
        let again = |seen: &&Seen| seen.first == first && seen.last == last;
        if let Some(seen) = producer.seen.iter().find(again) {
            return Ok(Verdict::Duplicate { offset: seen.offset, at: seen.at });
        }
        match producer.seen.back() {
            Some(newest) if advance(newest.last, 1) == first => Ok(Verdict::Append),
            // Older than what is remembered: it was written, but nobody knows where.
            Some(newest) if last <= newest.last => Err(ResponseError::DuplicateSequenceNumber),
            _ => Err(ResponseError::OutOfOrderSequenceNumber),
        }
    }

    /// Remembers a batch that was written (or that the log shows at start).
    pub(super) fn remember(&mut self, header: &Header, offset: i64, at: i64) {
        if header.producer_id < 0 {
            return;
        }
        if !self.0.contains_key(&header.producer_id) && self.0.len() >= PRODUCERS {
            self.forget_oldest();
        }
        let producer = self
            .0
            .entry(header.producer_id)
            .or_insert_with(|| Producer { epoch: header.producer_epoch, seen: VecDeque::with_capacity(REMEMBERED) });
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.seen.clear();
        }
        if producer.seen.len() >= REMEMBERED {
            producer.seen.pop_front();
        }
        producer.seen.push_back(Seen { first: header.base_sequence, last: header.last_sequence(), offset, at });
    }

    fn forget_oldest(&mut self) {
        let newest = |producer: &Producer| producer.seen.back().map_or(i64::MIN, |seen| seen.offset);
        if let Some(id) = self.0.iter().min_by_key(|(_, p)| newest(p)).map(|(id, _)| *id) {
            self.0.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: i16, first: i32, count: i32) -> Header {
        Header {
            base_offset: 0,
            size: 61,
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: count - 1,
            max_timestamp: 0,
            producer_id: 7,
            producer_epoch: epoch,
            base_sequence: first,
            count,
        }
    }

    #[test]
    fn a_retry_is_answered_with_its_first_offset_and_a_gap_is_refused() {
        let mut producers = Producers::default();
        producers.remember(&batch(0, 0, 3), 100, 1);
        producers.remember(&batch(0, 3, 1), 103, 2);
        let again = producers.judge(&batch(0, 0, 3));
        assert_eq!(again, Ok(Verdict::Duplicate { offset: 100, at: 1 }));
        assert_eq!(producers.judge(&batch(0, 4, 1)), Ok(Verdict::Append));
        assert_eq!(producers.judge(&batch(0, 6, 1)), Err(ResponseError::OutOfOrderSequenceNumber));
    }

    #[test]
    fn a_fenced_epoch_is_refused_and_a_new_one_begins_at_zero() {
        let mut producers = Producers::default();
        producers.remember(&batch(1, 0, 1), 0, 1);
        assert_eq!(producers.judge(&batch(0, 1, 1)), Err(ResponseError::InvalidProducerEpoch));
        assert_eq!(producers.judge(&batch(2, 5, 1)), Err(ResponseError::OutOfOrderSequenceNumber));
        assert_eq!(producers.judge(&batch(2, 0, 1)), Ok(Verdict::Append));
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut producers = Producers::default();
        producers.remember(&batch(0, i32::MAX, 1), 0, 1);
        assert_eq!(producers.judge(&batch(0, 0, 1)), Ok(Verdict::Append));
    }
}
