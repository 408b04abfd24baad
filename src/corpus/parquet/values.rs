//! The values of a page.

use super::bits::{Differences, Runs};
use super::error::ParquetProblem;
use super::schema::Physical;

const SHORT: ParquetProblem = ParquetProblem::damaged("a page ends before its values");

/// A value as it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Raw<'p> {
    Truth(bool),
    Integer(i64),
    Single(f32),
    Double(f64),
    Bytes(&'p [u8]),
}

/// Values that are named by their numbers.
#[derive(Debug)]
pub(super) struct Dictionary {
    bytes: Vec<u8>,
    /// Where each value begins.
    starts: Vec<u32>,
    physical: Physical,
}

impl Dictionary {
    /// `count` is believed only as far as there are bytes.
    pub(super) fn new(bytes: Vec<u8>, count: u64, physical: Physical) -> Result<Self, ParquetProblem> {
        if physical == Physical::Boolean {
            return Err(ParquetProblem::damaged("a dictionary of truths"));
        }
        let (mut starts, mut at) = (Vec::new(), 0);
        for _ in 0..count {
            starts.push(at as u32);
            plain(physical, &bytes, &mut at)?;
        }
        Ok(Self { bytes, starts, physical })
    }

    fn get(&self, index: u64) -> Result<Raw<'_>, ParquetProblem> {
        let start = usize::try_from(index).ok().and_then(|index| self.starts.get(index));
        let start = start.ok_or(ParquetProblem::damaged("a dictionary lacks a value that is named"))?;
        plain(self.physical, &self.bytes, &mut (*start as usize))
    }
}

/// How the values that are left in a page are encoded, and where the next one stands.
#[derive(Debug)]
pub(super) enum Values {
    Plain { at: usize, bit: u32 },
    Truths(Runs),
    Indices(Runs),
    Differences(Differences),
    Lengths { lengths: Differences, at: usize },
    Prefixes { prefixes: Differences, lengths: Differences, at: usize, last: Vec<u8> },
}

impl Values {
    /// `page[at..]` holds the values.
    pub(super) fn new(
        encoding: i64,
        physical: Physical,
        page: &[u8],
        at: usize,
    ) -> Result<Self, ParquetProblem> {
        let is_whole = matches!(physical, Physical::Int32 | Physical::Int64);
        let is_bytes = physical == Physical::Bytes;
        match encoding {
            0 => Ok(Self::Plain { at, bit: 0 }),
            2 | 8 => {
                // A page without one value that is there may have no width either.
                let width = page.get(at).copied().unwrap_or(0);
                Runs::new((at + 1).min(page.len()), page.len(), width.into()).map(Self::Indices)
            }
            3 if physical == Physical::Boolean => {
                let (begin, end) = prefixed(page, at)?;
                Runs::new(begin, end, 1).map(Self::Truths)
            }
            5 if is_whole => Differences::new(page, at).map(Self::Differences),
            6 if is_bytes => {
                let lengths = Differences::new(page, at)?;
                Ok(Self::Lengths { at: lengths.clone().end(page)?, lengths })
            }
            7 if is_bytes => {
                let prefixes = Differences::new(page, at)?;
                let lengths = Differences::new(page, prefixes.clone().end(page)?)?;
                Ok(Self::Prefixes { at: lengths.clone().end(page)?, prefixes, lengths, last: Vec::new() })
            }
            4 => Err(ParquetProblem::Encoding { encoding: "BIT_PACKED".to_owned() }),
            9 => Err(ParquetProblem::Encoding { encoding: "BYTE_STREAM_SPLIT".to_owned() }),
            other => Err(ParquetProblem::Encoding { encoding: format!("number {other}") }),
        }
    }

    pub(super) fn next<'p>(
        &'p mut self,
        page: &'p [u8],
        physical: Physical,
        dictionary: Option<&'p Dictionary>,
    ) -> Result<Raw<'p>, ParquetProblem> {
        match self {
            Self::Plain { at, bit } if physical == Physical::Boolean => {
                let byte = page.get(*at).ok_or(SHORT)?;
                let truth = byte >> *bit & 1 == 1;
                *bit = (*bit + 1) % 8;
                *at += usize::from(*bit == 0);
                Ok(Raw::Truth(truth))
            }
            Self::Plain { at, .. } => plain(physical, page, at),
            Self::Truths(runs) => runs.next(page).map(|truth| Raw::Truth(truth == 1)),
            Self::Indices(runs) => {
                let dictionary = dictionary.ok_or(ParquetProblem::damaged("a dictionary is missing"))?;
                dictionary.get(runs.next(page)?)
            }
            Self::Differences(differences) => {
                let value = differences.next(page)?;
                // Differences of 32-bit numbers wrap around in 32 bits.
                let is_short = physical == Physical::Int32;
                Ok(Raw::Integer(if is_short { i64::from(value as i32) } else { value }))
            }
            Self::Lengths { lengths, at } => take(page, at, lengths.next(page)?).map(Raw::Bytes),
            Self::Prefixes { prefixes, lengths, at, last } => {
                let kept = usize::try_from(prefixes.next(page)?).ok().filter(|&kept| kept <= last.len());
                last.truncate(kept.ok_or(ParquetProblem::damaged("a string begins as nothing before it"))?);
                last.extend_from_slice(take(page, at, lengths.next(page)?)?);
                Ok(Raw::Bytes(last))
            }
        }
    }
}

/// A value in as many bytes as it needs, and the place behind it.
fn plain<'p>(physical: Physical, bytes: &'p [u8], at: &mut usize) -> Result<Raw<'p>, ParquetProblem> {
    fn array<const N: usize>(bytes: &[u8], at: &mut usize) -> Result<[u8; N], ParquetProblem> {
        let array = bytes.get(*at..).and_then(<[u8]>::first_chunk).ok_or(SHORT)?;
        *at += N;
        Ok(*array)
    }
    Ok(match physical {
        Physical::Boolean => return Err(ParquetProblem::damaged("truths where none can be")),
        Physical::Int32 => Raw::Integer(i32::from_le_bytes(array(bytes, at)?).into()),
        Physical::Int64 => Raw::Integer(i64::from_le_bytes(array(bytes, at)?)),
        Physical::Float => Raw::Single(f32::from_le_bytes(array(bytes, at)?)),
        Physical::Double => Raw::Double(f64::from_le_bytes(array(bytes, at)?)),
        Physical::Bytes => {
            let length = u32::from_le_bytes(array(bytes, at)?);
            Raw::Bytes(take(bytes, at, length.into())?)
        }
    })
}

fn take<'p>(bytes: &'p [u8], at: &mut usize, length: i64) -> Result<&'p [u8], ParquetProblem> {
    let end = usize::try_from(length).ok().and_then(|length| at.checked_add(length)).ok_or(SHORT)?;
    let taken = bytes.get(*at..end).ok_or(SHORT)?;
    *at = end;
    Ok(taken)
}

/// The bytes behind a length of four bytes.
pub(super) fn prefixed(page: &[u8], at: usize) -> Result<(usize, usize), ParquetProblem> {
    let length = page.get(at..).and_then(<[u8]>::first_chunk).ok_or(SHORT)?;
    let (begin, length) = (at + 4, u32::from_le_bytes(*length) as usize);
    if page.len() - begin < length { Err(SHORT) } else { Ok((begin, begin + length)) }
}
