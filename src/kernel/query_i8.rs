//! MaxSim and plain products over `i8` rows.
//!
//! Why no integer overflows, with `|q| ≤ 127`, `|d| ≤ 128` and `dim ≤ 8192 = 2¹³` ([`MAX_DIM`]):
//!
//! * `|Σ q·d| ≤ 2¹³ · 127 · 128 < 2²⁷`;
//! * pairs of `i16` (`pmaddwd`): each pair is at most `2 · 127 · 128 < 2¹⁵·²`, far from the one case that wraps, and partial sums
//!   obey the bound above;
//! * `vpdpbusd` multiplies *unsigned* by signed bytes. Documents enter as `d + 128` (0..=255), and the accumulator starts at
//!   `−128 · Σ q`, so that it ends at `Σ q·d`. On the way it holds at most `2¹³ · 127 · 255 + 2¹³ · 127 · 128 < 2²⁹`. The four products of
//!   one step sum to at most `4 · 255 · 127 < 2¹⁷`, added without saturation.
//!
//! The float part is the same sequence of single operations everywhere: `f32(sum) · row_scale · query_scale`, never fused.
//!
//! [`MAX_DIM`]: crate::types::MAX_DIM

use super::isa::Isa;
use super::maxima::{Maxima, ragged, row_count};
use super::packed::{Lanes, Packed, QuantisedRows, quad, wide_pair};
use super::scalar;
#[cfg(target_arch = "x86_64")]
use super::simd;
use crate::types::TokenMatrix;

/// A query quantised to `i8`, each row with a scale of its own, packed for products with `i8` rows.
///
/// `product(i, j) = f32(Σₖ q8ᵢₖ · dⱼₖ) · row_scaleⱼ · scaleᵢ`, `scaleᵢ = max|qᵢ| / 127`, `q8ᵢ = round(qᵢ / scaleᵢ)`.
/// Larger is better. The sum is exact, and all results have the same bits on every instruction set.
///
/// * A query without rows scores 0. Otherwise a document without tokens scores −∞.
/// * Against the product with the unquantised query, the error is at most `½ · scaleᵢ · row_scaleⱼ · Σₖ|dⱼₖ|`, plus rounding.
/// * Cost: `rows · tokens · dim` byte multiply-adds.
///
/// ```
/// use lateen::kernel::{Isa, QueryI8};
/// use lateen::types::TokenMatrix;
/// let query = QueryI8::pack(Isa::detect(), TokenMatrix::new(&[127.0, 0.0, 0.0, 254.0], 2)?);
/// assert_eq!(query.maxsim(&[1, 2, 3, -4], &[1.0, 0.5]), 190.5 + 508.0);
/// let mut products = vec![0.0; 2 * query.stride()];
/// query.scores(&[1, 2, 3, -4], &[1.0, 0.5], &mut products);
/// assert_eq!(products[..2], [127.0, 508.0]);
/// # Ok::<(), lateen::types::MatrixError>(())
/// ```
#[derive(Debug, Clone)]
pub struct QueryI8 {
    isa: Isa,
    dim: usize,
    packed: Packed,
    scales: Vec<Lanes>,
}

impl QueryI8 {
    /// Quantises and packs `query`. Cost: one pass over it.
    #[must_use]
    pub fn pack(isa: Isa, query: TokenMatrix<'_>) -> Self {
        let rows = QuantisedRows::new(query);
        let (count, shape) = (rows.rows, isa.shape());
        let packed = if isa.has_vnni() {
            let dword = |row, g| quad(|i| rows.value(row, 4 * g + i));
            Packed::new(count, rows.dim.div_ceil(4), shape, dword).starting(|row| rows.bias(row))
        } else {
            let dword = |row, g| wide_pair(|i| rows.value(row, 2 * g + i));
            Packed::new(count, rows.dim.div_ceil(2), shape, dword)
        };
        Self { isa, dim: rows.dim, packed, scales: rows.scale_lanes() }
    }

