//! The manifest: what belongs to one generation of an index.

use crate::envelope;
use crate::error::FormatError;
use crate::head::FileKind;
use crate::metadata;
use crate::settings::{IndexSettings, ModelIdentity};
use crate::tuning::Tuning;

/// What belongs to one generation of an index. Committing a generation is writing its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// Grows by one with each commit; names the file.
    pub generation: u64,
    /// Larger than the number of any segment or tombstones file ever written: the next one's.
    pub next_number: u64,
    /// Fixed for all generations.
    pub settings: IndexSettings,
    /// Fixed for all generations.
    pub model: ModelIdentity,
    /// In the order of their documents in a snapshot.
    pub segments: Vec<SegmentRecord>,
    /// What was measured about searching the index; `None` if nothing was. Later generations carry it over.
    pub tuning: Option<Tuning>,
}

/// A segment of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRecord {
    /// Names the file.
    pub number: u64,
    /// Documents in it, deleted ones too.
    pub documents: u32,
    /// Tokens in it, deleted ones too.
    pub tokens: u64,
    /// Length of the file.
    pub bytes: u64,
    /// [`SegmentLayout::identity`](crate::SegmentLayout::identity) of the file.
    pub identity: u64,
    /// Which of its documents are deleted in this generation; `None` if all live.
    pub tombstones: Option<TombstoneRecord>,
}

/// A tombstones file of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TombstoneRecord {
    /// Names the file.
    pub number: u64,
    /// Documents it marks.
    pub deleted: u32,
    /// [`Tombstones::identity`](crate::Tombstones::identity) of the file.
    pub checksum: u64,
}

impl Manifest {
    /// The bytes of the manifest file.
    ///
    /// # Errors
    /// [`FormatError::Inconsistent`] or [`FormatError::TooLarge`] if the manifest contradicts itself, so that
    /// [`decode`](Self::decode) would refuse it.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        self.check()?;
        Ok(envelope::seal(FileKind::Manifest, &metadata::encode_manifest(self)?))
    }

    /// Reads a manifest file.
    ///
    /// # Errors
    /// Any [`FormatError`] of a damaged, foreign, too old or too new file.
    pub fn decode(file: &[u8]) -> Result<Self, FormatError> {
        let manifest = metadata::decode_manifest(envelope::open(file, FileKind::Manifest)?)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// A checksum that stands for the whole file.
    ///
    /// # Errors
    /// [`FormatError`] if `file` does not start like a manifest file.
    pub fn identity(file: &[u8]) -> Result<u64, FormatError> {
        envelope::identity(file, FileKind::Manifest)
    }

    fn check(&self) -> Result<(), FormatError> {
        self.settings.check()?;
        self.tuning.as_ref().map_or(Ok(()), Tuning::check)?;
        let tombstones = self.segments.iter().filter_map(|segment| segment.tombstones);
        let numbers = self.segments.iter().map(|segment| segment.number);
        let mut numbers: Vec<u64> = numbers.chain(tombstones.map(|record| record.number)).collect();
        numbers.sort_unstable();
        if let Some(pair) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            let what = "the number of a second file";
            return Err(FormatError::Inconsistent { what, expected: pair[0] + 1, found: pair[1] });
        }
        if let Some(&found) = numbers.last().filter(|&&number| number >= self.next_number) {
            let what = "the number of a file";
            return Err(FormatError::OutOfRange { what, index: found, len: self.next_number });
        }
        for segment in &self.segments {
            let (limit, found) =
                (segment.documents.into(), segment.tombstones.map_or(0, |record| record.deleted).into());
            if found > limit {
                return Err(FormatError::TooLarge { what: "the number of deleted documents", limit, found });
            }
        }
        Ok(())
    }
}
