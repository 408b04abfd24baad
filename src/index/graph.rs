//! The graph over dense vectors, from the builder's form into the format's.

use super::{IndexError, WriterOptions};
use crate::ann::hnsw::{Graph, HnswOptions, Links, Metric, build};
use crate::format::{GraphShape, GraphSource};
use crate::kernel::{Isa, dots_i8};
use crate::quant::Rotation;

/// Vectors in bytes, near if their dot product is large: for unit vectors, if their angle is small.
///
/// Rotated before they are rounded, so that a few large components do not leave the others without bits. The products
/// of bytes are exact, so that every machine builds the same graph; and bytes of 100,000 vectors stay in its cache.
struct Bytes {
    isa: Isa,
    dim: usize,
    /// `[nodes, dim]`
    codes: Vec<i8>,
    /// Row `n` is about `scales[n] · codes[n · dim..][..dim]`.
    scales: Vec<f32>,
}

/// Products computed by one call.
const AT_ONCE: usize = 64;

impl Bytes {
    fn new(values: &[f32], dim: usize, seed: u64) -> Self {
        let rotation = Rotation::new(dim, seed);
        let mut rows = RoundedRows::with_capacity(values.len() / dim, dim);
        let mut row = vec![0.0; dim];
        for values in values.chunks_exact(dim) {
            row.copy_from_slice(values);
            rotation.apply(&mut row);
            rows.push(&row);
        }
        Self { isa: Isa::detect(), dim, codes: rows.codes, scales: rows.scales }
    }
}

impl Metric for Bytes {
    fn len(&self) -> usize {
        self.scales.len()
    }

    fn distance(&self, a: u32, b: u32) -> f32 {
        let mut out = [0.0];
        self.distances(a, &[b], &mut out);
        out[0]
    }

    fn distances(&self, from: u32, to: &[u32], out: &mut [f32]) {
        let row = &self.codes[from as usize * self.dim..][..self.dim];
        let scale = -self.scales[from as usize];
        let mut products = [0; AT_ONCE];
        for (to, out) in to.chunks(AT_ONCE).zip(out.chunks_mut(AT_ONCE)) {
            let products = &mut products[..to.len()];
            dots_i8(self.isa, row, &self.codes, to, products);
            for ((out, &product), &to) in out.iter_mut().zip(products.iter()).zip(to) {
                // This order, so that both directions have the same length.
                *out = product as f32 * (scale * self.scales[to as usize]);
            }
        }
    }
}

/// Rows in units of their largest component's 127th part.
pub(super) struct RoundedRows {
    pub(super) codes: Vec<i8>,
    pub(super) scales: Vec<f32>,
}

impl RoundedRows {
    pub(super) fn with_capacity(rows: usize, dim: usize) -> Self {
        Self { codes: Vec::with_capacity(rows * dim), scales: Vec::with_capacity(rows) }
    }

    pub(super) fn push(&mut self, row: &[f32]) {
        let largest = row.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        // Rows so small that the unit vanishes keep their direction through the smallest unit there is.
        let scale = (largest / 127.0).max(f32::MIN_POSITIVE);
        self.scales.push(scale);
        self.codes.extend(row.iter().map(|x| (x / scale).round() as i8));
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
    let metric = Bytes::new(values, dim, seed);
    let options =
        HnswOptions { m: options.graph_links, ef_construction: options.graph_ef_construction, seed };
    Ok(BuiltGraph(build(&metric, &options)?))
}
