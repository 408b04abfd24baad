//! Sections `Codes` and `Scales`: the residual of each token. Neither has a head; write the bytes as they are.

use std::ops::Range;

use super::parts::{check_dim, expect, rows};
use crate::error::FormatError;

/// The bytes of one row of codes: `⌈dim · bits / 8⌉`.
#[must_use]
pub fn code_row_bytes(dim: u32, bits: u8) -> usize {
    (dim as usize * usize::from(bits)).div_ceil(8)
}

/// One row of codes per token: code `i` at bits `i · bits`, from the least significant; unused bits are zero.
#[derive(Debug, Clone, Copy)]
pub struct CodesView<'a> {
    codes: &'a [u8],
    row_bytes: usize,
    dim: u32,
    bits: u8,
}

impl<'a> CodesView<'a> {
    /// Views a section whose codec has `dim` and `bits`. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError::Inconsistent`] if rows do not fill it, or the codec's fields are out of range.
    pub fn new(bytes: &'a [u8], dim: u32, bits: u8) -> Result<Self, FormatError> {
        check_dim(dim)?;
        if bits != 2 && bits != 4 {
            let what = "the bits of a code";
            return Err(FormatError::Inconsistent { what, expected: 4, found: bits.into() });
        }
        let row_bytes = code_row_bytes(dim, bits);
        expect("the odd bytes of the codes", 0, (bytes.len() % row_bytes) as u64)?;
        Ok(Self { codes: bytes, row_bytes, dim, bits })
    }

    /// How many tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.codes.len() / self.row_bytes
    }

    /// The bytes of one token.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// All rows.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.codes
    }

    /// The rows of `tokens`.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there are no such tokens.
    pub fn rows(&self, tokens: Range<usize>) -> Result<&'a [u8], FormatError> {
        rows("token", self.codes, self.row_bytes, tokens)
    }

    /// One code; for scoring, hand whole [`rows`](Self::rows) to a kernel instead.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such token or component.
    pub fn code(&self, token: usize, component: u32) -> Result<u8, FormatError> {
        let row = self.rows(token..token.saturating_add(1))?;
        if component >= self.dim {
            let (index, len) = (component.into(), self.dim.into());
            return Err(FormatError::OutOfRange { what: "component", index, len });
        }
        let bit = component as usize * usize::from(self.bits);
        Ok(row[bit / 8] >> (bit % 8) & ((1 << self.bits) - 1))
    }

    /// Checks that unused bits are zero. Cost: `O(tokens)`.
    ///
    /// # Errors
    /// [`FormatError::Inconsistent`] if one is not.
    pub fn check(&self) -> Result<(), FormatError> {
        let used = self.dim as usize * usize::from(self.bits) % 8;
        if used == 0 {
            return Ok(());
        }
        let last_bytes = self.codes.iter().skip(self.row_bytes - 1).step_by(self.row_bytes);
        match last_bytes.map(|byte| byte >> used).find(|&unused| unused != 0) {
            None => Ok(()),
            Some(unused) => expect("the unused bits of a code row", 0, unused.into()),
        }
    }
}

/// One scale per token.
#[derive(Debug, Clone, Copy)]
pub struct ScalesView<'a> {
    scales: &'a [u8],
}

impl<'a> ScalesView<'a> {
    /// Views a section: any bytes are scales.
    ///
    /// # Errors
    /// None today.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        Ok(Self { scales: bytes })
    }

    /// How many tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.scales.len()
    }

    /// All scales.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.scales
    }

    /// The scales of `tokens`.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there are no such tokens.
    pub fn rows(&self, tokens: Range<usize>) -> Result<&'a [u8], FormatError> {
        rows("token", self.scales, 1, tokens)
    }
}
