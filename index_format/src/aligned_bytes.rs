//! Bytes on the heap that start where the arrays of a file want them.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::ALIGNMENT;

/// An owned buffer whose first byte lies at a multiple of [`ALIGNMENT`]: what a file is read into where it is
/// not mapped.
///
/// ```
/// let bytes = lateen_index_format::AlignedBytes::from_slice(&[1, 2, 3]);
/// assert_eq!(&bytes[..], &[1, 2, 3]);
/// assert_eq!(bytes.as_ptr() as usize % lateen_index_format::ALIGNMENT, 0);
/// ```
#[derive(Default)]
pub struct AlignedBytes {
    // Never resized after the fact, so that `start` stays where it is.
    buffer: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBytes {
    /// `len` zeros; fill them through `DerefMut`.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        let buffer = vec![0; len + ALIGNMENT - 1];
        let start = buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT - 1);
        Self { buffer, start, len }
    }

    /// A copy of `bytes`.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Self {
        let mut aligned = Self::zeroed(bytes.len());
        aligned.copy_from_slice(bytes);
        aligned
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.len]
    }
}

impl DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for AlignedBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::from_slice(bytes)
    }
}

impl Clone for AlignedBytes {
    fn clone(&self) -> Self {
        Self::from_slice(self)
    }
}

impl fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBytes").field("len", &self.len).finish_non_exhaustive()
    }
}
