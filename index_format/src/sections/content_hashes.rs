//! Section `ContentHashes`: tells an unchanged document from a new version of it.

use std::io::Write;

use super::parts::{cast, item};
use crate::error::FormatError;

/// Writes the section: the hashes of documents 0, 1, 2, …
///
/// # Errors
/// [`FormatError::Io`] if `out` refuses the bytes.
pub fn write_content_hashes(
    out: &mut impl Write,
    hashes: impl IntoIterator<Item = u64>,
) -> Result<(), FormatError> {
    hashes.into_iter().try_for_each(|hash| Ok(out.write_all(&hash.to_le_bytes())?))
}

/// One hash per document; which function made it is the writer's business.
#[derive(Debug, Clone, Copy)]
pub struct ContentHashesView<'a> {
    hashes: &'a [u64],
}

impl<'a> ContentHashesView<'a> {
    /// Views a section. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError::Inconsistent`] if hashes do not fill it.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        Ok(Self { hashes: cast("content hashes", bytes)? })
    }

    /// How many documents.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.hashes.len()
    }

    /// All hashes.
    #[must_use]
    pub fn hashes(&self) -> &'a [u64] {
        self.hashes
    }

    /// The hash of a document.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such document.
    pub fn get(&self, document: u32) -> Result<u64, FormatError> {
        item("document", self.hashes, document as usize)
    }
}
