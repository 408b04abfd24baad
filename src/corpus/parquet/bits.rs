//! Small numbers in few bits: levels, indices into a dictionary, and differences.

use super::error::ParquetProblem;
use super::thrift::{unzigzag, varint};

const SHORT: ParquetProblem = ParquetProblem::damaged("a page ends before its values");

/// `width` bits from bit `at` on, low ones first.
fn bits(bytes: &[u8], at: u64, width: u32) -> Option<u64> {
    if width == 0 {
        return Some(0);
    }
    let first = usize::try_from(at / 8).ok()?;
    let shift = (at % 8) as u32;
    let last = first + ((shift + width).div_ceil(8)) as usize;
    let mut all = 0u128;
    for (place, &byte) in bytes.get(first..last)?.iter().enumerate() {
        all |= u128::from(byte) << (8 * place);
    }
    Some((all >> shift) as u64 & (u64::MAX >> (64 - width)))
}

/// Runs of one number, and runs of numbers packed into bits, mixed (Parquet's RLE).
#[derive(Debug, Clone)]
pub(super) struct Runs {
    at: usize,
    end: usize,
    width: u32,
    run: Run,
}

#[derive(Debug, Clone, Copy)]
enum Run {
    Same { value: u64, left: u64 },
    Packed { bit: u64, left: u64 },
}

impl Runs {
    /// Of numbers of `width` bits, at most 32, in `at..end` of a page.
    pub(super) fn new(at: usize, end: usize, width: u32) -> Result<Self, ParquetProblem> {
        if width > 32 || at > end {
            return Err(ParquetProblem::damaged("numbers of too many bits in a page"));
        }
        Ok(Self { at, end, width, run: Run::Same { value: 0, left: 0 } })
    }

    pub(super) fn next(&mut self, page: &[u8]) -> Result<u64, ParquetProblem> {
        let bytes = page.get(..self.end).ok_or(SHORT)?;
        loop {
            match &mut self.run {
                Run::Same { value, left } if *left > 0 => {
                    *left -= 1;
                    return Ok(*value);
                }
                Run::Packed { bit, left } if *left > 0 => {
                    *left -= 1;
                    let value = bits(bytes, *bit, self.width).ok_or(SHORT)?;
                    *bit += u64::from(self.width);
                    return Ok(value);
                }
                _ => self.begin(bytes)?,
            }
        }
    }

    /// Every run takes a byte at least, so this ends.
    fn begin(&mut self, bytes: &[u8]) -> Result<(), ParquetProblem> {
        let head = varint(bytes, &mut self.at).ok_or(SHORT)?;
        let count = head >> 1;
        if head & 1 == 0 {
            let size = self.width.div_ceil(8) as usize;
            let value = bits(bytes, 8 * self.at as u64, 8 * size as u32).ok_or(SHORT)?;
            self.at += size;
            self.run = Run::Same { value, left: count };
            return Ok(());
        }
        let size = count.checked_mul(u64::from(self.width)).ok_or(SHORT)?;
        self.run = Run::Packed { bit: 8 * self.at as u64, left: count.saturating_mul(8) };
        // The last run may be shorter than it says, if nobody asks for the rest.
        self.at = self.at.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)).min(bytes.len());
        Ok(())
    }
}

/// Numbers as differences to the one before, in blocks (Parquet's DELTA_BINARY_PACKED).
#[derive(Debug, Clone)]
pub(super) struct Differences {
    at: usize,
    /// Values in a mini-block.
    size: u64,
    /// Mini-blocks in a block.
    minis: usize,
    /// Values not yet handed out.
    left: u64,
    last: i64,
    is_first: bool,
    smallest: i64,
    /// Where the widths of the block's mini-blocks stand.
    widths: usize,
    mini: usize,
    done_in_mini: u64,
}

impl Differences {
    /// Larger blocks are refused: with widths of nothing they would cost time without bytes.
    const LARGEST_BLOCK: u64 = 1 << 16;

