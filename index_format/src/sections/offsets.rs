//! Where the items of a payload end: `n + 1` ascending numbers, 4 bytes each if they fit, else 8.

use std::io::Write;
use std::ops::Range;

use super::parts::{Parts, PartsWriter, expect};
use crate::error::FormatError;

/// Ascending from 0 to the length of the payload. Only both ends are checked at first, the rest when read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Offsets<'a> {
    Narrow(&'a [u32]),
    Wide(&'a [u64]),
}

impl<'a> Offsets<'a> {
    pub(super) fn read(
        parts: &mut Parts<'a>,
        what: &'static str,
        items: u32,
        width: u8,
        payload_length: u64,
    ) -> Result<Self, FormatError> {
        expect("the width of offsets", width_for(payload_length).into(), width.into())?;
        let count = u64::from(items) + 1;
        let offsets = match width {
            4 => Self::Narrow(parts.array(what, count)?),
            _ => Self::Wide(parts.array(what, count)?),
        };
        expect("the first offset", 0, offsets.get(0).unwrap_or(u64::MAX))?;
        expect("the last offset", payload_length, offsets.get(items as usize).unwrap_or(u64::MAX))?;
        Ok(offsets)
    }

    /// The part of the payload that belongs to `item`.
    pub(super) fn slice(
        &self,
        what: &'static str,
        payload: &'a [u8],
        item: usize,
    ) -> Result<&'a [u8], FormatError> {
        let Some((start, end)) = self.get(item).zip(item.checked_add(1).and_then(|next| self.get(next)))
        else {
            return Err(FormatError::OutOfRange { what, index: item as u64, len: self.len() as u64 - 1 });
        };
        let range: Range<usize> = start as usize..end as usize;
        payload.get(range).ok_or(FormatError::Inconsistent { what, expected: start, found: end })
    }

    /// The bytes of the two offsets that bound `item`; none if there is no such item.
    pub(super) fn entries(&self, item: usize) -> &'a [u8] {
        let both = item..item.saturating_add(2);
        match self {
            Self::Narrow(offsets) => offsets.get(both).map_or(&[], bytemuck::cast_slice),
            Self::Wide(offsets) => offsets.get(both).map_or(&[], bytemuck::cast_slice),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Narrow(offsets) => offsets.len(),
            Self::Wide(offsets) => offsets.len(),
        }
    }

    fn get(&self, index: usize) -> Option<u64> {
        match self {
            Self::Narrow(offsets) => offsets.get(index).copied().map(u64::from),
            Self::Wide(offsets) => offsets.get(index).copied(),
        }
    }
}

pub(super) fn width_for(payload_length: u64) -> u8 {
    if payload_length <= u64::from(u32::MAX) { 4 } else { 8 }
}

/// Writes the running sums of `lengths`, from 0.
pub(super) fn write<W: Write>(
    out: &mut PartsWriter<'_, W>,
    width: u8,
    lengths: impl Iterator<Item = u64>,
) -> Result<(), FormatError> {
    let mut end = 0_u64;
    out.put(&end.to_le_bytes()[..usize::from(width)])?;
    for length in lengths {
        end += length;
        out.put(&end.to_le_bytes()[..usize::from(width)])?;
    }
    Ok(())
}
