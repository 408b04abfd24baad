//! The nearest of many centroids, found by looking at few.

use rayon::prelude::*;

use super::ResidualCodec;
use super::fixed::{FixedRows, RotatedRows, dot};
use super::kmeans::{Cells, nearest_cell};
use super::random::SplitMix64;

/// Up to so many centroids are all looked at.
const SCAN_UP_TO: usize = 1024;
/// Cells whose centroids are looked at, of about `√centroids`.
const PROBES: usize = 8;
/// Centroids per cell that cells are trained on.
const SAMPLE_PER_CELL: usize = 32;
const ROUNDS: usize = 6;
/// Rows handled by one task.
const CHUNK: usize = 256;

/// A codec's centroids in coarse cells.
pub(super) struct Nearest {
    /// Directions of the centroids.
    directions: FixedRows,
    /// None where all centroids are scanned.
    cells: Option<(Cells, Vec<Vec<u32>>)>,
}

impl Nearest {
    pub(super) fn new(codec: &ResidualCodec, seed: u64) -> Self {
        let count = codec.centroid_count();
        let mut directions = FixedRows::zeros(count, codec.dim);
        let mut centroid = vec![0.0; codec.dim];
        for number in 0..count {
            codec.centroid(number, &mut centroid);
            crate::types::normalize(&mut centroid);
            directions.set(number, &centroid);
        }
        if count <= SCAN_UP_TO {
            return Self { directions, cells: None };
        }
        let mut random = SplitMix64::new(seed);
        let wanted = count.isqrt();
        let chosen = random.distinct(wanted * SAMPLE_PER_CELL, count);
        let mut sample = FixedRows::zeros(chosen.len(), codec.dim);
        for (at, &number) in chosen.iter().enumerate() {
            sample.copy(at, directions.row(number));
        }
        let cells = Cells::train(&sample, wanted, ROUNDS, &mut random);
        let homes: Vec<u32> = (0..count)
            .into_par_iter()
            .with_min_len(CHUNK)
            .map(|number| nearest_cell(cells.centroids(), directions.row(number)).0)
            .collect();
        let mut members = vec![Vec::new(); cells.centroids().len()];
        for (number, &home) in (0..).zip(&homes) {
            members[home as usize].push(number);
        }
        Self { directions, cells: Some((cells, members)) }
    }

    /// For each row the centroid with the largest cosine among those looked at; equal ones: the first.
    pub(super) fn assign(&self, source: &RotatedRows<'_>) -> Vec<u32> {
        let mut nearest = vec![0; source.len()];
        nearest.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, nearest)| {
            let first = (chunk * CHUNK) as u32;
            let numbers: Vec<u32> = (first..first + nearest.len() as u32).collect();
            let rows = source.fixed(&numbers);
            for (at, nearest) in nearest.iter_mut().enumerate() {
                *nearest = self.nearest(rows.row(at));
            }
        });
        nearest
    }

    fn nearest(&self, row: &[i16]) -> u32 {
        let Some((cells, members)) = &self.cells else {
            return nearest_cell(&self.directions, row).0;
        };
        let coarse = cells.centroids();
        let mut scores: Vec<(i32, usize)> =
            (0..coarse.len()).map(|cell| (-dot(coarse.row(cell), row), cell)).collect();
        let probes = PROBES.min(scores.len() - 1);
        scores.select_nth_unstable(probes);
        // Cells may be empty, but not all of those probed and the rest: the nearest centroid is somewhere.
        let best = |cells: &[(i32, usize)]| {
            let numbers = cells.iter().flat_map(|&(_, cell)| &members[cell]);
            numbers.map(|&number| (-dot(self.directions.row(number as usize), row), number)).min()
        };
        best(&scores[..probes]).or_else(|| best(&scores)).map_or(0, |(_, number)| number)
    }
}
