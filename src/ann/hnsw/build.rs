//! Building in batches that do not see each other's links.

use super::graph::{Graph, MAX_LEVEL, MAX_NODES, Metric};
use super::insert::Builder;
use crate::ann::AnnError;

/// How [`build`] works.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HnswOptions {
    /// Links of a new node per level, and the most links on levels above 0; level 0 has room for twice as many.
    /// 2 to 256.
    pub m: usize,
    /// How many near nodes are looked at to choose links from. 1 to 65,536; at least `m` is used.
    pub ef_construction: usize,
    /// The levels of the nodes follow from it.
    pub seed: u64,
}

impl Default for HnswOptions {
    fn default() -> Self {
        Self { m: 16, ef_construction: 200, seed: 0 }
    }
}

impl HnswOptions {
    fn check(&self) -> Result<(), AnnError> {
        let within = |option, value, least, most| {
            let inside = (least..=most).contains(&value);
            if inside { Ok(()) } else { Err(AnnError::Option { option, value, least, most }) }
        };
        within("m", self.m, 2, 256)?;
        within("ef_construction", self.ef_construction, 1, 65_536)
    }
}

/// Nodes that are inserted together.
const BATCH: usize = 256;

/// Builds a graph over all nodes of `metric`.
///
/// The same metric and options give the same graph on any number of threads. Cost: about
/// `nodes · (ef_construction · m + m²)` distances, in parallel; 8 bytes a link while building, of `3 · m` or fewer
/// links a node, half of them afterwards.
///
/// # Errors
/// [`AnnError::TooManyNodes`], [`AnnError::Option`].
pub fn build<M: Metric + ?Sized>(metric: &M, options: &HnswOptions) -> Result<Graph, AnnError> {
    options.check()?;
    let nodes = metric.len();
    if nodes > MAX_NODES {
        return Err(AnnError::TooManyNodes { nodes });
    }
    let levels = (0..nodes as u32).map(|node| random_level(options, node)).collect();
    let mut builder = Builder::new(metric, Graph::unlinked(levels, options.m), options.ef_construction);
    for start in (0..nodes).step_by(BATCH) {
        builder.insert(start as u32..nodes.min(start + BATCH) as u32)?;
    }
    builder.repair()?;
    Ok(builder.into_graph())
}

/// A level `l` or above has probability `m⁻ˡ`; it depends on the seed and the node's number alone.
fn random_level(options: &HnswOptions, node: u32) -> u8 {
    let mut state = options.seed ^ (u64::from(node) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut level = 0;
    while level < MAX_LEVEL as u8 {
        // SplitMix64 (Steele, Lea & Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        if !(z ^ (z >> 31)).is_multiple_of(options.m as u64) {
            break;
        }
        level += 1;
    }
    level
}
