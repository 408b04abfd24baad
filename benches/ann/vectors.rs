//! What is searched, and the exact answer.

use std::path::Path;

use anyhow::Context;
use lateen::ann::hnsw::{Distances, Metric};
use lateen::kernel::{Isa, dots};
use rayon::prelude::*;

use super::K;

pub struct Vectors {
    pub data: Vec<f32>,
    pub dim: usize,
}

impl Vectors {
    pub fn row(&self, row: u32) -> &[f32] {
        &self.data[row as usize * self.dim..][..self.dim]
    }

    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.data.chunks_exact(self.dim)
    }

    /// A matrix in NumPy's format.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let length =
            bytes.get(8..10).map_or(0, |length| usize::from(u16::from_le_bytes([length[0], length[1]])));
        let header = bytes.get(10..10 + length).unwrap_or_default();
        let header = String::from_utf8_lossy(header).into_owned();
        anyhow::ensure!(header.contains("<f4"), "{}: not a matrix of f32", path.display());
        let shape =
            header.split("'shape': (").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_default();
        let dim = shape.split(',').nth(1).and_then(|number| number.trim().parse().ok()).unwrap_or(1);
        let numbers =
            bytes[10 + length..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Ok(Self { data: numbers.collect(), dim })
    }
}

/// Vectors that are near if their product is large.
pub struct Products<'a>(pub &'a Vectors, pub Isa);

impl Metric for Products<'_> {
    fn len(&self) -> usize {
        self.0.data.len() / self.0.dim
    }
    fn distance(&self, a: u32, b: u32) -> f32 {
        let mut out = [0.0];
        self.distances(a, &[b], &mut out);
        out[0]
    }
    fn distances(&self, from: u32, to: &[u32], out: &mut [f32]) {
        dots(self.1, self.0.row(from), &self.0.data, to, out);
        out.iter_mut().for_each(|out| *out = -*out);
    }
}

pub struct Query<'a>(pub &'a [f32], pub &'a Products<'a>);

impl Distances for Query<'_> {
    fn measure(&mut self, nodes: &[u32], out: &mut [f32]) {
        dots(self.1.1, self.0, &self.1.0.data, nodes, out);
        out.iter_mut().for_each(|out| *out = -*out);
    }
}

/// The ten nearest of each query by looking at all.
pub fn nearest(base: &Vectors, queries: &Vectors, isa: Isa) -> Vec<Vec<u32>> {
    let all: Vec<u32> = (0..base.rows().len() as u32).collect();
    let rows: Vec<&[f32]> = queries.rows().collect();
    rows.into_par_iter()
        .map(|query| {
            let mut products = vec![0.0; all.len()];
            dots(isa, query, &base.data, &all, &mut products);
            let mut near: Vec<(f32, u32)> = products.into_iter().zip(all.iter().copied()).collect();
            let k = K.min(near.len());
            near.select_nth_unstable_by(k.saturating_sub(1), |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            near[..k].iter().map(|&(_, at)| at).collect()
        })
        .collect()
}

/// Numbers from 0 to 1.
pub fn random() -> impl FnMut() -> f32 {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    }
}

pub fn synthetic(base: usize, queries: usize, dim: usize) -> (Vectors, Vectors) {
    let mut random = random();
    let clusters = 200;
    let centres: Vec<f32> = (0..clusters * dim).map(|_| random() - 0.5).collect();
    let mut rows = |count: usize| {
        let data = (0..count * dim)
            .map(|at| centres[at / dim % clusters * dim + at % dim] + random() - 0.5)
            .collect();
        let mut rows = Vectors { data, dim };
        rows.data.chunks_exact_mut(dim).for_each(|row| {
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter_mut().for_each(|x| *x /= length);
        });
        rows
    };
    (rows(base), rows(queries))
}
