//! The 61 bytes in front of every record batch: read, checked, stamped; the records stay as they came.

use std::ops::RangeInclusive;

use kafka_protocol::error::ResponseError;

/// Bytes up to and including the record count: what is needed to know everything but the records.
pub(super) const HEADER: usize = 61;

/// Base offset and length: these do not count themselves.
const LENGTH_ENDS: usize = 12;

/// What the CRC covers begins behind it: offset, length, leader epoch and magic may be rewritten freely.
const CRC_FROM: usize = 21;

const MAGIC: i8 = 2;
const COMPRESSION_BITS: i16 = 0b111;
const COMPRESSIONS: RangeInclusive<i16> = 0..=4;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// The header of a batch, as far as a broker wants to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub base_offset: i64,
    /// Of the whole batch, the first twelve bytes included.
    pub size: u64,
    pub magic: i8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub count: i32,
}

impl Header {
    /// Reads the header; `None` where bytes are missing or the length is impossible.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let length = i32::from_be_bytes(array(bytes, 8)?);
        let size = usize::try_from(length).ok()?.checked_add(LENGTH_ENDS)?;
        if size < HEADER {
            return None;
        }
        Some(Self {
            base_offset: i64::from_be_bytes(array(bytes, 0)?),
            size: u64::try_from(size).ok()?,
            magic: i8::from_be_bytes(array(bytes, 16)?),
            crc: u32::from_be_bytes(array(bytes, 17)?),
            attributes: i16::from_be_bytes(array(bytes, 21)?),
            last_offset_delta: i32::from_be_bytes(array(bytes, 23)?),
            max_timestamp: i64::from_be_bytes(array(bytes, 35)?),
            producer_id: i64::from_be_bytes(array(bytes, 43)?),
            producer_epoch: i16::from_be_bytes(array(bytes, 51)?),
            base_sequence: i32::from_be_bytes(array(bytes, 53)?),
            count: i32::from_be_bytes(array(bytes, 57)?),
        })
    }

    /// The offset behind the last record.
    pub(super) fn next_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta)).saturating_add(1)
    }

    /// The sequence number of the last record; sequences wrap to zero behind `i32::MAX`.
    pub(super) fn last_sequence(&self) -> i32 {
        advance(self.base_sequence, self.last_offset_delta)
    }
}

/// `sequence + by`, within 0 to `i32::MAX`.
pub(super) fn advance(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Whether the checksum of a whole batch is right.
pub(super) fn intact(batch: &[u8], header: &Header) -> bool {
    batch.get(CRC_FROM..).is_some_and(|covered| crc32c::crc32c(covered) == header.crc)
}

/// What a producer sent for one partition: exactly one batch of the current format, whole and unharmed.
///
/// The records within are not looked at: they may be compressed, and they are the reader's business.
pub(super) fn check(bytes: &[u8], max_message_bytes: u64) -> Result<Header, ResponseError> {
    // Older formats have the magic at the same place, so it can be judged before anything else.
    match bytes.get(16) {
        None => return Err(ResponseError::CorruptMessage),
        Some(magic) if i8::from_be_bytes([*magic]) != MAGIC => {
            return Err(ResponseError::UnsupportedForMessageFormat);
        }
        Some(_) => {}
    }
    if u64::try_from(bytes.len()).is_ok_and(|length| length > max_message_bytes) {
        return Err(ResponseError::MessageTooLarge);
    }
    let header = Header::read(bytes).ok_or(ResponseError::CorruptMessage)?;
    match u64::try_from(bytes.len()).map(|length| length.cmp(&header.size)) {
        Ok(std::cmp::Ordering::Equal) => {}
        // A second batch in one request is against the protocol since format 2.
        Ok(std::cmp::Ordering::Greater) => return Err(ResponseError::InvalidRecord),
        _ => return Err(ResponseError::CorruptMessage),
    }
    if !intact(bytes, &header) {
        return Err(ResponseError::CorruptMessage);
    }
    if header.attributes & TRANSACTIONAL != 0 {
        return Err(ResponseError::InvalidTxnState);
    }
    let counts = header.count >= 1 && header.last_offset_delta == header.count - 1;
    let codec = COMPRESSIONS.contains(&(header.attributes & COMPRESSION_BITS));
    if header.attributes & CONTROL != 0 || !counts || !codec {
        return Err(ResponseError::InvalidRecord);
    }
    Ok(header)
}

/// A batch as it goes into the log: its place, the leader's epoch, the time of appending, a new checksum.
///
/// With the log-append bit set, readers take the batch's maximum timestamp for every record in it,
/// so nothing within a compressed batch needs to be touched.
pub(super) fn stamp(batch: &mut [u8], header: &Header, base_offset: i64, leader_epoch: i32, now: i64) {
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = batch.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(0, &base_offset.to_be_bytes());
    put(12, &leader_epoch.to_be_bytes());
    put(21, &(header.attributes | LOG_APPEND_TIME).to_be_bytes());
    put(35, &now.to_be_bytes());
    let crc = crc32c::crc32c(batch.get(CRC_FROM..).unwrap_or_default());
    if let Some(place) = batch.get_mut(17..CRC_FROM) {
        place.copy_from_slice(&crc.to_be_bytes());
    }
}

/// Whether a batch in a segment file is one that this broker can have written at this place.
///
/// The base offset lies outside the checksum, so it is compared with the one that has to come here.
pub(super) fn plausible(header: &Header, base_offset: i64) -> bool {
    header.magic == MAGIC && header.base_offset == base_offset && header.last_offset_delta >= 0
}
