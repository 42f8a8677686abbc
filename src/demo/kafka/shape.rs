//! A walk over a request before it is decoded: every list has as many entries as it says.
//!
//! The decoder reserves memory for a list by the count it reads, before it looks for the entries. Four bytes from a
//! stranger could so ask for gigabytes, and a failed reservation ends the process. Behind this walk a request takes
//! memory in proportion to its own size.

use bytes::Buf;
use kafka_protocol::messages::ApiKey;

/// What a field is made of.
enum Kind {
    /// So many bytes.
    Fixed(usize),
    Text,
    Blob,
    /// Numbers or texts.
    Each(&'static Kind),
    /// Entries with fields of their own.
    Rows(&'static [Field]),
}

/// A field, and the versions that have it.
struct Field(i16, i16, Kind);

/// The first version with the compact encoding, and the fields in their order.
struct Shape(i16, &'static [Field]);

const NEVER: i16 = i16::MAX;
const I8: Kind = Kind::Fixed(1);
const I16: Kind = Kind::Fixed(2);
const I32: Kind = Kind::Fixed(4);
const I64: Kind = Kind::Fixed(8);
const UUID: Kind = Kind::Fixed(16);
const TEXT: Kind = Kind::Text;
const BLOB: Kind = Kind::Blob;
const NUMBERS: Kind = Kind::Each(&I32);
const TEXTS: Kind = Kind::Each(&TEXT);

const fn all(kind: Kind) -> Field {
    Field(0, NEVER, kind)
}

const fn since(version: i16, kind: Kind) -> Field {
    Field(version, NEVER, kind)
}

const fn rows(fields: &'static [Field]) -> Field {
    Field(0, NEVER, Kind::Rows(fields))
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Misshapen {
    #[error("it ends too early")]
    Short,
    #[error("a length is impossible")]
    Length,
    #[error("no shape is known")]
    Unknown,
}

const PRODUCE: Shape = Shape(9, &[all(TEXT), all(I16), all(I32), rows(&[all(TEXT), rows(&[all(I32), all(BLOB)])])]);
const FETCH: Shape = Shape(
    12,
    &[
        all(I32),
        all(I32),
        all(I32),
        all(I32),
        all(I8),
        since(7, I32),
        since(7, I32),
        rows(&[all(TEXT), rows(&[all(I32), since(9, I32), all(I64), since(5, I64), all(I32)])]),
        since(7, Kind::Rows(&[all(TEXT), all(NUMBERS)])),
        since(11, TEXT),
    ],
);
const LIST_OFFSETS: Shape =
    Shape(6, &[all(I32), since(2, I8), rows(&[all(TEXT), rows(&[all(I32), since(4, I32), all(I64)])])]);
const METADATA: Shape = Shape(9, &[rows(&[since(10, UUID), all(TEXT)]), since(4, I8), Field(8, 10, I8), since(8, I8)]);
const OFFSET_COMMIT: Shape = Shape(
    8,
    &[
        all(TEXT),
        all(I32),
        all(TEXT),
        since(7, TEXT),
        Field(2, 4, I64),
        rows(&[all(TEXT), rows(&[all(I32), all(I64), since(6, I32), all(TEXT)])]),
    ],
);
const OFFSET_FETCH: Shape = Shape(6, &[all(TEXT), rows(&[all(TEXT), all(NUMBERS)]), since(7, I8)]);
const FIND_COORDINATOR: Shape = Shape(3, &[all(TEXT), since(1, I8)]);
const JOIN_GROUP: Shape = Shape(
    6,
    &[all(TEXT), all(I32), since(1, I32), all(TEXT), since(5, TEXT), all(TEXT), rows(&[all(TEXT), all(BLOB)])],
);
const HEARTBEAT: Shape = Shape(4, &[all(TEXT), all(I32), all(TEXT), since(3, TEXT)]);
const LEAVE_GROUP: Shape = Shape(4, &[all(TEXT), Field(0, 2, TEXT), since(3, Kind::Rows(&[all(TEXT), all(TEXT)]))]);
const SYNC_GROUP: Shape = Shape(
    4,
    &[all(TEXT), all(I32), all(TEXT), since(3, TEXT), since(5, TEXT), since(5, TEXT), rows(&[all(TEXT), all(BLOB)])],
);
const DESCRIBE_GROUPS: Shape = Shape(5, &[all(TEXTS), since(3, I8)]);
const CREATE_TOPICS: Shape = Shape(
    5,
    &[
        rows(&[all(TEXT), all(I32), all(I16), rows(&[all(I32), all(NUMBERS)]), rows(&[all(TEXT), all(TEXT)])]),
        all(I32),
        all(I8),
    ],
);
const DELETE_TOPICS: Shape = Shape(4, &[since(6, Kind::Rows(&[all(TEXT), all(UUID)])), Field(1, 5, TEXTS), all(I32)]);
const DELETE_RECORDS: Shape = Shape(2, &[rows(&[all(TEXT), rows(&[all(I32), all(I64)])]), all(I32)]);
const INIT_PRODUCER_ID: Shape = Shape(2, &[all(TEXT), all(I32), since(3, I64), since(3, I16)]);
const OFFSET_FOR_LEADER_EPOCH: Shape =
    Shape(4, &[since(3, I32), rows(&[all(TEXT), rows(&[all(I32), all(I32), all(I32)])])]);
const DESCRIBE_CONFIGS: Shape = Shape(4, &[rows(&[all(I8), all(TEXT), all(TEXTS)]), all(I8), since(3, I8)]);
const CREATE_PARTITIONS: Shape = Shape(2, &[rows(&[all(TEXT), all(I32), rows(&[all(NUMBERS)])]), all(I32), all(I8)]);
const DELETE_GROUPS: Shape = Shape(2, &[all(TEXTS)]);
const DESCRIBE_CLUSTER: Shape = Shape(0, &[all(I8), since(1, I8)]);

fn shape(key: ApiKey) -> Option<&'static Shape> {
    Some(match key {
        ApiKey::Produce => &PRODUCE,
        ApiKey::Fetch => &FETCH,
        ApiKey::ListOffsets => &LIST_OFFSETS,
        ApiKey::Metadata => &METADATA,
        ApiKey::OffsetCommit => &OFFSET_COMMIT,
        ApiKey::OffsetFetch => &OFFSET_FETCH,
        ApiKey::FindCoordinator => &FIND_COORDINATOR,
        ApiKey::JoinGroup => &JOIN_GROUP,
        ApiKey::Heartbeat => &HEARTBEAT,
        ApiKey::LeaveGroup => &LEAVE_GROUP,
        ApiKey::SyncGroup => &SYNC_GROUP,
        ApiKey::DescribeGroups => &DESCRIBE_GROUPS,
        ApiKey::CreateTopics => &CREATE_TOPICS,
        ApiKey::DeleteTopics => &DELETE_TOPICS,
        ApiKey::DeleteRecords => &DELETE_RECORDS,
        ApiKey::InitProducerId => &INIT_PRODUCER_ID,
        ApiKey::OffsetForLeaderEpoch => &OFFSET_FOR_LEADER_EPOCH,
        ApiKey::DescribeConfigs => &DESCRIBE_CONFIGS,
        ApiKey::CreatePartitions => &CREATE_PARTITIONS,
        ApiKey::DeleteGroups => &DELETE_GROUPS,
        ApiKey::DescribeCluster => &DESCRIBE_CLUSTER,
        _ => return None,
    })
}

/// Walks over the body of a request.
pub(super) fn check(key: ApiKey, version: i16, body: &[u8]) -> Result<(), Misshapen> {
    let Shape(compact_since, fields) = shape(key).ok_or(Misshapen::Unknown)?;
    let mut walk = Walk { rest: body, version, compact: version >= *compact_since };
    walk.row(fields)
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    compact: bool,
}

impl Walk<'_> {
    fn row(&mut self, fields: &[Field]) -> Result<(), Misshapen> {
        for Field(since, until, kind) in fields {
            if (*since..=*until).contains(&self.version) {
                self.value(kind)?;
            }
        }
        if self.compact { self.tags() } else { Ok(()) }
    }

    fn value(&mut self, kind: &Kind) -> Result<(), Misshapen> {
        match kind {
            Kind::Fixed(size) => self.skip(*size),
            Kind::Text => {
                let length = if self.compact { self.compact_length()? } else { self.short_length()? };
                self.skip(length)
            }
            Kind::Blob => {
                let length = self.length()?;
                self.skip(length)
            }
            Kind::Each(kind) => self.times(|walk| walk.value(kind)),
            Kind::Rows(fields) => self.times(|walk| walk.row(fields)),
        }
    }

    /// Entry by entry: a count that is too high ends where the bytes end, as every entry has at least one.
    fn times(&mut self, mut one: impl FnMut(&mut Self) -> Result<(), Misshapen>) -> Result<(), Misshapen> {
        let count = self.length()?;
        if count > self.rest.len() {
            return Err(Misshapen::Length);
        }
        (0..count).try_for_each(|_| one(self))
    }

    fn skip(&mut self, size: usize) -> Result<(), Misshapen> {
        self.rest = self.rest.get(size..).ok_or(Misshapen::Short)?;
        Ok(())
    }

    /// A length in the encoding of this version; a null counts as nothing.
    fn length(&mut self) -> Result<usize, Misshapen> {
        if self.compact {
            return self.compact_length();
        }
        match self.rest.try_get_i32().map_err(|_| Misshapen::Short)? {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| Misshapen::Length),
        }
    }

    fn short_length(&mut self) -> Result<usize, Misshapen> {
        match self.rest.try_get_i16().map_err(|_| Misshapen::Short)? {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| Misshapen::Length),
        }
    }

    /// One more than the length, and zero for a null.
    fn compact_length(&mut self) -> Result<usize, Misshapen> {
        Ok(self.varint()?.saturating_sub(1))
    }

    fn varint(&mut self) -> Result<usize, Misshapen> {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.rest.try_get_u8().map_err(|_| Misshapen::Short)?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Misshapen::Length)
    }

    fn tags(&mut self) -> Result<(), Misshapen> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let size = self.varint()?;
            self.skip(size)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_claims_more_than_it_has_is_refused() {
        let claims = i32::MAX.to_be_bytes();
        assert_eq!(check(ApiKey::Metadata, 1, &claims), Err(Misshapen::Length));
        assert_eq!(check(ApiKey::Metadata, 9, &[0xff, 0xff, 0xff, 0xff, 0x07]), Err(Misshapen::Length));
    }

    #[test]
    fn an_honest_request_passes_in_both_encodings() {
        assert_eq!(check(ApiKey::Metadata, 1, &[0, 0, 0, 1, 0, 1, b't']), Ok(()));
        // One topic, one letter, its tags; three flags; the tags of the request.
        assert_eq!(check(ApiKey::Metadata, 9, &[2, 2, b't', 0, 1, 0, 0, 0]), Ok(()));
    }
}
