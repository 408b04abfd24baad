//! The graph over dense vectors, from the builder's form into the format's.

use super::{IndexError, WriterOptions};
use crate::ann::hnsw::{Graph, HnswOptions, Links, Metric, build};
use crate::format::{GraphShape, GraphSource};
use crate::kernel::{Isa, dot};

/// Vectors that are near if their dot product is large: for unit vectors, if their angle is small.
struct DotProducts<'a> {
    isa: Isa,
    values: &'a [f32],
    dim: usize,
}

impl DotProducts<'_> {
    fn row(&self, node: u32) -> &[f32] {
        &self.values[node as usize * self.dim..][..self.dim]
    }
}

impl Metric for DotProducts<'_> {
    fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    fn distance(&self, a: u32, b: u32) -> f32 {
        -dot(self.isa, self.row(a), self.row(b))
    }
}

/// A built graph as the format writes it.
pub(super) struct BuiltGraph(Graph);

impl GraphSource for BuiltGraph {
    fn level(&self, node: u32) -> u32 {
        self.0.levels[node as usize].into()
    }

    fn links(&self, level: u32, node: u32) -> &[u32] {
        Links::links(&self.0, level as usize, node)
    }
}

impl BuiltGraph {
    pub(super) fn shape(&self) -> GraphShape {
        GraphShape {
            nodes: self.0.levels.len() as u32,
            m: self.0.m as u32,
            m0: self.0.m0 as u32,
            entry: self.0.entry,
            max_level: self.0.max_level() as u32,
        }
    }
}

/// Links rows of `dim` numbers, row `n` being node `n`.
pub(super) fn build_graph(
    values: &[f32],
    dim: usize,
    seed: u64,
    options: &WriterOptions,
) -> Result<BuiltGraph, IndexError> {
    let metric = DotProducts { isa: Isa::detect(), values, dim };
    let options =
        HnswOptions { m: options.graph_links, ef_construction: options.graph_ef_construction, seed };
    Ok(BuiltGraph(build(&metric, &options)?))
}
