//! Passes over tables of scores.

use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::simd;

/// The first row, from row `from`, in which some column's score is above that column's bar; `None` if there is none.
///
/// `scores` = `[rows, bars.len()]`, row-major. A NaN is above nothing. Cost: one comparison per number passed.
///
/// # Panics
/// If the number of bars is no multiple of 16, or `scores` are no whole rows.
///
/// ```
/// use lateen::kernel::{Isa, next_above};
/// let mut scores = vec![0.0; 3 * 16];
/// scores[16 + 5] = 2.0;
/// let mut bars = [1.0; 16];
/// assert_eq!(next_above(Isa::detect(), &scores, &bars, 0), Some(1));
/// assert_eq!(next_above(Isa::detect(), &scores, &bars, 2), None);
/// ```
#[must_use]
pub fn next_above(isa: Isa, scores: &[f32], bars: &[f32], from: usize) -> Option<usize> {
    let stride = bars.len();
    assert!(stride.is_multiple_of(16), "bars come in vectors of 16, not {stride}");
    if stride == 0 {
        return None;
    }
    assert!(scores.len().is_multiple_of(stride), "one score per bar and row");
    #[cfg(target_arch = "x86_64")]
    if let Some(found) = simd::next_above(isa, scores, bars, from) {
        return found;
    }
    let _ = isa;
    let above = |row: &[f32]| row.iter().zip(bars).any(|(score, bar)| score > bar);
    scores.chunks_exact(stride).skip(from).position(above).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_instruction_set_finds_the_same_row(
            rows in prop::collection::vec(prop::collection::vec(0_i8..20, 32), 0..40),
            bars in prop::collection::vec(10_i8..20, 32),
            stride in prop_oneof![Just(16_usize), Just(32)],
            from in 0_usize..45,
        ) {
            let mut scores: Vec<f32> = rows.concat().into_iter().map(f32::from).collect();
            if let Some(last) = scores.last_mut() {
                *last = f32::NAN;
            }
            let bars: Vec<f32> = bars[..stride].iter().map(|&bar| f32::from(bar)).collect();
            let above = |row: &&[f32]| row.iter().zip(&bars).any(|(score, bar)| score > bar);
            let mut found = (from..).zip(scores.chunks_exact(stride).skip(from));
            let expected = found.find(|(_, row)| above(row)).map(|(at, _)| at);
            for isa in Isa::every() {
                prop_assert_eq!(next_above(isa, &scores, &bars, from), expected, "{}", isa);
            }
        }
    }
}
