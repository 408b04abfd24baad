//! MaxSim over centroids alone, a byte each: an estimate that costs a load and a maximum per 32 query rows and token.

use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::simd;

/// The centroids of one document's tokens, as an index stores them.
#[derive(Debug, Clone, Copy)]
pub struct CentroidIds<'a> {
    /// `[tokens, width]`, little-endian.
    pub bytes: &'a [u8],
    /// Bytes of an id: 2, 3 or 4.
    pub width: u8,
}

impl CentroidIds<'_> {
    /// How many tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / usize::from(self.width)
    }

    /// Whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The centroid of a token.
    ///
    /// # Panics
    /// If there is no such token.
    #[must_use]
    #[inline]
    pub fn get(&self, token: usize) -> usize {
        let width = usize::from(self.width);
        let id = &self.bytes[token * width..];
        if let Some(dword) = id.first_chunk() {
            return (u32::from_le_bytes(*dword) & (u32::MAX >> (32 - 8 * width))) as usize;
        }
        id[..width].iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte))
    }
}

/// The scores of centroids in steps of a 255th of the largest score possible, those below 0 as 0.
///
/// `estimate(D) = Σᵢ stepᵢ · maxⱼ byte[id(j)][i]`, `byte[c][i] = round(max(score[c][i], 0) / stepᵢ)`, `stepᵢ = largestᵢ / 255`:
/// MaxSim over the centroids of a document's tokens instead of the tokens, within half a step per row where maxima are not
/// negative. The same on every instruction set.
///
/// ```
/// use lateen::kernel::{CentroidIds, CoarseScores, Isa};
/// let mut coarse = CoarseScores::new(Isa::detect(), &[1.0], 2);
/// let mut scores = [0.0; 2 * 16];
/// (scores[0], scores[16]) = (0.2, 0.6);
/// coarse.push(&scores);
/// let ids = CentroidIds { bytes: &[0, 0, 1, 0], width: 2 };
/// assert!((coarse.maxsim(ids) - 0.6).abs() < 0.002);
/// ```
#[derive(Debug, Clone)]
pub struct CoarseScores {
    isa: Isa,
    rows: usize,
    /// Per row, padded to whole vectors of 16 with zeros.
    inverse_steps: Vec<f32>,
    steps: Vec<f32>,
    /// `[centroids, stride]`.
    bytes: Vec<u8>,
}

impl CoarseScores {
    /// For query rows whose scores are at most `largest`, with room for so many centroids.
    #[must_use]
    pub fn new(isa: Isa, largest: &[f32], centroids: usize) -> Self {
        let stride = largest.len().next_multiple_of(16);
        let mut inverse_steps = vec![0.0; stride];
        for (inverse, &largest) in inverse_steps.iter_mut().zip(largest) {
            *inverse = if largest > 0.0 { (255.0 / largest).min(f32::MAX) } else { 0.0 };
        }
        let steps = largest.iter().map(|&largest| largest / 255.0).collect();
        let bytes = Vec::with_capacity(centroids * stride);
        Self { isa, rows: largest.len(), inverse_steps, steps, bytes }
    }

    /// Appends centroids: `scores` = `[centroids, rows rounded up to 16]`, row-major.
    ///
    /// # Panics
    /// If `scores` are no whole rows.
    pub fn push(&mut self, scores: &[f32]) {
        let stride = self.inverse_steps.len();
        assert!(scores.len().is_multiple_of(stride.max(1)), "one score per centroid and padded row");
        let start = self.bytes.len();
        self.bytes.resize(start + scores.len(), 0);
        let out = &mut self.bytes[start..];
        #[cfg(target_arch = "x86_64")]
        if simd::coarse(self.isa, scores, &self.inverse_steps, out) {
            return;
        }
        for (out, scores) in out.chunks_exact_mut(stride.max(1)).zip(scores.chunks_exact(stride.max(1))) {
            for ((out, score), inverse) in out.iter_mut().zip(scores).zip(&self.inverse_steps) {
                *out = coarse(*score, *inverse);
            }
        }
    }

    /// Appends the centroids of `next`, which was made for the same query.
    ///
    /// # Panics
    /// If it has not as many rows.
    pub fn append(&mut self, next: &Self) {
        assert_eq!(self.rows, next.rows, "coarse scores of one query");
        self.bytes.extend_from_slice(&next.bytes);
    }

