//! Files mapped into memory: the only `unsafe` of this room.
//!
//! A mapping is sound to read as a slice only while nobody changes the file. Published files of an index are
//! never changed, truncated or written again: a new content gets a new name, and removal is an unlink, which
//! leaves existing mappings whole. What remains is a stranger who truncates or overwrites a file in place
//! while it is mapped; against that, choose [`ReadMode::InMemory`](super::ReadMode::InMemory).

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};

/// A whole file, read-only, paged in on demand.
#[derive(Debug)]
pub struct MappedFile(memmap2::Mmap);

impl MappedFile {
    /// Maps all of `file`, which must not be empty. The file may be closed afterwards.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub(super) fn map(file: &File) -> io::Result<Self> {
        // SAFETY: the map is read-only and private to readers of published files. No code of this library
        // writes to or truncates a file once it has its final name (`directory::publish` is the only writer
        // and works on `.tmp` names, which are never opened for reading), so the bytes stay constant.
        let map = unsafe { memmap2::Mmap::map(file)? };
        Ok(Self(map))
    }

    /// Lets the operating system begin to read some bytes that will be wanted soon. A hint: where it cannot be given,
    /// nothing is lost but time.
    pub(super) fn will_need(&self, range: Range<usize>) {
        #[cfg(unix)]
        if range.start < range.end && range.end <= self.0.len() {
            let _ = self.0.advise_range(memmap2::Advice::WillNeed, range.start, range.len());
        }
        #[cfg(not(unix))]
        let _ = range;
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_mapping_outlives_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, b"constant").unwrap();
        let map = MappedFile::map(&File::open(&path).unwrap()).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"CHANGED!").unwrap();
        assert_eq!(&map[..], b"constant");
        assert_eq!(map.as_ptr() as usize % 64, 0);
    }
}
