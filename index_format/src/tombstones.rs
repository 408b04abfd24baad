//! The tombstones file: which documents of a segment are deleted.

use roaring::RoaringBitmap;

use crate::envelope;
use crate::error::FormatError;
use crate::head::FileKind;
use crate::layout::tombstones as fields;
use crate::record::{RecordBuf, RecordRef};

const HEAD_LEN: usize = fields::LAYOUT.len;

/// Which documents of a segment are deleted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tombstones {
    /// The number of the segment.
    pub segment: u64,
    /// Documents in the segment, deleted ones too.
    pub documents: u32,
    /// The deleted ones: each below `documents`.
    pub deleted: RoaringBitmap,
}

impl Tombstones {
    /// The bytes of the file: the same for the same set, however it came about.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if a deleted document is none of the segment's.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        self.check()?;
        // The representation of a bitmap remembers how it was made; one made from its values does not.
        let mut bitmap: RoaringBitmap = self.deleted.iter().collect();
        bitmap.optimize();
        let head = RecordBuf::<HEAD_LEN>::new(&fields::LAYOUT)
            .set(fields::SEGMENT, self.segment.to_le_bytes())
            .set(fields::DOCUMENTS, self.documents.to_le_bytes())
            .set(fields::DELETED, (bitmap.len() as u32).to_le_bytes());
        let mut body = head.into_bytes().to_vec();
        bitmap.serialize_into(&mut body)?;
        Ok(envelope::seal(FileKind::Tombstones, &body))
    }

    /// Reads a tombstones file.
    ///
    /// # Errors
    /// Any [`FormatError`] of a damaged, foreign, too old or too new file.
    pub fn decode(file: &[u8]) -> Result<Self, FormatError> {
        let body = envelope::open(file, FileKind::Tombstones)?;
        let head = RecordRef::new(&fields::LAYOUT, body)?;
        let mut bitmap = &body[HEAD_LEN..];
        let what = "the bitmap of deleted documents";
        let deleted = RoaringBitmap::deserialize_from(&mut bitmap)
            .map_err(|source| FormatError::Record { what, source: source.into() })?;
        let count = head.u32(fields::DELETED).into();
        for (what, expected, found) in [
            ("the number of deleted documents", count, deleted.len()),
            ("the bytes after the bitmap", 0, bitmap.len() as u64),
        ] {
            if expected != found {
                return Err(FormatError::Inconsistent { what, expected, found });
            }
        }
        let tombstones =
            Self { segment: head.u64(fields::SEGMENT), documents: head.u32(fields::DOCUMENTS), deleted };
        tombstones.check()?;
        Ok(tombstones)
    }

    /// A checksum that stands for the whole file; the manifest records it.
    ///
    /// # Errors
    /// [`FormatError`] if `file` does not start like a tombstones file.
    pub fn identity(file: &[u8]) -> Result<u64, FormatError> {
        envelope::identity(file, FileKind::Tombstones)
    }

    fn check(&self) -> Result<(), FormatError> {
        match self.deleted.max() {
            Some(last) if last >= self.documents => Err(FormatError::OutOfRange {
                what: "document",
                index: last.into(),
                len: self.documents.into(),
            }),
            _ => Ok(()),
        }
    }
}