    pub(super) fn new(page: &[u8], mut at: usize) -> Result<Self, ParquetProblem> {
        let mut number = || varint(page, &mut at).ok_or(SHORT);
        let (block, minis, left, first) = (number()?, number()?, number()?, number()?);
        let fits =
            block <= Self::LARGEST_BLOCK && (1..=block).contains(&minis) && block.is_multiple_of(8 * minis);
        if !fits {
            return Err(ParquetProblem::damaged("blocks of differences have an impossible size"));
        }
        let (size, minis) = (block / minis, minis as usize);
        Ok(Self {
            at,
            size,
            minis,
            left,
            last: unzigzag(first),
            is_first: true,
            smallest: 0,
            widths: 0,
            mini: minis,
            done_in_mini: 0,
        })
    }

    pub(super) fn next(&mut self, page: &[u8]) -> Result<i64, ParquetProblem> {
        self.left = self.left.checked_sub(1).ok_or(SHORT)?;
        if std::mem::take(&mut self.is_first) {
            return Ok(self.last);
        }
        if self.mini == self.minis {
            self.smallest = varint(page, &mut self.at).map(unzigzag).ok_or(SHORT)?;
            self.widths = self.at;
            self.at += self.minis;
            (self.mini, self.done_in_mini) = (0, 0);
        }
        let width = u32::from(*page.get(self.widths + self.mini).ok_or(SHORT)?);
        if width > 64 {
            return Err(ParquetProblem::damaged("differences of more than 64 bits in a page"));
        }
        let bit = 8 * self.at as u64 + self.done_in_mini * u64::from(width);
        let more = bits(page, bit, width).ok_or(SHORT)?;
        self.last = self.last.wrapping_add(self.smallest).wrapping_add(more as i64);
        self.done_in_mini += 1;
        if self.done_in_mini == self.size {
            self.close_mini(width);
        }
        Ok(self.last)
    }

    fn close_mini(&mut self, width: u32) {
        self.at += (self.size * u64::from(width) / 8) as usize;
        (self.mini, self.done_in_mini) = (self.mini + 1, 0);
    }

    /// Where what follows all the values begins.
    pub(super) fn end(mut self, page: &[u8]) -> Result<usize, ParquetProblem> {
        while self.left > 0 {
            self.next(page)?;
        }
        if self.done_in_mini > 0 {
            self.close_mini(u32::from(*page.get(self.widths + self.mini).ok_or(SHORT)?));
        }
        if self.at <= page.len() { Ok(self.at) } else { Err(SHORT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification() {
        // 0 to 7 in three bits, packed, then four times seven.
        let page = [3, 0x88, 0xc6, 0xfa, 8, 7];
        let mut runs = Runs::new(0, page.len(), 3).unwrap();
        let read: Vec<u64> = (0..12).map(|_| runs.next(&page).unwrap()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7]);
        assert_eq!(runs.next(&page), Err(SHORT));
        // 7, 5, 3, 1, 2, 3, 4, 5 as differences -2, -2, -2, 1, 1, 1, 1 in blocks of eight.
        let page = [8, 1, 8, 14, 3, 2, 0xc0, 0x3f, 0xaa];
        let mut differences = Differences::new(&page, 0).unwrap();
        let read: Vec<i64> = (0..8).map(|_| differences.next(&page).unwrap()).collect();
        assert_eq!(read, [7, 5, 3, 1, 2, 3, 4, 5]);
        assert_eq!(Differences::new(&page, 0).unwrap().end(&page), Ok(8));
    }

    #[test]
    fn claims_without_bytes_are_refused() {
        assert!(Runs::new(0, 1, 33).is_err());
        let mut runs = Runs::new(0, 1, 8).unwrap();
        assert_eq!(runs.next(&[3]), Err(SHORT));
        for page in [&[0, 1, 1, 0][..], &[8, 0, 1, 0], &[7, 1, 1, 0], &[128, 128, 8, 1, 1, 0], &[8, 1]] {
            assert!(Differences::new(page, 0).is_err(), "{page:?}");
        }
    }
}
