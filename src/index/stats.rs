//! What an index holds and how large it is.

use super::Snapshot;
use super::content::{DRIFT, RESIDUAL, note};
use crate::format::{FileName, SectionKind};

/// Figures of a snapshot, from metadata alone: reading them costs nothing that grows with the documents.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct IndexStats {
    /// The commit's number.
    pub generation: u64,
    /// Live documents.
    pub documents: u64,
    /// Deleted documents that still take place.
    pub deleted: u64,
    /// Token vectors, those of deleted documents included.
    pub tokens: u64,
    /// Bytes of all segment files, deleted documents included. Manifests and tombstones are left out: some
    /// hundred bytes, and at most one bit per document.
    pub bytes: u64,
    /// Bytes by section over all segments, in the order of the files; what is left of [`bytes`](Self::bytes)
    /// are heads, checksums and padding.
    pub sections: Vec<SectionStats>,
    /// Of [`tokens`](Self::tokens), those that wait in half precision to be coded.
    pub uncoded_tokens: u64,
    /// The largest [`SegmentStats::drift`].
    pub drift: Option<f64>,
    /// Each segment.
    pub segments: Vec<SegmentStats>,
}

/// The size of one kind of section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionStats {
    /// Which section.
    pub section: SectionKind,
    /// Bytes in all segments.
    pub bytes: u64,
}

/// Figures of one segment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SegmentStats {
    /// The file's name.
    pub file: String,
    /// The file's number.
    pub number: u64,
    /// Documents, deleted ones included.
    pub documents: u32,
    /// Deleted documents.
    pub deleted: u32,
    /// Token vectors.
    pub tokens: u64,
    /// The file's length.
    pub bytes: u64,
    /// Whether its token vectors are residual codes.
    pub coded: bool,
    /// The mean of `|row − centroid|²` over its tokens when they were coded; `None` if it is not known.
    pub residual: Option<f64>,
    /// How much larger that mean was for the rows that were merged in last, under the centroids that were there before:
    /// 0 if they were like the old ones, 0.5 if they were half as far again from them. They have centroids of their own
    /// since. `None` if nothing was merged into codes.
    pub drift: Option<f64>,
    /// Which program wrote it.
    pub writer: String,
    /// Settings of its build, by name.
    pub build: Vec<(String, String)>,
}

impl IndexStats {
    /// Takes the figures of a snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut sections: Vec<SectionStats> = Vec::new();
        let mut segments = Vec::with_capacity(snapshot.segments().len());
        for segment in snapshot.segments() {
            let reader = segment.reader();
            for entry in reader.entries() {
                let bytes = entry.range().len() as u64;
                match sections.iter_mut().find(|stats| stats.section == entry.kind()) {
                    Some(stats) => stats.bytes += bytes,
                    None => sections.push(SectionStats { section: entry.kind(), bytes }),
                }
            }
            segments.push(SegmentStats {
                file: FileName::Segment(reader.number()).to_string(),
                number: reader.number(),
                documents: reader.documents(),
                deleted: reader.documents() - segment.live_documents(),
                tokens: reader.tokens(),
                bytes: reader.bytes(),
                coded: reader.is_coded(),
                residual: note(reader, RESIDUAL),
                drift: note(reader, DRIFT),
                writer: reader.meta().writer.clone(),
                build: reader.meta().build.clone(),
            });
        }
        let residual = snapshot.settings().token_storage.code_width().is_some();
        Self {
            generation: snapshot.generation(),
            documents: snapshot.documents(),
            deleted: segments.iter().map(|segment| u64::from(segment.deleted)).sum(),
            tokens: snapshot.tokens(),
            bytes: segments.iter().map(|segment| segment.bytes).sum(),
            uncoded_tokens: match residual {
                true => segments.iter().filter(|segment| !segment.coded).map(|segment| segment.tokens).sum(),
                false => 0,
            },
            drift: segments.iter().filter_map(|segment| segment.drift).reduce(f64::max),
            sections,
            segments,
        }
    }

    /// All bytes over all token vectors; `None` if there is no token vector.
    #[must_use]
    pub fn bytes_per_token(&self) -> Option<f64> {
        (self.tokens > 0).then(|| self.bytes as f64 / self.tokens as f64)
    }
}
