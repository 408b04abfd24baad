//! xxh3-64 over records, and over sections in blocks.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::error::{FormatError, Part};

/// Sections are summed in blocks of this many bytes, the last one shorter: what is read is verified, without
/// reading the rest.
pub const BLOCK_LEN: usize = 64 * 1024;

/// xxh3-64, seed 0.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

pub(crate) fn check(part: Part, bytes: &[u8], expected: u64) -> Result<(), FormatError> {
    match checksum(bytes) {
        found if found == expected => Ok(()),
        found => Err(FormatError::ChecksumMismatch { part, expected, found }),
    }
}

/// Holds a record against the checksum of its other bytes, its last eight bytes; returns the checksum.
pub(crate) fn check_record(part: Part, record: &[u8]) -> Result<u64, FormatError> {
    let (covered, expected) =
        record.split_last_chunk().map_or((record, 0), |(covered, sum)| (covered, u64::from_le_bytes(*sum)));
    check(part, covered, expected)?;
    Ok(expected)
}

/// Sums a stream block by block.
#[derive(Default)]
pub(crate) struct BlockSums {
    sums: Vec<u64>,
    block: Xxh3Default,
    block_len: usize,
}

impl BlockSums {
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_LEN - self.block_len));
            self.block.update(now);
            self.block_len += now.len();
            if self.block_len == BLOCK_LEN {
                self.end_block();
            }
            bytes = later;
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u64> {
        if self.block_len > 0 {
            self.end_block();
        }
        self.sums
    }

    fn end_block(&mut self) {
        self.sums.push(self.block.digest());
        self.block = Xxh3Default::new();
        self.block_len = 0;
    }
}
