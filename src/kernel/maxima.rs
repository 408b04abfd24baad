//! The running maximum of each query row over the tokens of one document.

use super::packed::Lanes;

/// Rows that need no allocation.
const INLINE: usize = 8;

/// One number per query row, padding included; starts at −∞.
pub(super) struct Maxima {
    few: [Lanes; INLINE],
    many: Vec<Lanes>,
    vectors: usize,
}

impl Maxima {
    pub(super) fn new(vectors: usize) -> Self {
        let start = Lanes([f32::NEG_INFINITY.to_bits(); 16]);
        let many = if vectors > INLINE { vec![start; vectors] } else { Vec::new() };
        Self { few: [start; INLINE], many, vectors }
    }

    pub(super) fn lanes(&mut self) -> &mut [Lanes] {
        if self.vectors > INLINE { &mut self.many } else { &mut self.few[..self.vectors] }
    }

    /// The numbers of the rows that are no padding.
    pub(super) fn rows(&mut self, rows: usize) -> Vec<f32> {
        let all = self.lanes().iter().flat_map(|lanes| lanes.0).map(f32::from_bits);
        all.take(rows).collect()
    }

    /// `Σ maxima[row] · weight(row)` over the rows that are no padding, in an order that depends on nothing but `rows`.
    pub(super) fn sum(&mut self, rows: usize, weight: impl Fn(usize) -> f32) -> f32 {
        let mut sums = [0.0; 16];
        for (v, lanes) in self.lanes().iter().enumerate() {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let row = v * 16 + lane;
                if row < rows {
                    *sum += f32::from_bits(lanes.0[lane]) * weight(row);
                }
            }
        }
        fold(sums)
    }
}

fn fold(mut sums: [f32; 16]) -> f32 {
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}

/// Sums the largest product of each query row as every MaxSim here does, so that the sum is the score to the last bit: rows
/// 16 apart first, then the halves of the 16 sums.
///
/// ```
/// assert_eq!(lateen::kernel::sum_of_maxima(&[0.5, 0.25]), 0.75);
/// ```
#[must_use]
pub fn sum_of_maxima(maxima: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    for block in maxima.chunks(16) {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += value;
        }
    }
    fold(sums)
}

/// Calls `score` with the token range of each document; `out[d]` gets its answer.
///
/// # Panics
/// If `ends` and `out` differ in length, or `ends` decreases or points past `tokens`.
pub(super) fn ragged(
    ends: &[u32],
    tokens: usize,
    out: &mut [f32],
    score: impl Fn(std::ops::Range<usize>) -> f32,
) {
    assert_eq!(ends.len(), out.len(), "one result per document");
    let mut first = 0;
    for (&end, out) in ends.iter().zip(out) {
        let end = end as usize;
        assert!(first <= end && end <= tokens, "document ends do not fit the tokens");
        *out = score(first..end);
        first = end;
    }
}

/// How many rows of `dim` numbers `len` numbers are.
///
/// # Panics
/// If the last row is not full.
pub(super) fn row_count(len: usize, dim: usize) -> usize {
    assert!(len.is_multiple_of(dim), "{len} numbers do not fill rows of {dim}");
    len / dim
}
