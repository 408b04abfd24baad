//! Taking a section apart into arrays, and putting it together, each array at an aligned place.

use std::io::Write;
use std::ops::Range;

use bytemuck::AnyBitPattern;

use crate::ALIGNMENT;
use crate::error::FormatError;
use crate::layout::RecordLayout;
use crate::record::RecordRef;

/// What of a section has not been taken yet. Places are relative to the section's start.
pub(super) struct Parts<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parts<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn record(&mut self, layout: &'static RecordLayout) -> Result<RecordRef<'a>, FormatError> {
        RecordRef::new(layout, self.bytes(layout.title, 1, layout.len)?)
    }

    /// `count` items of `size` bytes. `count` may be anything: it is held against what is there.
    pub(super) fn bytes(
        &mut self,
        what: &'static str,
        count: u64,
        size: usize,
    ) -> Result<&'a [u8], FormatError> {
        let rest = &self.bytes[self.at..];
        let needed = count.saturating_mul(size as u64);
        let have = rest.len() as u64;
        if needed > have {
            return Err(FormatError::Truncated { what, needed, have });
        }
        self.at += needed as usize;
        Ok(&rest[..needed as usize])
    }

    /// `count` numbers, in place.
    pub(super) fn array<T: AnyBitPattern>(
        &mut self,
        what: &'static str,
        count: u64,
    ) -> Result<&'a [T], FormatError> {
        cast(what, self.bytes(what, count, size_of::<T>())?)
    }

    /// The zeros up to the next aligned place.
    pub(super) fn padding(&mut self) -> Result<(), FormatError> {
        let count = self.at.next_multiple_of(ALIGNMENT) - self.at;
        match self.bytes("padding", count as u64, 1)?.iter().find(|&&byte| byte != 0) {
            None => Ok(()),
            Some(&byte) => expect("a padding byte", 0, byte.into()),
        }
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), FormatError> {
        expect("the length of a section", self.at as u64, self.bytes.len() as u64)
    }
}

/// A sink that knows how far it is.
pub(super) struct PartsWriter<'w, W: Write> {
    sink: &'w mut W,
    at: u64,
}

impl<'w, W: Write> PartsWriter<'w, W> {
    pub(super) fn new(sink: &'w mut W) -> Self {
        Self { sink, at: 0 }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        self.sink.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn padding(&mut self) -> Result<(), FormatError> {
        let count = (self.at.next_multiple_of(ALIGNMENT as u64) - self.at) as usize;
        self.put(&[0; ALIGNMENT][..count])
    }
}

/// `bytes` as numbers, in place; no bytes are no numbers at any address.
pub(super) fn cast<'a, T: AnyBitPattern>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<&'a [T], FormatError> {
    if !bytes.len().is_multiple_of(size_of::<T>()) {
        return Err(FormatError::Inconsistent {
            what,
            expected: (bytes.len() - bytes.len() % size_of::<T>()) as u64,
            found: bytes.len() as u64,
        });
    }
    if bytes.is_empty() {
        return Ok(&[]);
    }
    bytemuck::try_cast_slice(bytes).map_err(|_| FormatError::Misaligned { what, alignment: align_of::<T>() })
}

pub(super) fn expect(what: &'static str, expected: u64, found: u64) -> Result<(), FormatError> {
    if expected == found { Ok(()) } else { Err(FormatError::Inconsistent { what, expected, found }) }
}

/// Refuses `found` above `limit`.
pub(super) fn at_most(what: &'static str, limit: u64, found: u64) -> Result<(), FormatError> {
    if found <= limit { Ok(()) } else { Err(FormatError::TooLarge { what, limit, found }) }
}

/// Item `index` of `items`.
pub(super) fn item<T: Copy>(what: &'static str, items: &[T], index: usize) -> Result<T, FormatError> {
    let len = items.len() as u64;
    items.get(index).copied().ok_or(FormatError::OutOfRange { what, index: index as u64, len })
}

/// Rows `range` of an array with `stride` numbers a row.
pub(super) fn rows<'a, T>(
    what: &'static str,
    items: &'a [T],
    stride: usize,
    range: Range<usize>,
) -> Result<&'a [T], FormatError> {
    let out_of_range =
        FormatError::OutOfRange { what, index: range.end as u64, len: (items.len() / stride.max(1)) as u64 };
    match (range.start.checked_mul(stride), range.end.checked_mul(stride)) {
        (Some(start), Some(end)) => items.get(start..end).ok_or(out_of_range),
        _ => Err(out_of_range),
    }
}

/// A dimension of vectors: 1 to [`MAX_DIM`](crate::MAX_DIM).
pub(super) fn check_dim(dim: u32) -> Result<(), FormatError> {
    if dim == 0 {
        return Err(FormatError::Inconsistent { what: "a dimension", expected: 1, found: 0 });
    }
    at_most("a dimension", crate::MAX_DIM.into(), dim.into())
}
