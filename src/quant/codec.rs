//! The residual codec: a token is its centroid, a coded direction and one scale.

use rayon::prelude::*;

use super::clustering::cluster;
use super::fixed::RotatedRows;
use super::levels::{Histogram, Levels};
use super::residual::{ResidualCoder, dot};
use super::{QuantError, Rotation, TokenRows, check_rows, scale_table};
use crate::format::CodeWidth;

/// How [`ResidualCodec::build`] works.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodecOptions {
    /// How many values a dimension of a code can have.
    pub width: CodeWidth,
    /// How many tokens share a centroid, on average. A centroid takes `dim + 4` bytes.
    pub tokens_per_centroid: usize,
    /// Rounds of k-means.
    pub iterations: usize,
    /// Tokens per centroid that k-means trains on at most.
    pub sample_per_centroid: usize,
    /// Rotation and clustering follow from it.
    pub seed: u64,
    /// Levels to use instead of those that fit these rows best. Codecs with the same levels can be
    /// [joined](ResidualCodec::join) without touching a code.
    pub levels: Option<[i8; 16]>,
}

impl Default for CodecOptions {
    fn default() -> Self {
        Self {
            width: CodeWidth::Four,
            tokens_per_centroid: 64,
            iterations: 6,
            sample_per_centroid: 32,
            seed: 0,
            levels: None,
        }
    }
}

impl CodecOptions {
    /// The defaults at this width.
    #[must_use]
    pub fn with_width(width: CodeWidth) -> Self {
        Self { width, ..Self::default() }
    }

    fn check(&self) -> Result<(), QuantError> {
        if self.tokens_per_centroid == 0 {
            return Err(QuantError::ZeroOption { option: "tokens_per_centroid" });
        }
        Ok(())
    }
}

/// What is needed to read codes: rotation, centroids, levels and the grid of scales.
///
/// With `c` the token's centroid, `s` its scale and `k` a dimension, the token's value after
/// [`rotation`](Self::rotation) is
/// `centroid_scales[c] · centroids[c][k] + 2^(scale_log2_min + s · scale_log2_step) · levels[code[k]]`.
/// The scale is chosen so that the sum has length 1 up to the grid, so that no length is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ResidualCodec {
    /// The length of a token vector.
    pub dim: usize,
    /// How codes are packed.
    pub width: CodeWidth,
    /// What [`Rotation::new`] makes the rotation of.
    pub rotation_seed: u64,
    /// What codes stand for, ascending; those beyond the width's are 0.
    pub levels: [i8; 16],
    /// The base-2 logarithm of scale 0.
    pub scale_log2_min: f32,
    /// The difference of logarithms between neighbouring scales.
    pub scale_log2_step: f32,
    /// `[centroids, dim]`, row-major, rotated, in units of `centroid_scales`.
    pub centroids: Vec<i8>,
    /// One factor per centroid.
    pub centroid_scales: Vec<f32>,
}

/// The coded tokens, in the order of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenCodes {
    /// [`row_bytes`](ResidualCodec::row_bytes) per token.
    pub codes: Vec<u8>,
    /// One number per token: the scale on the codec's grid.
    pub scales: Vec<u8>,
    /// One number per token: its centroid.
    pub centroids: Vec<u32>,
}

/// Rows coded by one task.
const CHUNK: usize = 1024;
/// Rows that levels are fitted to.
const LEVEL_SAMPLE: usize = 16_384;
/// Octaves between scales of a grid, exact in single precision: 256 of them reach down to a sixty-fourth of the largest.
const SCALE_STEP: f64 = 6.0 / 256.0;

