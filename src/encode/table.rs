use std::borrow::Cow;
use std::ops::Range;

use crate::types::normalize;

/// A vector and a weight for every token of a vocabulary: an encoder that looks up instead of computing.
///
/// Rows are unit vectors as they come out; a token of weight 0 says nothing and is skipped.
pub(super) struct TokenTable {
    bytes: Cow<'static, [u8]>,
    /// The `i8` rows within `bytes`.
    rows: Range<usize>,
    dim: usize,
    /// `1 / |row|`, so that a row times this is a unit vector; 0 for rows without direction.
    scales: Vec<f32>,
    weights: Vec<f32>,
}

impl TokenTable {
    /// `rows` names `weights.len()` rows of `dim` signed bytes in `bytes`.
    pub(super) fn new(
        bytes: Cow<'static, [u8]>,
        rows: Range<usize>,
        dim: usize,
        mut weights: Vec<f32>,
    ) -> Self {
        let scales: Vec<f32> = bytes[rows.clone()].chunks_exact(dim).map(inverse_norm).collect();
        for (weight, scale) in weights.iter_mut().zip(&scales) {
            if *scale == 0.0 {
                *weight = 0.0;
            }
        }
        Self { bytes, rows, dim, scales, weights }
    }

    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// How much `token` counts; 0 = skip it, as for tokens that are not in the table.
    pub(super) fn weight(&self, token: u32) -> f32 {
        self.weights.get(token as usize).copied().unwrap_or(0.0)
    }

    /// Appends the unit vector of `token` times `factor`.
    pub(super) fn push_row(&self, token: u32, factor: f32, out: &mut Vec<f32>) {
        let scale = self.scales[token as usize] * factor;
        out.extend(self.row(token).iter().map(|&b| f32::from(b as i8) * scale));
    }

    /// The weighted mean of the tokens' vectors, scaled to length 1; zeros if nothing counts.
    pub(super) fn mean(&self, tokens: &[u32]) -> Vec<f32> {
        let mut sum = vec![0.0_f32; self.dim];
        for &token in tokens {
            let factor = self.weight(token);
            if factor > 0.0 {
                let scale = self.scales[token as usize] * factor;
                for (total, &b) in sum.iter_mut().zip(self.row(token)) {
                    *total += f32::from(b as i8) * scale;
                }
            }
        }
        normalize(&mut sum);
        sum
    }

    fn row(&self, token: u32) -> &[u8] {
        let start = self.rows.start + token as usize * self.dim;
        &self.bytes[start..start + self.dim]
    }
}

fn inverse_norm(row: &[u8]) -> f32 {
    // At most `MAX_DIM · 128²` = 2²⁷: exact in i32.
    let square: i32 = row.iter().map(|&b| i32::from(b as i8).pow(2)).sum();
    if square == 0 { 0.0 } else { (1.0 / f64::from(square).sqrt()) as f32 }
}
