//! MaxSim in single precision, over `f32` and `f16` documents.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::isa::Isa;
use super::maxima::{Maxima, ragged, row_count};
use super::packed::{Lanes, Packed};
use super::scalar;
#[cfg(target_arch = "x86_64")]
use super::simd;
use crate::types::TokenMatrix;

/// A query packed for exact MaxSim.
///
/// `score(Q, D) = Σᵢ maxⱼ ⟨qᵢ, dⱼ⟩`; larger is better; rows of any norm, so that norms can be token weights.
///
/// * A query without rows scores 0. Otherwise a document without tokens scores −∞.
/// * Each product is summed in `f32` in the order of the dimensions: error at most `dim · 2⁻²³ · Σₖ|qₖdₖ|`. Where
///   `Σₖ|qₖdₖ| < 2¹²⁷` and the sum over the query rows stays in range, results are finite.
/// * Cost: `rows · tokens · dim` multiply-adds; allocates only for more than 128 query rows or wide `f16` rows.
///
/// ```
/// use lateen::kernel::{Isa, QueryF32};
/// use lateen::types::TokenMatrix;
/// let query = QueryF32::pack(Isa::detect(), TokenMatrix::new(&[1.0, 0.0, 0.0, 2.0], 2)?);
/// let tokens = [0.5, 0.0, 0.0, 0.25, -1.0, -1.0];
/// assert_eq!(query.maxsim(&tokens), 0.5 + 2.0 * 0.25);
/// let mut scores = [0.0; 2];
/// query.maxsim_ragged(&tokens, &[1, 3], &mut scores);
/// assert_eq!(scores, [0.5, 0.5]);
/// # Ok::<(), lateen::types::MatrixError>(())
/// ```
#[derive(Debug, Clone)]
pub struct QueryF32 {
    isa: Isa,
    dim: usize,
    packed: Packed,
}

impl QueryF32 {
    /// Packs `query`. Cost: one pass over it.
    #[must_use]
    pub fn pack(isa: Isa, query: TokenMatrix<'_>) -> Self {
        let dim = query.dim();
        let dword = |row: usize, k: usize| query.row(row)[k].to_bits();
        Self { isa, dim, packed: Packed::new(query.rows(), dim, isa.shape(), dword) }
    }

    /// Scores one document, `rows` = `[tokens, dim]`, row-major.
    ///
    /// # Panics
    /// If `rows` is no multiple of the query's dimension.
    #[must_use]
    pub fn maxsim(&self, rows: &[f32]) -> f32 {
        let tokens = row_count(rows.len(), self.dim);
        self.score(tokens, |maxima| self.fill(rows, tokens, maxima))
    }

    fn fill(&self, rows: &[f32], tokens: usize, maxima: &mut [Lanes]) {
        #[cfg(target_arch = "x86_64")]
        if simd::maxima_f32(self.isa, &self.packed, rows, maxima) {
            return;
        }
        let copy = |t: usize, out: &mut [f32]| out.copy_from_slice(&rows[t * self.dim..][..self.dim]);
        scalar::maxima_f32(&self.packed, self.dim, tokens, maxima, copy);
    }

    /// Scores consecutive documents: document `d` has the tokens `ends[d-1]..ends[d]` of `rows` (the first from 0).
    ///
    /// # Panics
    /// As [`maxsim`](Self::maxsim); if `ends` decreases or points past `rows`, or `out` has another length than `ends`.
    pub fn maxsim_ragged(&self, rows: &[f32], ends: &[u32], out: &mut [f32]) {
        let tokens = row_count(rows.len(), self.dim);
        ragged(ends, tokens, out, |range| self.maxsim(&rows[range.start * self.dim..range.end * self.dim]));
    }

    /// Scores one document of half-precision rows, without rounding beyond that of [`maxsim`](Self::maxsim).
    ///
    /// # Panics
    /// If `rows` is no multiple of the query's dimension.
    #[must_use]
    pub fn maxsim_f16(&self, rows: &[f16]) -> f32 {
        let tokens = row_count(rows.len(), self.dim);
        self.score(tokens, |maxima| {
            #[cfg(target_arch = "x86_64")]
            if simd::maxima_f16(self.isa, &self.packed, rows, maxima) {
                return;
            }
            let widen =
                |t: usize, out: &mut [f32]| rows[t * self.dim..][..self.dim].convert_to_f32_slice(out);
            scalar::maxima_f32(&self.packed, self.dim, tokens, maxima, widen);
        })
    }

    /// [`maxsim_ragged`](Self::maxsim_ragged) over half-precision rows.
    ///
    /// # Panics
    /// As [`maxsim_ragged`](Self::maxsim_ragged).
    pub fn maxsim_ragged_f16(&self, rows: &[f16], ends: &[u32], out: &mut [f32]) {
        let tokens = row_count(rows.len(), self.dim);
        ragged(ends, tokens, out, |range| {
            self.maxsim_f16(&rows[range.start * self.dim..range.end * self.dim])
        });
    }

    /// What each query row adds to [`maxsim`](Self::maxsim): its largest product, the very numbers that are summed there, by
    /// [`sum_of_maxima`](super::sum_of_maxima). −∞ in a document without tokens.
    ///
    /// # Panics
    /// As [`maxsim`](Self::maxsim).
    #[must_use]
    pub fn maxima(&self, rows: &[f32]) -> Vec<f32> {
        let tokens = row_count(rows.len(), self.dim);
        let mut maxima = Maxima::new(self.packed.vectors());
        self.fill(rows, tokens, maxima.lanes());
        maxima.rows(self.packed.rows)
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

    fn score(&self, tokens: usize, fill: impl FnOnce(&mut [Lanes])) -> f32 {
        if self.packed.rows > 0 && tokens == 0 {
            return f32::NEG_INFINITY;
        }
        let mut maxima = Maxima::new(self.packed.vectors());
        fill(maxima.lanes());
        maxima.sum(self.packed.rows, |_| 1.0)
    }
}
