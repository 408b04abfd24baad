//! What an index holds and how large it is.

/// Figures of a snapshot, from metadata alone.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexStats {
    pub generation: u64,
    pub documents: u64,
    pub deleted: u64,
    pub tokens: u64,
    pub bytes: u64,
    pub sections: Vec<SectionStats>,
    pub segments: Vec<SegmentStats>,
}
pub struct SectionStats { pub section: &'static str, pub bytes: u64 }
pub struct SegmentStats { pub number: u64, pub documents: u32, pub deleted: u32, pub tokens: u64, pub bytes: u64, pub centroids: u64, pub graph: bool }
