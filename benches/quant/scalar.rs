//! Codecs that round each dimension by itself.

use super::Codec;
use super::collection::Collection;
use super::shipped::Cells;
use lateen::quant::TokenRows;

/// What is rounded.
#[derive(Clone, Copy, PartialEq)]
pub enum Space {
    /// The rotated residual.
    Rotated,
    /// The residual as it is.
    Given,
    /// The rotated row itself.
    RotatedWithoutCentroids,
}

/// Where levels lie.
#[derive(Clone, Copy, PartialEq)]
pub enum Grid {
    /// Lloyd–Max levels of all dimensions together.
    LloydMax,
    /// Lloyd–Max levels of each dimension.
    ByDimension,
    /// Evenly: `±½, ±1½, …` or `0, ±1, …` steps.
    Uniform,
    /// Means between quantiles of the residual itself.
    Quantiles,
}

/// The factor of a token's levels.
#[derive(Clone, Copy, PartialEq)]
pub enum ScaleRule {
    /// The decoded row has length 1.
    Unit,
    /// The decoded row is as near as can be.
    LeastSquares,
    /// The product of the decoded residual with the residual is the residual's square (Gao & Long, SIGMOD 2024).
    Unbiased,
    /// The product of the decoded row with the row is 1.
    Along,
    /// The least of the squared error, that along the row counted six times (Guo et al., "Accelerating Large-Scale Inference with
    /// Anisotropic Vector Quantization", ICML 2020).
    Anisotropic,
    /// None is stored; the decoded row is scaled to length 1.
    Normalise,
}

pub struct Scalar<'a> {
    cells: &'a Cells,
    space: Space,
    scale: ScaleRule,
    /// `[1 or dim, levels]`, ascending, in root mean squares of the residual.
    levels: Vec<Vec<f32>>,
    /// The middles between neighbours.
    middles: Vec<Vec<f32>>,
    bits: f64,
    dim: usize,
}

/// Rows that levels are fitted to.
const SAMPLE: usize = 20_000;
const ROUNDS: usize = 60;
const STRETCHES: [f32; 9] = [1.0, 0.7, 0.78, 0.85, 0.92, 1.08, 1.16, 1.24, 1.32];
/// Scales are stored on a grid of this step, as 256 steps over six octaves would be.
const SCALE_STEP: f32 = 6.0 / 255.0;

impl<'a> Scalar<'a> {
    pub fn train(
        collection: &Collection,
        cells: &'a Cells,
        (space, grid, count): (Space, Grid, usize),
        scale: ScaleRule,
    ) -> Self {
        let dim = collection.dim();
        let bits = if count == 3 { 1.6 } else { f64::from(count.ilog2()) };
        let mut codec = Self { cells, space, scale, levels: Vec::new(), middles: Vec::new(), bits, dim };
        let mut values = vec![Vec::new(); if grid == Grid::ByDimension { dim } else { 1 }];
        let (mut row, mut centroid) = (vec![0.0; dim], vec![0.0; dim]);
        for token in (0..collection.rows()).step_by((collection.rows() / SAMPLE).max(1)) {
            collection.copy_row(token, &mut row);
            codec.enter(token, &mut row, &mut centroid);
            let rms = codec.unit(&row);
            for (at, x) in row.iter().enumerate() {
                let column = if values.len() > 1 { at } else { 0 };
                values[column].push(x / rms);
            }
        }
        codec.levels = values.into_iter().map(|values| levels(values, grid, count)).collect();
        let middles = |levels: &Vec<f32>| levels.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
        codec.middles = codec.levels.iter().map(middles).collect();
        codec
    }

    /// From a row to its residual, and the centroid.
    fn enter(&self, token: usize, row: &mut [f32], centroid: &mut [f32]) {
        self.cells.centroid(token, centroid);
        match self.space {
            Space::Rotated => self.cells.rotation.apply(row),
            Space::Given => self.cells.rotation.apply_inverse(centroid),
            Space::RotatedWithoutCentroids => {
                self.cells.rotation.apply(row);
                centroid.fill(0.0);
            }
        }
        row.iter_mut().zip(centroid).for_each(|(x, c)| *x -= *c);
    }

    fn unit(&self, residual: &[f32]) -> f32 {
        match self.scale {
            ScaleRule::Normalise => 1.0,
            _ => (dot(residual, residual) / self.dim as f32).sqrt().max(1e-9),
        }
    }

    fn nearest(&self, at: usize, value: f32) -> f32 {
        let column = if self.levels.len() > 1 { at } else { 0 };
        let below = self.middles[column].iter().map(|&middle| usize::from(value > middle)).sum::<usize>();
        self.levels[column][below]
    }

