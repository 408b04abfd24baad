//! Section `CentroidIds`: the centroid of each token.

use std::io::Write;
use std::ops::Range;

use super::parts::{Parts, expect, rows};
use crate::error::FormatError;
use crate::layout::centroid_ids as fields;
use crate::record::RecordBuf;

/// The bytes an id takes where there are `centroids`: 2, 3 or 4.
#[must_use]
pub fn centroid_id_width(centroids: u32) -> u8 {
    match centroids {
        0..=0x1_0000 => 2,
        0x1_0001..=0x100_0000 => 3,
        _ => 4,
    }
}

/// Writes the section: `tokens` ids, each smaller than `centroids`.
///
/// # Errors
/// [`FormatError::OutOfRange`] if an id is not smaller, [`FormatError::Inconsistent`] if there are not `tokens`
/// ids, [`FormatError::Io`] if `out` refuses the bytes.
pub fn write_centroid_ids(
    out: &mut impl Write,
    centroids: u32,
    tokens: u64,
    ids: impl IntoIterator<Item = u32>,
) -> Result<(), FormatError> {
    let width = centroid_id_width(centroids);
    let head = RecordBuf::<64>::new(&fields::LAYOUT)
        .set(fields::TOKENS, tokens.to_le_bytes())
        .set(fields::WIDTH, [width]);
    out.write_all(&head.into_bytes())?;
    let mut written = 0;
    for id in ids {
        check_id(id, centroids)?;
        out.write_all(&id.to_le_bytes()[..usize::from(width)])?;
        written += 1;
    }
    expect("the number of centroid ids", tokens, written)
}

/// One id of 2, 3 or 4 bytes per token.
#[derive(Debug, Clone, Copy)]
pub struct CentroidIdsView<'a> {
    ids: &'a [u8],
    width: u8,
}

impl<'a> CentroidIdsView<'a> {
    /// Views a section. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError`] if the width is none or the ids take another length than the head says.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut parts = Parts::new(bytes);
        let head = parts.record(&fields::LAYOUT)?;
        let width = head.u8(fields::WIDTH);
        if !(2..=4).contains(&width) {
            let what = "the width of centroid ids";
            return Err(FormatError::Inconsistent { what, expected: 4, found: width.into() });
        }
        let ids = parts.bytes("centroid ids", head.u64(fields::TOKENS), width.into())?;
        parts.finish()?;
        Ok(Self { ids, width })
    }

    /// How many tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.ids.len() / usize::from(self.width)
    }

    /// The bytes of one id.
    #[must_use]
    pub fn width(&self) -> u8 {
        self.width
    }

    /// All ids, little-endian, [`width`](Self::width) bytes each. Not known to be centroids before
    /// [`check`](Self::check).
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.ids
    }

    /// The ids of `tokens`, as in [`bytes`](Self::bytes).
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there are no such tokens.
    pub fn rows(&self, tokens: Range<usize>) -> Result<&'a [u8], FormatError> {
        rows("token", self.ids, self.width.into(), tokens)
    }

    /// The centroid of one token. Not known to be one before [`check`](Self::check).
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such token.
    pub fn get(&self, token: usize) -> Result<u32, FormatError> {
        Ok(decode(self.rows(token..token.saturating_add(1))?))
    }

    /// The centroids of all tokens.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.ids.chunks_exact(self.width.into()).map(decode)
    }

    /// Checks that every id names one of `centroids`. Cost: `O(tokens)`.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] of the first that does not.
    pub fn check(&self, centroids: u32) -> Result<(), FormatError> {
        expect("the width of centroid ids", centroid_id_width(centroids).into(), self.width.into())?;
        self.iter().try_for_each(|id| check_id(id, centroids))
    }
}

fn decode(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |id, &byte| id << 8 | u32::from(byte))
}

fn check_id(id: u32, centroids: u32) -> Result<(), FormatError> {
    if id < centroids {
        return Ok(());
    }
    Err(FormatError::OutOfRange { what: "centroid", index: id.into(), len: centroids.into() })
}