    /// How many centroids there are.
    #[must_use]
    pub fn centroids(&self) -> usize {
        self.bytes.len() / self.inverse_steps.len().max(1)
    }

    /// Estimates one document. −∞ if it has no tokens; NaN if a token's centroid was not pushed: its segment is damaged.
    ///
    /// # Panics
    /// If the width of ids is not 2, 3 or 4.
    #[must_use]
    pub fn maxsim(&self, ids: CentroidIds<'_>) -> f32 {
        assert!((2..=4).contains(&ids.width), "a centroid id has 2, 3 or 4 bytes, not {}", ids.width);
        if ids.is_empty() {
            return f32::NEG_INFINITY;
        }
        let stride = self.inverse_steps.len();
        let mut sum = 0.0;
        for first in (0..stride).step_by(PART) {
            let part = first..stride.min(first + PART);
            let mut maxima = [0; PART];
            if !self.maxima(ids, part.start, &mut maxima[..part.len()]) {
                return f32::NAN;
            }
            let steps = &self.steps[first..self.rows.min(first + PART)];
            sum += steps.iter().zip(maxima).map(|(step, max)| step * f32::from(max)).sum::<f32>();
        }
        sum
    }

    /// Maxima of the columns from `first`, 16 or 32 of them; false if a centroid does not exist.
    fn maxima(&self, ids: CentroidIds<'_>, first: usize, maxima: &mut [u8]) -> bool {
        let stride = self.inverse_steps.len();
        if self.bytes.is_empty() {
            return false;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(sound) = simd::coarse_maxima(self.isa, (&self.bytes, stride), ids, first, maxima) {
            return sound;
        }
        for token in 0..ids.len() {
            let start = ids.get(token).saturating_mul(stride).saturating_add(first);
            let Some(row) = self.bytes.get(start..start.saturating_add(maxima.len())) else { return false };
            maxima.iter_mut().zip(row).for_each(|(max, &byte)| *max = byte.max(*max));
        }
        true
    }
}

/// Columns whose maxima are kept at a time.
const PART: usize = 32;

/// As `minps`, `cvtps2dq` and saturating packs do it, whatever the score.
pub(super) fn coarse(score: f32, inverse: f32) -> u8 {
    let scaled = score * inverse;
    let scaled = if scaled < 255.0 { scaled } else { 255.0 };
    scaled.round_ties_even() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = f32> {
        prop_oneof![10 => -2.0_f32..2.0, 1 => Just(f32::NAN), 1 => Just(1e30_f32), 1 => Just(-1e30_f32)]
    }

    proptest! {
        #[test]
        fn every_instruction_set_estimates_the_same(
            rows in 0_usize..70,
            scores in prop::collection::vec(number(), 9 * 80),
            largest in prop::collection::vec(0.0_f32..2.0, 70),
            ids in prop::collection::vec(0_u32..10, 0..40),
            width in 2_usize..5,
        ) {
            let stride = rows.next_multiple_of(16);
            let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()[..width].to_vec()).collect();
            let ids = CentroidIds { bytes: &bytes, width: width as u8 };
            let estimate = |isa| {
                let mut coarse = CoarseScores::new(isa, &largest[..rows], 9);
                coarse.push(&scores[..4 * stride]);
                coarse.push(&scores[4 * stride..9 * stride]);
                (coarse.maxsim(ids).to_bits(), coarse.bytes)
            };
            let scalar = estimate(Isa::SCALAR);
            for isa in Isa::every() {
                prop_assert_eq!(&estimate(isa), &scalar, "{}", isa);
            }
        }
    }

    #[test]
    fn a_centroid_that_does_not_exist_is_damage() {
        for isa in Isa::every() {
            let mut coarse = CoarseScores::new(isa, &[1.0; 20], 2);
            coarse.push(&[0.5; 2 * 32]);
            let estimate = |bytes: &[u8]| coarse.maxsim(CentroidIds { bytes, width: 2 });
            assert!(estimate(&[1, 0, 2, 0]).is_nan() && estimate(&[255, 255]).is_nan());
            assert!((estimate(&[1, 0]) - 10.0).abs() < 0.1);
            assert_eq!(estimate(&[]), f32::NEG_INFINITY);
        }
    }
}