impl ResidualCodec {
    /// Trains a codec on `rows` and codes them with it.
    ///
    /// Token-aware clustering, if `token_ids` holds the vocabulary id of every row; with no ids, a two-level k-means.
    /// Centroids are the means of their tokens; what is left of a token, in rotated space, is rounded dimension by
    /// dimension to Lloyd–Max levels. The same rows, ids and options give the same bytes on any number of threads.
    ///
    /// Rows are read four times, in chunks; memory besides the result: about 20 bytes a row, and a sample of the rows
    /// in 16 bits a number. Time grows a little faster than linearly: 1.1 million rows of 128 take some seconds.
    ///
    /// # Errors
    /// [`QuantError::NotUnit`] names the first row whose length is not 1; the others say which argument is wrong.
    ///
    /// ```
    /// use lateen::quant::{CodecOptions, ResidualCodec};
    /// let data = [1.0, 0.0, 0.0, 0.0, 0.0, 0.6, 0.8, 0.0];
    /// let rows = lateen::types::TokenMatrix::new(&data, 4)?;
    /// let (codec, coded) = ResidualCodec::build(&rows, &[], &CodecOptions::default())?;
    /// assert_eq!(coded.codes.len(), 2 * codec.row_bytes());
    /// let mut token = [0.0; 4];
    /// codec.decode(coded.centroids[1], coded.scales[1], &coded.codes[2..4], &mut token)?;
    /// codec.rotation().apply_inverse(&mut token);
    /// assert!((token[2] - 0.8).abs() < 0.2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(
        rows: &dyn TokenRows,
        token_ids: &[u32],
        options: &CodecOptions,
    ) -> Result<(Self, TokenCodes), QuantError> {
        options.check()?;
        if !token_ids.is_empty() && token_ids.len() != rows.len() {
            return Err(QuantError::TokenIds { rows: rows.len(), ids: token_ids.len() });
        }
        check_rows(rows)?;
        let rotation = Rotation::new(rows.dim(), options.seed);
        let source = RotatedRows::new(rows, &rotation);
        let fit = cluster(&source, token_ids, options);
        let mut codec = Self::with_centroids(&fit.means, rows.dim(), options);
        let histogram = codec.residuals(&source, &fit.assignments);
        let fitted = Levels::fit(&histogram, options.width);
        let levels = options.levels.map_or_else(|| fitted.clone(), |values| fitted.with_values(values));
        codec.levels = levels.values;
        let coded = codec.encode(&source, fit.assignments, &levels);
        Ok((codec, coded))
    }

    /// A codec with nothing but centroids.
    pub(super) fn with_centroids(means: &[f32], dim: usize, options: &CodecOptions) -> Self {
        let mut centroids = Vec::with_capacity(means.len());
        let mut centroid_scales = Vec::with_capacity(means.len() / dim);
        for mean in means.chunks_exact(dim) {
            let largest = mean.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            centroid_scales.push(scale);
            centroids.extend(mean.iter().map(|x| (x / scale).round() as i8));
        }
        Self {
            dim,
            width: options.width,
            rotation_seed: options.seed,
            levels: [0; 16],
            scale_log2_min: 0.0,
            scale_log2_step: 0.0,
            centroids,
            centroid_scales,
        }
    }

    /// How residual components, over their root mean square, are distributed in a sample.
    pub(super) fn residuals(&self, source: &RotatedRows<'_>, assignments: &[u32]) -> Histogram {
        let step = source.len().div_ceil(LEVEL_SAMPLE).max(1);
        let chosen: Vec<usize> = (0..source.len()).step_by(step).collect();
        chosen
            .par_chunks(CHUNK)
            .map(|chosen| {
                let mut histogram = Histogram::new();
                let (mut row, mut centroid) = (vec![0.0; self.dim], vec![0.0; self.dim]);
                for &number in chosen {
                    source.copy_row(number, &mut row);
                    self.centroid(assignments[number] as usize, &mut centroid);
                    row.iter_mut().zip(&centroid).for_each(|(x, c)| *x -= c);
                    let rms = (dot(&row, &row) / self.dim as f32).sqrt();
                    // Rows next to their centroid say more about its rounding than about residuals.
                    if rms * (self.dim as f32).sqrt() > 0.05 {
                        row.iter().for_each(|x| histogram.add(x / rms));
                    }
                }
                histogram
            })
            .reduce(Histogram::new, |a, b| a.merge(&b))
    }

    /// Codes all rows and fixes the grid of scales.
    fn encode(&mut self, source: &RotatedRows<'_>, centroids: Vec<u32>, levels: &Levels) -> TokenCodes {
        let (codes, exact) = self.code_rows(source, &centroids, levels);
        self.fix_grid(&exact);
        let scales = exact.par_iter().map(|&scale| self.nearest_scale(scale)).collect();
        TokenCodes { codes, scales, centroids }
    }

    /// The codes of all rows, and their scales before they are put on a grid.
    pub(super) fn code_rows(
        &self,
        source: &RotatedRows<'_>,
        centroids: &[u32],
        levels: &Levels,
    ) -> (Vec<u8>, Vec<f32>) {
        let row_bytes = self.row_bytes();
        let mut codes = vec![0; source.len() * row_bytes];
        let mut exact = vec![0.0f32; source.len()];
        codes
            .par_chunks_mut(CHUNK * row_bytes)
            .zip(exact.par_chunks_mut(CHUNK))
            .zip(centroids.par_chunks(CHUNK))
            .enumerate()
            .for_each(|(chunk, ((codes, exact), centroids))| {
                let mut coder = ResidualCoder::new(levels, self.dim);
                let (mut row, mut centroid) = (vec![0.0; self.dim], vec![0.0; self.dim]);
                let mut unpacked = vec![0; self.dim];
                for (at, (&cell, packed)) in centroids.iter().zip(codes.chunks_mut(row_bytes)).enumerate() {
                    source.copy_row(chunk * CHUNK + at, &mut row);
                    self.centroid(cell as usize, &mut centroid);
                    exact[at] = coder.encode(&row, &centroid, &mut unpacked);
                    self.width.pack(&unpacked, packed);
                }
            });
        (codes, exact)
    }

    /// Lays 256 logarithmic steps over the scales that occur.
    pub(super) fn fix_grid(&mut self, scales: &[f32]) {
        let high = scales.iter().copied().fold(0.0_f32, f32::max);
        if high == 0.0 {
            // Every row is its centroid: one scale, too small to matter.
            (self.scale_log2_min, self.scale_log2_step) = (-24.0, 0.0);
            return;
        }
        self.lay_grid(f64::from(high).log2());
    }

    /// Lays the grid over the octaves below the logarithm of the largest scale.
    ///
    /// All grids have one step and start at a multiple of it, so that a scale of one grid is a scale of any other, and
    /// moving between them, however often, changes none but those that are too small to matter.
    pub(super) fn lay_grid(&mut self, high: f64) {
        let steps = (high / SCALE_STEP).ceil() - 255.0;
        self.scale_log2_min = (steps * SCALE_STEP) as f32;
        self.scale_log2_step = SCALE_STEP as f32;
    }

    pub(super) fn nearest_scale(&self, scale: f32) -> u8 {
        if scale <= 0.0 || self.scale_log2_step == 0.0 {
            return 0;
        }
        let steps = (scale.log2() - self.scale_log2_min) / self.scale_log2_step;
        steps.round().clamp(0.0, 255.0) as u8
    }

    /// What each scale byte stands for: `2^(scale_log2_min + s · scale_log2_step)`.
    #[must_use]
    pub fn scale_table(&self) -> [f32; 256] {
        scale_table(self.scale_log2_min, self.scale_log2_step)
    }

    /// Bytes of one token's codes.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.width.row_bytes(self.dim)
    }

    /// How many centroids there are.
    #[must_use]
    pub fn centroid_count(&self) -> usize {
        self.centroid_scales.len()
    }

    /// The rotation between token vectors and codes. Rotate queries with it, or tokens back with its inverse.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        Rotation::new(self.dim, self.rotation_seed)
    }

    pub(super) fn centroid(&self, number: usize, out: &mut [f32]) {
        let scale = self.centroid_scales[number];
        let row = &self.centroids[number * self.dim..(number + 1) * self.dim];
        out.iter_mut().zip(row).for_each(|(out, &x)| *out = scale * f32::from(x));
    }

    /// Writes a token in rotated space to `out`; its length is 1 up to the grid of scales.
    ///
    /// # Errors
    /// [`QuantError::NoSuchCentroid`] and [`QuantError::Length`] for codes that are not of this codec.
    pub fn decode(&self, centroid: u32, scale: u8, codes: &[u8], out: &mut [f32]) -> Result<(), QuantError> {
        let wrong = |what, found, needed| Err(QuantError::Length { what, found, needed });
        if centroid as usize >= self.centroid_count() {
            return Err(QuantError::NoSuchCentroid { centroid, centroids: self.centroid_count() });
        }
        if codes.len() != self.row_bytes() {
            return wrong("code bytes", codes.len(), self.row_bytes());
        }
        if out.len() != self.dim {
            return wrong("places for a vector", out.len(), self.dim);
        }
        self.centroid(centroid as usize, out);
        let log2 = f64::from(self.scale_log2_min) + f64::from(scale) * f64::from(self.scale_log2_step);
        let scale = log2.exp2() as f32;
        for (at, out) in out.iter_mut().enumerate() {
            *out += scale * f32::from(self.levels[usize::from(self.width.unpack(codes, at))]);
        }
        Ok(())
    }
}
