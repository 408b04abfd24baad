//! How an index is written.

use super::{IndexError, MergePolicy};
use crate::quant::PoolingOptions;

/// How a writer works.
#[derive(Debug, Clone, PartialEq)]
pub struct WriterOptions {
    /// When the documents waiting in memory take half of this, they become a segment; the other half is for
    /// building it. One document is always taken, however large. 512 MiB.
    pub memory_budget_bytes: usize,
    /// Threads that build segments; 0 = one per core. The bytes written do not depend on it.
    pub threads: usize,
    /// The zstd level of stored documents. 3.
    pub stored_fields_level: i32,
    /// One centroid for about so many tokens. 64.
    pub tokens_per_centroid: usize,
    /// How tokens of a document are pooled before they are stored. A factor of 1: not at all.
    pub pooling: PoolingOptions,
    /// Links per node of the graph over dense vectors; twice as many on its lowest level. 16.
    pub graph_links: usize,
    /// How many candidates compete for a node's links. 200.
    pub graph_ef_construction: usize,
    /// Segments of fewer documents get no graph: scanning them is as fast. 2000.
    pub graph_min_documents: usize,
    /// In an index of residual codes, fewer new tokens than this stay in half precision until merging has brought so
    /// many together: a codec needs many to be trained on. The first segment of an index is always
    /// coded. 32,768.
    pub code_from_tokens: usize,
    /// When segments are merged.
    pub merge: MergePolicy,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            memory_budget_bytes: 512 << 20,
            threads: 0,
            stored_fields_level: 3,
            tokens_per_centroid: 64,
            pooling: PoolingOptions::default(),
            graph_links: 16,
            graph_ef_construction: 200,
            graph_min_documents: 2000,
            code_from_tokens: 32_768,
            merge: MergePolicy::default(),
        }
    }
}

impl WriterOptions {
    /// Refuses what would fail only when the first segment is built.
    pub(super) fn check(&self) -> Result<(), IndexError> {
        let within = |setting, value: usize, range: std::ops::RangeInclusive<usize>, rule| {
            let value = if range.contains(&value) { return Ok(()) } else { value.to_string() };
            Err(IndexError::InvalidSettings { setting, value, rule })
        };
        if !(0.0..=1.0).contains(&self.merge.max_deleted_share) {
            return Err(IndexError::InvalidSettings {
                setting: "max_deleted_share",
                value: self.merge.max_deleted_share.to_string(),
                rule: "it is 0 to 1",
            });
        }
        within("segments_per_tier", self.merge.segments_per_tier, 2..=1024, "it is 2 to 1024")?;
        within("tokens_per_centroid", self.tokens_per_centroid, 1..=usize::MAX, "it is at least 1")?;
        within("pool_factor", self.pooling.factor, 1..=64, "it is 1 to 64")?;
        within("graph_links", self.graph_links, 2..=256, "it is 2 to 256")?;
        within("graph_ef_construction", self.graph_ef_construction, 1..=65_536, "it is 1 to 65536")
    }
}
