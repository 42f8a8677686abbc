//! Going through the batches of a segment file, header by header, in few reads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::batch::{self, HEADER, Header};

/// Bytes read at once. Small batches come by the hundred in one read, large ones cost one read each.
const CHUNK: u64 = 32 * 1024;

/// A cursor over whole batches between two positions of a file.
pub(super) struct Walk<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    chunk: Vec<u8>,
    /// Where in the file the chunk begins.
    chunk_at: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(file: &'a File, from: u64, end: u64) -> Self {
        Self { file, position: from, end, chunk: Vec::new(), chunk_at: from }
    }

    /// Where the walk stands: behind the batch that was returned last.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next batch's header; `None` at the end, and where what follows is not a whole batch.
    pub(super) fn next(&mut self) -> io::Result<Option<Header>> {
        let Some(bytes) = self.bytes(self.position, HEADER)? else {
            return Ok(None);
        };
        let Some(header) = Header::read(bytes) else {
            return Ok(None);
        };
        match self.position.checked_add(header.size) {
            Some(next) if next <= self.end => {
                self.position = next;
                Ok(Some(header))
            }
            _ => Ok(None),
        }
    }

    /// Whether the batch that was returned last has the checksum it says.
    pub(super) fn intact(&mut self, header: &Header) -> io::Result<bool> {
        let Ok(size) = usize::try_from(header.size) else {
            return Ok(false);
        };
        let whole = self.bytes(self.position - header.size, size)?;
        Ok(whole.is_some_and(|bytes| batch::intact(bytes, header)))
    }

    /// `length` bytes at a position, from the chunk or with one read; `None` where the end comes before.
    fn bytes(&mut self, at: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let wanted = length as u64; // widening on every platform with 64-bit or smaller pointers
        if at.checked_add(wanted).is_none_or(|behind| behind > self.end) {
            return Ok(None);
        }
        let held = self.chunk.len() as u64; // widening, as above
        if at < self.chunk_at || at + wanted > self.chunk_at + held {
            let size = wanted.max(CHUNK).min(self.end - at);
            self.chunk.resize(usize::try_from(size).map_err(io::Error::other)?, 0);
            self.file.read_exact_at(&mut self.chunk, at)?;
            self.chunk_at = at;
        }
        let from = usize::try_from(at - self.chunk_at).map_err(io::Error::other)?;
        Ok(self.chunk.get(from..from + length))
    }
}
