//! Sections `Codes` and `Scales`: the residual of each token. Neither has a head; write the bytes as they are.

use std::ops::Range;

use super::parts::{check_dim, expect, rows};
use crate::code_width::CodeWidth;
use crate::error::FormatError;

/// One row of codes per token, packed as [`CodeWidth`] says.
#[derive(Debug, Clone, Copy)]
pub struct CodesView<'a> {
    codes: &'a [u8],
    row_bytes: usize,
    dim: u32,
    width: CodeWidth,
}

impl<'a> CodesView<'a> {
    /// Views a section whose codec has `dim` and `width`. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError::Inconsistent`] if rows do not fill it, [`FormatError::TooLarge`] if `dim` is out of range.
    pub fn new(bytes: &'a [u8], dim: u32, width: CodeWidth) -> Result<Self, FormatError> {
        check_dim(dim)?;
        let row_bytes = width.row_bytes(dim as usize);
        expect("the odd bytes of the codes", 0, (bytes.len() % row_bytes) as u64)?;
        Ok(Self { codes: bytes, row_bytes, dim, width })
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
        Ok(self.width.unpack(row, component as usize))
    }

    /// Checks that unused digits are zero, and that no ternary byte is above the largest number of five digits.
    /// Cost: `O(tokens · dim)`.
    ///
    /// # Errors
    /// [`FormatError::Inconsistent`] of the first byte that is too large.
    pub fn check(&self) -> Result<(), FormatError> {
        let (dim, per_byte) = (self.dim as usize, self.width.per_byte());
        let whole = self.width.byte_limit(per_byte);
        let last = self.width.byte_limit(dim - (self.row_bytes - 1) * per_byte);
        if last > 255 && whole > 255 {
            return Ok(());
        }
        for row in self.codes.chunks_exact(self.row_bytes) {
            for (at, &byte) in row.iter().enumerate() {
                let limit = if at + 1 == row.len() { last } else { whole };
                if u16::from(byte) >= limit {
                    let (what, expected) = ("a byte of codes", u64::from(limit - 1));
                    return Err(FormatError::Inconsistent { what, expected, found: byte.into() });
                }
            }
        }
        Ok(())
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