    /// Scores one document: `rows` = `[tokens, dim]`, row-major, `row_scales` = `[tokens]`.
    ///
    /// # Panics
    /// If `rows` is not `row_scales.len()` rows of the query's dimension.
    #[must_use]
    pub fn maxsim(&self, rows: &[i8], row_scales: &[f32]) -> f32 {
        let tokens = self.token_count(rows, row_scales);
        if self.packed.rows > 0 && tokens == 0 {
            return f32::NEG_INFINITY;
        }
        let mut maxima = Maxima::new(self.packed.vectors());
        if !self.maxima_simd(rows, row_scales, maxima.lanes()) {
            self.scalar(rows, |vector, token, sums| {
                let scores = sums.map(|sum| sum as f32 * row_scales[token]);
                scalar::raise(&mut maxima.lanes()[vector], scores);
            });
        }
        let scales = &self.scales;
        maxima.sum(self.packed.rows, |row| f32::from_bits(scales[row / 16].0[row % 16]))
    }

    /// Scores consecutive documents: document `d` has the tokens `ends[d-1]..ends[d]` of `rows` (the first from 0).
    ///
    /// # Panics
    /// As [`maxsim`](Self::maxsim); if `ends` decreases or points past `rows`, or `out` has another length than `ends`.
    pub fn maxsim_ragged(&self, rows: &[i8], row_scales: &[f32], ends: &[u32], out: &mut [f32]) {
        let tokens = self.token_count(rows, row_scales);
        ragged(ends, tokens, out, |range| {
            self.maxsim(&rows[range.start * self.dim..range.end * self.dim], &row_scales[range])
        });
    }

    /// All products: `out` = `[tokens, stride]`, row-major; columns past the query's rows become 0.
    ///
    /// # Panics
    /// As [`maxsim`](Self::maxsim); if `out` is not `row_scales.len() · stride()` numbers.
    pub fn scores(&self, rows: &[i8], row_scales: &[f32], out: &mut [f32]) {
        let tokens = self.token_count(rows, row_scales);
        let stride = self.stride();
        assert_eq!(out.len(), tokens * stride, "scores: one number per token and padded query row");
        #[cfg(target_arch = "x86_64")]
        if simd::scores_i8(self.isa, &self.packed, self.scaled(rows, row_scales), &self.scales, out) {
            return;
        }
        self.scalar(rows, |vector, token, sums| {
            let out = &mut out[token * stride + vector * 16..][..16];
            for (lane, out) in out.iter_mut().enumerate() {
                let scale = f32::from_bits(self.scales[vector].0[lane]);
                *out = sums[lane] as f32 * row_scales[token] * scale;
            }
        });
    }

    /// Query rows padded to a multiple of 16: the length of a row of [`scores`](Self::scores).
    #[must_use]
    pub fn stride(&self) -> usize {
        self.packed.stride()
    }

    /// The instruction set that it was packed for and runs on.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Query rows, without padding.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.packed.rows
    }

    fn token_count(&self, rows: &[i8], row_scales: &[f32]) -> usize {
        let tokens = row_count(rows.len(), self.dim);
        assert_eq!(tokens, row_scales.len(), "one scale per token");
        tokens
    }

    /// Does nothing and returns false if the instruction set is plain Rust.
    fn maxima_simd(&self, rows: &[i8], row_scales: &[f32], maxima: &mut [Lanes]) -> bool {
        #[cfg(target_arch = "x86_64")]
        return simd::maxima_i8(self.isa, &self.packed, self.scaled(rows, row_scales), maxima);
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    #[cfg(target_arch = "x86_64")]
    fn scaled<'a>(&self, rows: &'a [i8], row_scales: &'a [f32]) -> simd::ScaledRows<'a> {
        simd::ScaledRows { rows, dim: self.dim, row_scales }
    }

    fn scalar(&self, rows: &[i8], mut each: impl FnMut(usize, usize, [i32; 16])) {
        let mut pairs = vec![[0i16; 2]; self.packed.groups];
        for (token, row) in rows.chunks_exact(self.dim).enumerate() {
            for (pair, values) in pairs.iter_mut().zip(row.chunks(2)) {
                *pair = [values[0].into(), values.get(1).map_or(0, |&v| v.into())];
            }
            for (vector, block) in self.packed.blocks() {
                each(vector, token, scalar::products_i16(block, &pairs));
            }
        }
    }
}