    /// The levels that come closest in direction, over some stretches, and their factor.
    fn best(&self, residual: &[f32], centroid: &[f32], levels: &mut Vec<f32>) -> f32 {
        let unit = self.unit(residual);
        let stretches = if self.scale == ScaleRule::Normalise { &STRETCHES[..1] } else { &STRETCHES };
        let mut best = (f32::NEG_INFINITY, Vec::new());
        for stretch in stretches {
            let tried: Vec<f32> =
                residual.iter().enumerate().map(|(at, x)| self.nearest(at, x / (unit * stretch))).collect();
            let closeness = dot(residual, &tried) / dot(&tried, &tried).sqrt().max(1e-9);
            if closeness > best.0 {
                best = (closeness, tried);
            }
        }
        *levels = best.1;
        let (square, along) = (dot(levels, levels).max(1e-9), dot(residual, levels));
        let scale = match self.scale {
            ScaleRule::Normalise => return 1.0,
            ScaleRule::LeastSquares => along / square,
            ScaleRule::Unbiased => dot(residual, residual) / along.max(1e-9),
            ScaleRule::Along => {
                let row_along = along + dot(centroid, levels);
                let missing = dot(residual, residual) + dot(residual, centroid);
                if row_along > 0.0 { missing / row_along } else { along / square }
            }
            ScaleRule::Anisotropic => {
                let row_along = along + dot(centroid, levels);
                let missing = dot(residual, residual) + dot(residual, centroid);
                (along + 5.0 * missing * row_along) / (square + 5.0 * row_along * row_along)
            }
            ScaleRule::Unit => {
                let (cross, off) = (dot(centroid, levels), dot(centroid, centroid) - 1.0);
                ((cross * cross - square * off).max(0.0).sqrt() - cross) / square
            }
        };
        ((scale.max(1e-6).log2() / SCALE_STEP).round() * SCALE_STEP).exp2()
    }
}

impl Codec for Scalar<'_> {
    fn bytes_per_token(&self) -> f64 {
        let codes = (self.dim as f64 * self.bits / 8.0).ceil();
        let scale = if self.scale == ScaleRule::Normalise { 0.0 } else { 1.0 };
        let centroids =
            if self.space == Space::RotatedWithoutCentroids { 0.0 } else { self.cells.bytes_per_token() };
        codes + scale + centroids
    }

    fn restore(&self, token: usize, row: &mut [f32]) {
        let (mut centroid, mut levels) = (vec![0.0; self.dim], Vec::new());
        self.enter(token, row, &mut centroid);
        let scale = self.best(row, &centroid, &mut levels);
        for ((out, c), level) in row.iter_mut().zip(&centroid).zip(&levels) {
            *out = c + scale * level;
        }
        if self.scale == ScaleRule::Normalise {
            lateen::types::normalize(row);
        }
        if self.space != Space::Given {
            self.cells.rotation.apply_inverse(row);
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// `count` levels for these values.
fn levels(mut values: Vec<f32>, grid: Grid, count: usize) -> Vec<f32> {
    values.sort_by(f32::total_cmp);
    let quantile = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
    let sums: Vec<f64> = std::iter::once(0.0)
        .chain(values.iter().scan(0.0, |sum, &x| {
            *sum += f64::from(x);
            Some(*sum)
        }))
        .collect();
    let mean = |from: usize, to: usize| ((sums[to] - sums[from]) / (to - from).max(1) as f64) as f32;
    if grid == Grid::Quantiles {
        let edge = |at: usize| values.len() * at / count;
        return (0..count).map(|at| mean(edge(at), edge(at + 1))).collect();
    }
    if grid == Grid::Uniform {
        let step = best_step(&values, count);
        return (0..count).map(|at| step * (at as f32 - (count - 1) as f32 / 2.0)).collect();
    }
    let mut levels: Vec<f32> = (0..count).map(|at| quantile((at as f64 + 0.5) / count as f64)).collect();
    for _ in 0..ROUNDS {
        let mut start = 0;
        for at in 0..count {
            let end = match levels.get(at + 1) {
                Some(next) => values.partition_point(|&x| x < 0.5 * (levels[at] + next)),
                None => values.len(),
            };
            if end > start {
                levels[at] = mean(start, end);
            }
            start = end;
        }
    }
    levels
}

/// The step of an even grid with the least squared error.
fn best_step(values: &[f32], count: usize) -> f32 {
    let half = (count - 1) as f32 / 2.0;
    let error = |step: f32| {
        let sample = values.iter().step_by((values.len() / 20_000).max(1));
        sample
            .map(|&x| {
                let level = ((x / step + half).round()).clamp(0.0, 2.0 * half) - half;
                f64::from(x - step * level).powi(2)
            })
            .sum::<f64>()
    };
    let steps = (1..200).map(|at| 0.01 * at as f32 * 4.0 / count as f32);
    steps.min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap_or(1.0)
}
