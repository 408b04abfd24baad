//! Section `TokenOffsets`: which tokens belong to which document.

use std::io::Write;
use std::ops::Range;

use super::parts::{cast, expect};
use crate::error::FormatError;

/// Writes the section from each document's number of tokens.
///
/// # Errors
/// [`FormatError::TooLarge`] beyond `u32::MAX` tokens, [`FormatError::Io`] if `out` refuses the bytes.
pub fn write_token_offsets(
    out: &mut impl Write,
    lengths: impl IntoIterator<Item = u32>,
) -> Result<(), FormatError> {
    let mut end = 0_u32;
    out.write_all(&end.to_le_bytes())?;
    for length in lengths {
        end = end.checked_add(length).ok_or(FormatError::TooLarge {
            what: "the number of tokens in a segment",
            limit: u32::MAX.into(),
            found: u64::from(end) + u64::from(length),
        })?;
        out.write_all(&end.to_le_bytes())?;
    }
    Ok(())
}

/// Document `d` has the tokens `offsets[d]..offsets[d + 1]`.
#[derive(Debug, Clone, Copy)]
pub struct TokenOffsetsView<'a> {
    offsets: &'a [u32],
}

impl<'a> TokenOffsetsView<'a> {
    /// Views a section. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] without any offset, [`FormatError::Inconsistent`] if the first is not 0.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let offsets: &[u32] = cast("token offsets", bytes)?;
        match offsets.first() {
            Some(&first) => expect("the first token offset", 0, first.into())?,
            None => return Err(FormatError::Truncated { what: "token offsets", needed: 4, have: 0 }),
        }
        Ok(Self { offsets })
    }

    /// How many documents.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.offsets.len() - 1
    }

    /// How many tokens all documents have.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.offsets.last().copied().unwrap_or_default().into()
    }

    /// The tokens of one document: ascending, and within [`tokens`](Self::tokens).
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such document, [`FormatError::Inconsistent`] if its offsets
    /// decrease or lie outside.
    pub fn range(&self, document: usize) -> Result<Range<usize>, FormatError> {
        let (Some(&start), Some(&end)) =
            (self.offsets.get(document), document.checked_add(1).and_then(|next| self.offsets.get(next)))
        else {
            let (index, len) = (document as u64, self.documents() as u64);
            return Err(FormatError::OutOfRange { what: "document", index, len });
        };
        if start > end || u64::from(end) > self.tokens() {
            let (expected, found) = (start.into(), end.into());
            return Err(FormatError::Inconsistent { what: "a token offset", expected, found });
        }
        Ok(start as usize..end as usize)
    }

    /// Where each document ends, as the MaxSim kernels take it. Not known to ascend before
    /// [`check`](Self::check).
    #[must_use]
    pub fn ends(&self) -> &'a [u32] {
        &self.offsets[1..]
    }

    /// Checks all that [`new`](Self::new) left to the accessors. Cost: `O(documents)`.
    ///
    /// # Errors
    /// [`FormatError::Inconsistent`] if an offset decreases.
    pub fn check(&self) -> Result<(), FormatError> {
        (0..self.documents()).try_for_each(|document| self.range(document).map(drop))
    }
}
