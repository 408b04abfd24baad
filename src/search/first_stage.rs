//! The closest centroids of every query token.

use crate::kernel::{Isa, next_above};

/// For each query token, the centroids to walk and what a document scores that none of them names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Probes {
    /// `(score, centroid)`, best first; equal scores by ascending centroid.
    pub lists: Vec<(f32, u32)>,
    /// What a document is credited with that is in none of the lists.
    pub imputed: f32,
}

/// A score and its centroid as one number: larger is better, equal scores by ascending centroid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u64);

impl Key {
    fn new(score: f32, centroid: u32) -> Self {
        // `+ 0.0` makes the two zeros equal. Flipping all bits of negative numbers, and the sign of others, orders them.
        let bits = (score + 0.0).to_bits();
        let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        Self(u64::from(ordered) << 32 | u64::from(!centroid))
    }

    fn score(self) -> f32 {
        let ordered = (self.0 >> 32) as u32;
        f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
    }

    fn centroid(self) -> u32 {
        !(self.0 as u32)
    }
}

/// Picks the best centroids per query token while their scores pass by.
///
/// A centroid is looked at closely only if it beats, for some token, the bar of the centroids kept so far, which rises
/// quickly. Cost: `O(centroids · stride)` compares and, for scores in random order,
/// `O(query_tokens · nprobe · log(centroids / nprobe))` insertions.
pub(super) struct Prober {
    isa: Isa,
    nprobe: usize,
    bars: Vec<f32>,
    kept: Vec<Vec<Key>>,
}

impl Prober {
    /// For rows of `stride` scores, of which the first `query_tokens` count.
    pub fn new(isa: Isa, stride: usize, query_tokens: usize, nprobe: usize) -> Self {
        let mut bars = vec![f32::INFINITY; stride];
        bars[..query_tokens].fill(f32::NEG_INFINITY);
        let kept = vec![Vec::with_capacity(2 * (nprobe.min(1 << 16) + 1)); query_tokens];
        Self { isa, nprobe, bars, kept }
    }

    /// Takes the scores of the centroids from `first`: `[centroids, stride]`, row-major.
    pub fn see(&mut self, first: usize, scores: &[f32]) {
        let keep = self.nprobe.saturating_add(1);
        let stride = self.bars.len();
        let mut next = 0;
        while let Some(at) = next_above(self.isa, scores, &self.bars, next) {
            let row = &scores[at * stride..][..self.kept.len()];
            for ((kept, bar), &score) in self.kept.iter_mut().zip(&mut self.bars).zip(row) {
                if score > *bar {
                    kept.push(Key::new(score, (first + at) as u32));
                    if kept.len() == keep.saturating_mul(2) {
                        *bar = shrink(kept, keep);
                    }
                }
            }
            next = at + 1;
        }
    }

    /// The best of all that was seen.
    pub fn finish(self) -> Vec<Probes> {
        self.kept.into_iter().map(|kept| finish(kept, self.nprobe)).collect()
    }

    /// Takes over what another prober has kept of other centroids.
    pub fn join(&mut self, other: Self) {
        for (kept, others) in self.kept.iter_mut().zip(other.kept) {
            kept.extend(others);
        }
    }
}

/// Keeps the best `keep` and returns the worst score among them.
fn shrink(kept: &mut Vec<Key>, keep: usize) -> f32 {
    let worst = kept.len() - keep;
    let (_, &mut bar, _) = kept.select_nth_unstable(worst);
    kept.drain(..worst);
    bar.score()
}

/// The best centroid not walked bounds what others can score, but most of them score less: how much less, as a share of the
/// distance between that bound and the best centroid. Of 0, ¼, ½ and 1 the one that orders documents best
/// (`docs/decisions/0004-first-stage-and-rescoring.md`).
const BELOW_BOUND: f32 = 0.25;

fn finish(mut kept: Vec<Key>, nprobe: usize) -> Probes {
    if kept.len() > nprobe {
        let keep = nprobe.saturating_add(1).min(kept.len());
        shrink(&mut kept, keep);
    }
    kept.sort_unstable_by(|a, b| b.cmp(a));
    let mut lists: Vec<(f32, u32)> = kept.iter().map(|key| (key.score(), key.centroid())).collect();
    let best = lists.first().map_or(0.0, |&(score, _)| score);
    let bound = lists.get(nprobe).or(lists.last()).map_or(0.0, |&(score, _)| score);
    let imputed = bound - BELOW_BOUND * (best - bound);
    lists.truncate(nprobe);
    Probes { lists, imputed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(scores: &[f32], stride: usize, tokens: usize, nprobe: usize) -> Vec<Probes> {
        (0..tokens)
            .map(|token| {
                let column = scores.chunks_exact(stride).map(|row| row[token]);
                let mut all: Vec<(f32, u32)> = column.zip(0..).collect();
                all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                let bound = all.get(nprobe).or(all.last()).map_or(0.0, |found| found.0);
                let imputed = bound - BELOW_BOUND * (all.first().map_or(0.0, |found| found.0) - bound);
                all.truncate(nprobe);
                Probes { lists: all, imputed }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_sorting_finds(
            rows in prop::collection::vec(prop::collection::vec(-8_i8..8, 16), 0..200),
            tokens in 0_usize..=16,
            nprobe in 1_usize..20,
            part in 1_usize..100,
        ) {
            let scores: Vec<f32> = rows.concat().into_iter().map(f32::from).collect();
            let naive = naive(&scores, 16, tokens, nprobe);
            let prober = || Prober::new(Isa::detect(), 16, tokens, nprobe);
            let (mut all, mut joined) = (prober(), prober());
            for (at, scores) in scores.chunks(part * 16).enumerate() {
                all.see(at * part, scores);
                let mut own = prober();
                own.see(at * part, scores);
                joined.join(own);
            }
            prop_assert_eq!(&all.finish(), &naive);
            prop_assert_eq!(&joined.finish(), &naive);
        }
    }

    #[test]
    fn the_imputed_score_lies_below_the_best_one_left_out() {
        let mut scores = [0.0; 4 * 16];
        for (row, score) in [3.0, 1.0, 2.0, 0.5].into_iter().enumerate() {
            scores[row * 16] = score;
        }
        let probes = |scores: &[f32], nprobe| {
            let mut prober = Prober::new(Isa::detect(), 16, 1, nprobe);
            prober.see(0, scores);
            prober.finish()
        };
        assert_eq!(probes(&scores, 2), [Probes { lists: vec![(3.0, 0), (2.0, 2)], imputed: 0.5 }]);
        assert_eq!(probes(&scores, 9)[0].imputed, -0.125);
        assert_eq!(probes(&[], 2), [Probes { lists: vec![], imputed: 0.0 }]);
    }
}
