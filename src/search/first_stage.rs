//! The closest centroids of every query token.

use crate::types::Score;

/// For each query token, the centroids to walk and what a document scores that none of them names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Probes {
    /// `(score, centroid)`, best first; equal scores by ascending centroid.
    pub lists: Vec<(f32, u32)>,
    /// Score of the best centroid that is not walked: an upper bound for all others. If every
    /// centroid is walked, the worst walked one.
    pub imputed: f32,
}

/// Picks the `nprobe` best centroids per query token.
///
/// `scores`: `[centroids, stride]`, row-major; columns past `query_tokens` are padding.
/// One pass over the scores: a centroid is looked at closely only if it beats, for some token, the
/// bar of the centroids kept so far, which rises quickly. Cost: `O(centroids · stride)` compares and,
/// for scores in random order, `O(query_tokens · nprobe · log(centroids / nprobe))` insertions.
pub(super) fn probe(scores: &[f32], stride: usize, query_tokens: usize, nprobe: usize) -> Vec<Probes> {
    let keep = nprobe + 1;
    let mut bars = vec![f32::INFINITY; stride];
    bars[..query_tokens].fill(f32::NEG_INFINITY);
    let mut kept: Vec<Vec<(f32, u32)>> = vec![Vec::with_capacity(2 * keep); query_tokens];
    for (centroid, row) in scores.chunks_exact(stride).enumerate() {
        let centroid = centroid as u32;
        if !row.iter().zip(&bars).fold(false, |any, (score, bar)| any | (score > bar)) {
            continue;
        }
        for (token, kept) in kept.iter_mut().enumerate() {
            if row[token] > bars[token] {
                kept.push((row[token], centroid));
                if kept.len() == 2 * keep {
                    bars[token] = shrink(kept, keep);
                }
            }
        }
    }
    kept.into_iter().map(|kept| finish(kept, nprobe)).collect()
}

fn best_first(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    Score::saturating(b.0).cmp(&Score::saturating(a.0)).then(a.1.cmp(&b.1))
}

/// Keeps the best `keep` and returns the worst score among them.
fn shrink(kept: &mut Vec<(f32, u32)>, keep: usize) -> f32 {
    let (_, worst, _) = kept.select_nth_unstable_by(keep - 1, best_first);
    let bar = worst.0;
    kept.truncate(keep);
    bar
}

fn finish(mut lists: Vec<(f32, u32)>, nprobe: usize) -> Probes {
    lists.sort_unstable_by(best_first);
    let imputed = lists.get(nprobe).or(lists.last()).map_or(0.0, |&(score, _)| score);
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
                finish(column.zip(0..).collect(), nprobe)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_sorting_finds(
            rows in prop::collection::vec(prop::collection::vec(-8_i8..8, 16), 0..200),
            tokens in 0_usize..=16,
            nprobe in 1_usize..20,
        ) {
            let scores: Vec<f32> = rows.concat().into_iter().map(f32::from).collect();
            prop_assert_eq!(probe(&scores, 16, tokens, nprobe), naive(&scores, 16, tokens, nprobe));
        }
    }

    #[test]
    fn the_imputed_score_is_the_best_one_left_out() {
        let scores = [3.0, 1.0, 2.0, 0.5];
        let probes = probe(&scores, 1, 1, 2);
        assert_eq!(probes, [Probes { lists: vec![(3.0, 0), (2.0, 2)], imputed: 1.0 }]);
        assert_eq!(probe(&scores, 1, 1, 9)[0].imputed, 0.5);
        assert_eq!(probe(&[], 1, 1, 2), [Probes { lists: vec![], imputed: 0.0 }]);
    }
}
