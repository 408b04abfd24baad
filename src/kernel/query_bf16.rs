//! MaxSim over `bf16` documents.

use half::bf16;
use half::slice::HalfFloatSliceExt;

use super::isa::Isa;
use super::maxima::{Maxima, ragged, row_count};
use super::packed::Packed;
use super::scalar;
#[cfg(target_arch = "x86_64")]
use super::simd;
use crate::types::TokenMatrix;

/// A query rounded to `bf16` and packed for MaxSim over `bf16` documents.
///
/// `score(Q, D) = Σᵢ maxⱼ ⟨bf16(qᵢ), dⱼ⟩`; larger is better; rows of any norm.
///
/// * A query without rows scores 0. Otherwise a document without tokens scores −∞.
/// * Query numbers are rounded to nearest even (relative error `2⁻⁹`) and to the largest finite `bf16` where they exceed it.
/// * Products are summed in `f32`: error at most `dim · 2⁻²² · Σₖ|qₖdₖ|`, plus, on AVX-512 BF16, which reads and writes
///   subnormal numbers as zero, `dim · 2⁻¹²⁶ · (1 + max|q| + max|d|)`.
///
/// ```
/// use half::bf16;
/// use lateen::kernel::{Isa, QueryBf16};
/// use lateen::types::TokenMatrix;
/// let query = QueryBf16::pack(Isa::detect(), TokenMatrix::new(&[1.0, 0.0, 0.0, 2.0], 2)?);
/// let tokens = [0.5, 0.0, 0.0, 0.25].map(bf16::from_f32);
/// assert_eq!(query.maxsim(&tokens), 1.0);
/// # Ok::<(), lateen::types::MatrixError>(())
/// ```
#[derive(Debug, Clone)]
pub struct QueryBf16 {
    isa: Isa,
    dim: usize,
    packed: Packed,
}

impl QueryBf16 {
    /// Packs `query`. Cost: one pass over it.
    #[must_use]
    pub fn pack(isa: Isa, query: TokenMatrix<'_>) -> Self {
        let (dim, rows, shape) = (query.dim(), query.rows(), isa.shape());
        let bits = |row: usize, k: usize| query.row(row).get(k).map_or(0, |&x| round(x).to_bits());
        let packed = if isa.has_bf16() {
            let pair = |row, g| u32::from(bits(row, 2 * g)) | u32::from(bits(row, 2 * g + 1)) << 16;
            Packed::new(rows, dim.div_ceil(2), shape, pair)
        } else {
            Packed::new(rows, dim, shape, |row, k| u32::from(bits(row, k)) << 16)
        };
        Self { isa, dim, packed }
    }

    /// Scores one document, `rows` = `[tokens, dim]`, row-major.
    ///
    /// # Panics
    /// If `rows` is no multiple of the query's dimension.
    #[must_use]
    pub fn maxsim(&self, rows: &[bf16]) -> f32 {
        let tokens = row_count(rows.len(), self.dim);
        if self.packed.rows > 0 && tokens == 0 {
            return f32::NEG_INFINITY;
        }
        let mut maxima = Maxima::new(self.packed.vectors());
        #[cfg(target_arch = "x86_64")]
        if simd::maxima_bf16(self.isa, &self.packed, (rows, self.dim), maxima.lanes()) {
            return maxima.sum(self.packed.rows, |_| 1.0);
        }
        let widen = |t: usize, out: &mut [f32]| rows[t * self.dim..][..self.dim].convert_to_f32_slice(out);
        scalar::maxima_f32(&self.packed, self.dim, tokens, maxima.lanes(), widen);
        maxima.sum(self.packed.rows, |_| 1.0)
    }

    /// Scores consecutive documents: document `d` has the tokens `ends[d-1]..ends[d]` of `rows` (the first from 0).
    ///
    /// # Panics
    /// As [`maxsim`](Self::maxsim); if `ends` decreases or points past `rows`, or `out` has another length than `ends`.
    pub fn maxsim_ragged(&self, rows: &[bf16], ends: &[u32], out: &mut [f32]) {
        let tokens = row_count(rows.len(), self.dim);
        ragged(ends, tokens, out, |range| self.maxsim(&rows[range.start * self.dim..range.end * self.dim]));
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
}

fn round(x: f32) -> bf16 {
    bf16::from_f32(x).clamp(bf16::MIN, bf16::MAX)
}
