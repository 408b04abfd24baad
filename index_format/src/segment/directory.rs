//! One entry of the directory.

use std::ops::Range;

use super::{Flags, SectionKind};
use crate::BLOCK_LEN;
use crate::checksum;
use crate::error::{FormatError, Part};
use crate::layout::entry as fields;
use crate::record::{RecordBuf, RecordRef};

pub(super) const ENTRY_LEN: usize = fields::LAYOUT.len;

/// The length of one block sum.
pub(super) const SUM_LEN: u64 = 8;

/// Where a section lies, and how its bytes are verified.
///
/// The bytes of a section are **not** verified by parsing. Verify before the first use: all at once with
/// [`verify`](Self::verify), or first [`verify_sums`](Self::verify_sums), then
/// [`verify_block`](Self::verify_block) for each block about to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionEntry {
    pub(super) kind: SectionKind,
    pub(super) flags: Flags,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) sums_offset: u64,
    pub(super) sums_checksum: u64,
}

impl SectionEntry {
    /// What the section holds.
    #[must_use]
    pub fn kind(&self) -> SectionKind {
        self.kind
    }

    /// Whether a reader must know the section.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// The bytes of the section in the file.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        // Parsing held both ends against the length of the file in memory, so they fit.
        self.offset as usize..(self.offset + self.length) as usize
    }

    /// How many blocks the section is summed in: none if it is empty.
    #[must_use]
    pub fn block_count(&self) -> usize {
        block_count(self.length) as usize
    }

    /// The bytes of one block in the file.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such block.
    pub fn block_range(&self, block: usize) -> Result<Range<usize>, FormatError> {
        let len = self.block_count();
        if block >= len {
            return Err(FormatError::OutOfRange { what: "block", index: block as u64, len: len as u64 });
        }
        let section = self.range();
        let start = section.start + block * BLOCK_LEN;
        Ok(start..section.end.min(start + BLOCK_LEN))
    }

    /// The section's bytes.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] if `file` is not the file that was parsed.
    pub fn bytes<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], FormatError> {
        slice(file, self.range())
    }

    /// Holds the block sums against the directory. Cost: `O(blocks)`.
    ///
    /// # Errors
    /// [`FormatError::ChecksumMismatch`] if they changed.
    pub fn verify_sums(&self, file: &[u8]) -> Result<(), FormatError> {
        let start = self.sums_offset as usize;
        let sums = slice(file, start..start + self.block_count() * SUM_LEN as usize)?;
        checksum::check(Part::BlockSums(self.kind), sums, self.sums_checksum)
    }

    /// Holds one block against its sum, which [`verify_sums`](Self::verify_sums) must have found sound.
    ///
    /// # Errors
    /// [`FormatError::ChecksumMismatch`] if the block changed, [`FormatError::OutOfRange`] if there is none.
    pub fn verify_block(&self, file: &[u8], block: usize) -> Result<(), FormatError> {
        let range = self.block_range(block)?;
        let sum_at = self.sums_offset as usize + block * SUM_LEN as usize;
        let sum = slice(file, sum_at..sum_at + SUM_LEN as usize)?;
        let expected = u64::from_le_bytes(sum.try_into().unwrap_or_default());
        checksum::check(Part::Block(self.kind, block), slice(file, range)?, expected)
    }

    /// Holds the block sums, then every block against them. Cost: reads the whole section.
    ///
    /// # Errors
    /// [`FormatError::ChecksumMismatch`] of the first part that changed.
    pub fn verify(&self, file: &[u8]) -> Result<(), FormatError> {
        self.verify_sums(file)?;
        (0..self.block_count()).try_for_each(|block| self.verify_block(file, block))
    }

    pub(super) fn encode(&self) -> [u8; ENTRY_LEN] {
        RecordBuf::<ENTRY_LEN>::new(&fields::LAYOUT)
            .set(fields::KIND, self.kind.code().to_le_bytes())
            .set(fields::FLAGS, self.flags.bits().to_le_bytes())
            .set(fields::OFFSET, self.offset.to_le_bytes())
            .set(fields::LENGTH, self.length.to_le_bytes())
            .set(fields::SUMS_OFFSET, self.sums_offset.to_le_bytes())
            .set(fields::SUMS_CHECKSUM, self.sums_checksum.to_le_bytes())
            .into_bytes()
    }

    /// Reads an entry; where it points is for the caller to check.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let record = RecordRef::new(&fields::LAYOUT, bytes)?;
        let bits = record.u32(fields::FLAGS);
        let flags = Flags::from_bits(bits).ok_or(FormatError::Inconsistent {
            what: "the flags of a section",
            expected: Flags::REQUIRED.bits().into(),
            found: bits.into(),
        })?;
        let kind = SectionKind::from_code(record.u32(fields::KIND));
        if let (SectionKind::Unknown(kind), true) = (kind, flags.is_required()) {
            return Err(FormatError::UnknownRequiredSection { kind });
        }
        Ok(Self {
            kind,
            flags,
            offset: record.u64(fields::OFFSET),
            length: record.u64(fields::LENGTH),
            sums_offset: record.u64(fields::SUMS_OFFSET),
            sums_checksum: record.u64(fields::SUMS_CHECKSUM),
        })
    }
}

pub(super) fn block_count(length: u64) -> u64 {
    length.div_ceil(BLOCK_LEN as u64)
}

fn slice(file: &[u8], range: Range<usize>) -> Result<&[u8], FormatError> {
    let (needed, have) = (range.end as u64, file.len() as u64);
    file.get(range).ok_or(FormatError::Truncated { what: "the segment file", needed, have })
}
