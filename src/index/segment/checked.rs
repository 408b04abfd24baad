//! Bytes that are compared with their checksums when they are first touched, and only then.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::format::{ALIGNMENT, BLOCK_LEN, FormatError, SectionEntry};
use crate::index::IndexError;
use crate::index::directory::FileBytes;

/// The bytes of a section's head.
pub(super) const HEAD_LEN: usize = 64;

/// Which blocks of a section were found whole.
///
/// The bits say something about constant bytes and guard no other memory, so `Relaxed` is enough: at worst
/// two threads check the same block.
#[derive(Debug)]
pub(super) struct Checked {
    entry: SectionEntry,
    sums: AtomicBool,
    blocks: Box<[AtomicU64]>,
    /// How many bits of `blocks` are still to be set.
    left: AtomicUsize,
}

impl Checked {
    pub(super) fn new(entry: SectionEntry) -> Self {
        let count = entry.block_count();
        let blocks = (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { entry, sums: AtomicBool::new(false), blocks, left: AtomicUsize::new(count) }
    }

    pub(super) fn entry(&self) -> &SectionEntry {
        &self.entry
    }

    fn is_checked(&self, block: usize) -> bool {
        self.blocks[block / 64].load(Ordering::Relaxed) >> (block % 64) & 1 == 1
    }

    #[cold]
    fn check(&self, file: &[u8], block: usize, rule: &Rule<'_>) -> Result<(), BlockError> {
        if !self.sums.load(Ordering::Relaxed) {
            self.entry.verify_sums(file)?;
            self.sums.store(true, Ordering::Relaxed);
        }
        self.entry.verify_block(file, block)?;
        rule(block)?;
        let bit = 1 << (block % 64);
        if self.blocks[block / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Why a block cannot be used.
pub(super) enum BlockError {
    Format(FormatError),
    OutOfRange { what: &'static str, value: u64, limit: u64 },
}

impl From<FormatError> for BlockError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl BlockError {
    fn at(self, path: &Path) -> IndexError {
        let file = path.to_owned();
        match self {
            Self::Format(source) => IndexError::Format { file, source },
            Self::OutOfRange { what, value, limit } => IndexError::OutOfRange { file, what, value, limit },
        }
    }
}

/// What the content of a block has to obey beyond its checksum; asked once per block.
pub(super) type Rule<'a> = dyn Fn(usize) -> Result<(), BlockError> + 'a;

/// A section of an open file, together with what is known about it.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    path: &'a Path,
    file: &'a FileBytes,
    checked: &'a Checked,
    bytes: &'a [u8],
}

impl<'a> Section<'a> {
    pub(super) fn new(path: &'a Path, file: &'a FileBytes, checked: &'a Checked) -> Self {
        Self { path, file, checked, bytes: &file[checked.entry.range()] }
    }

    /// The bytes, checked or not: what is read of them has to be [`touch`](Self::touch)ed first.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether every byte has been made sure of.
    #[inline]
    pub(super) fn is_whole(&self) -> bool {
        self.checked.left.load(Ordering::Relaxed) == 0
    }

    /// Makes sure that the bytes of `range`, counted from the section's start, are as they were written.
    #[inline]
    pub(super) fn touch(&self, range: Range<usize>) -> Result<(), IndexError> {
        self.touch_with(range, &|_| Ok(()))
    }

    /// As [`Section::touch`]; a block seen for the first time has to obey `rule` as well.
    #[inline]
    pub(super) fn touch_with(&self, range: Range<usize>, rule: &Rule<'_>) -> Result<(), IndexError> {
        if range.is_empty() {
            return Ok(());
        }
        for block in range.start / BLOCK_LEN..=(range.end - 1) / BLOCK_LEN {
            if !self.checked.is_checked(block) {
                self.checked.check(self.file, block, rule).map_err(|error| error.at(self.path))?;
            }
        }
        Ok(())
    }

    /// Begins to read the blocks behind `part` that were never touched: those may not be in memory.
    #[inline]
    pub(super) fn will_need<T>(&self, part: &[T]) {
        let place = self.place(part);
        if place.is_empty() {
            return;
        }
        for block in place.start / BLOCK_LEN..=(place.end - 1) / BLOCK_LEN {
            if !self.checked.is_checked(block) {
                let start = self.checked.entry.range().start;
                let end = ((block + 1) * BLOCK_LEN).min(self.bytes.len());
                self.file.will_need(start + block * BLOCK_LEN..start + end);
            }
        }
    }

    /// Makes sure of the bytes behind `part`, a slice of this section.
    #[inline]
    pub(super) fn touch_part<T>(&self, part: &[T]) -> Result<(), IndexError> {
        self.touch(self.place(part))
    }

    /// As [`Section::touch_with`], of the bytes behind `part`.
    #[inline]
    pub(super) fn touch_part_with<T>(&self, part: &[T], rule: &Rule<'_>) -> Result<(), IndexError> {
        self.touch_with(self.place(part), rule)
    }

    /// Makes sure of `part` and the `u32` before it, which tells its length.
    #[inline]
    pub(super) fn touch_part_and_count(&self, part: &[u32]) -> Result<(), IndexError> {
        let place = self.place(part);
        self.touch(place.start.saturating_sub(size_of::<u32>())..place.end)
    }

    /// Makes sure of the head, which bounds everything that a view reads.
    #[inline]
    pub(super) fn touch_head(&self) -> Result<(), IndexError> {
        self.touch(0..self.bytes.len().min(HEAD_LEN))
    }

    fn place<T>(&self, part: &[T]) -> Range<usize> {
        if part.is_empty() {
            return 0..0;
        }
        let start = part.as_ptr() as usize - self.bytes.as_ptr() as usize;
        start..start + size_of_val(part)
    }

    /// Makes sure of the whole section.
    pub(super) fn touch_all(&self) -> Result<(), IndexError> {
        self.touch(0..self.bytes.len())
    }

    /// Names the file in an error of a view. Where bytes of the section changed since they were written, that is the
    /// error: a view looks at some of them before anybody touches their blocks.
    pub(super) fn error(&self, source: FormatError) -> IndexError {
        match self.touch_all() {
            Err(changed) => changed,
            Ok(()) => IndexError::Format { file: self.path.to_owned(), source },
        }
    }
}

/// Where a section keeps the `items + 1` offsets into its payload: behind the head, 4 bytes wide if the
/// payload's length fits, else 8.
#[derive(Debug, Clone, Copy)]
pub(super) struct OffsetTable {
    width: usize,
    payload: usize,
}

impl OffsetTable {
    /// `between` bytes lie between the offsets and the payload, at an aligned place of their own.
    pub(super) fn new(section_len: usize, items: u32, between: usize) -> Self {
        let payload = |width: usize| {
            let end = HEAD_LEN + width * (items as usize + 1);
            (end.next_multiple_of(ALIGNMENT) + between).next_multiple_of(ALIGNMENT)
        };
        // Narrow offsets are used exactly if the payload they leave is short enough for them.
        let narrow = section_len.saturating_sub(payload(4)) <= u32::MAX as usize;
        let width = if narrow { 4 } else { 8 };
        Self { width, payload: payload(width) }
    }

    /// The bytes of the two offsets that bound `item`, which may not exist.
    pub(super) fn entries(&self, item: u32) -> Range<usize> {
        let start = HEAD_LEN + item as usize * self.width;
        start.min(self.payload)..(start + 2 * self.width).min(self.payload)
    }

    /// Where the payload begins.
    pub(super) fn payload(&self) -> usize {
        self.payload
    }

    /// Where in the payload `item` begins, which exists.
    pub(super) fn offset(&self, section: &[u8], item: u32) -> usize {
        let start = self.entries(item).start;
        let mut bytes = [0; 8];
        bytes[..self.width].copy_from_slice(&section[start..start + self.width]);
        u64::from_le_bytes(bytes) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_of_offsets_follows_from_the_length_of_the_section() {
        let items = 1000;
        let narrow_payload = (HEAD_LEN + 4 * 1001_usize).next_multiple_of(ALIGNMENT);
        let wide_payload = (HEAD_LEN + 8 * 1001_usize).next_multiple_of(ALIGNMENT);
        let longest_narrow = u32::MAX as usize;
        for (payload_len, width) in [(0, 4), (longest_narrow, 4), (longest_narrow + 1, 8), (1 << 40, 8)] {
            let payload = if width == 4 { narrow_payload } else { wide_payload };
            let table = OffsetTable::new(payload + payload_len, items, 0);
            assert_eq!((table.width, table.payload()), (width, payload));
            assert_eq!(table.entries(0), HEAD_LEN..HEAD_LEN + 2 * width);
            assert_eq!(table.entries(999).end, HEAD_LEN + 1001 * width);
            assert!(table.entries(u32::MAX).is_empty());
        }
    }
}
