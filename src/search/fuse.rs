//! Several rankings of the same documents, made one.

use std::collections::BTreeMap;
use std::fmt;

use crate::types::Score;

/// Hits of one system: ids and scores, best first.
pub type Ranking = Vec<(String, f32)>;

/// How rankings are joined. Weights are one for each ranking, in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fusion {
    /// `Σ weight / (constant + rank)`, ranks from 1 (Cormack, Clarke & Büttcher, SIGIR 2009). Looks at ranks only, so that
    /// systems whose scores do not compare can be joined.
    ReciprocalRank {
        /// How little the first ranks stand out; 60 is usual.
        constant: f32,
        /// None: all count alike.
        weights: Option<Vec<f32>>,
    },
    /// `Σ weight · (score − min) / (max − min)` over the scores that each ranking has for the query; a document that a ranking
    /// lacks gets 0 from it, as its last does. A ranking whose scores are all equal gives 1 to its documents.
    Weighted {
        /// What each ranking counts.
        weights: Vec<f32>,
    },
}

impl Default for Fusion {
    fn default() -> Self {
        Self::ReciprocalRank { constant: 60.0, weights: None }
    }
}

impl fmt::Display for Fusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |weights: &[f32]| {
            let words: Vec<String> = weights.iter().map(f32::to_string).collect();
            words.join(":")
        };
        match self {
            Self::ReciprocalRank { constant, weights: None } => write!(f, "reciprocal rank, {constant}"),
            Self::ReciprocalRank { constant, weights: Some(weights) } => {
                write!(f, "reciprocal rank, {constant}, weights {}", list(weights))
            }
            Self::Weighted { weights } => write!(f, "weighted {}", list(weights)),
        }
    }
}

/// Why rankings cannot be joined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FusionError {
    /// Give one weight for each ranking.
    #[error("{weights} weights for {rankings} rankings; one for each is needed")]
    Weights {
        /// How many there are.
        weights: usize,
        /// How many there should be.
        rankings: usize,
    },
    /// Weights are finite and not negative; the constant is finite and positive, or 0.
    #[error("{what} is {value}; a finite number, 0 or more, is needed")]
    Number {
        /// `a weight`, `the constant`, or `a score`.
        what: &'static str,
        /// What stands there.
        value: f32,
    },
}

/// Joins `rankings` and keeps the best `k`; equal sums are ordered by ascending id.
///
/// Cost: linear in the rankings, and a sort. A document that a ranking names twice counts with its first place there.
///
/// # Errors
/// [`FusionError`] if weights are missing, too many or negative, or a score is not finite.
///
/// ```
/// use lateen::search::{Fusion, fuse};
/// let words = vec![("a".to_owned(), 9.0), ("b".to_owned(), 8.5)];
/// let meaning = vec![("b".to_owned(), 0.7), ("c".to_owned(), 0.2)];
/// let both = fuse(&[words, meaning], &Fusion::default(), 2)?;
/// assert_eq!(both[0].0, "b");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fuse(rankings: &[Ranking], fusion: &Fusion, k: usize) -> Result<Ranking, FusionError> {
    let weights = check(rankings, fusion)?;
    let mut sums: BTreeMap<&str, f32> = BTreeMap::new();
    for (ranking, weight) in rankings.iter().zip(weights) {
        let mut seen = std::collections::HashSet::with_capacity(ranking.len());
        let scale = Scale::of(ranking);
        for (at, (id, score)) in ranking.iter().enumerate() {
            if !seen.insert(id.as_str()) {
                continue;
            }
            let value = match fusion {
                Fusion::ReciprocalRank { constant, .. } => 1.0 / (constant + at as f32 + 1.0),
                Fusion::Weighted { .. } => scale.apply(*score),
            };
            *sums.entry(id).or_default() += weight * value;
        }
    }
    let mut fused: Vec<(&str, f32)> = sums.into_iter().collect();
    // The map is in the order of ids, and the sort keeps it among equals.
    fused.sort_by_key(|(_, sum)| std::cmp::Reverse(Score::saturating(*sum)));
    fused.truncate(k);
    Ok(fused.into_iter().map(|(id, sum)| (id.to_owned(), sum)).collect())
}

/// The weights, one for each ranking.
fn check(rankings: &[Ranking], fusion: &Fusion) -> Result<Vec<f32>, FusionError> {
    let sound = |what, value: f32| {
        if value.is_finite() && value >= 0.0 { Ok(()) } else { Err(FusionError::Number { what, value }) }
    };
    let weights = match fusion {
        Fusion::ReciprocalRank { constant, weights } => {
            sound("the constant", *constant)?;
            weights.clone().unwrap_or_else(|| vec![1.0; rankings.len()])
        }
        Fusion::Weighted { weights } => weights.clone(),
    };
    if weights.len() != rankings.len() {
        return Err(FusionError::Weights { weights: weights.len(), rankings: rankings.len() });
    }
    weights.iter().try_for_each(|weight| sound("a weight", *weight))?;
    let odd = rankings.iter().flatten().map(|(_, score)| *score).find(|score| !score.is_finite());
    odd.map_or(Ok(weights), |value| Err(FusionError::Number { what: "a score", value }))
}

/// From a ranking's scores to `[0, 1]`.
struct Scale {
    least: f64,
    spread: f64,
}

impl Scale {
    fn of(ranking: &Ranking) -> Self {
        let scores = || ranking.iter().map(|(_, score)| f64::from(*score));
        let least = scores().fold(f64::INFINITY, f64::min);
        Self { least, spread: scores().fold(f64::NEG_INFINITY, f64::max) - least }
    }

    fn apply(&self, score: f32) -> f32 {
        if self.spread > 0.0 { ((f64::from(score) - self.least) / self.spread) as f32 } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(hits: &[(&str, f32)]) -> Ranking {
        hits.iter().map(|&(id, score)| (id.to_owned(), score)).collect()
    }

    fn fused(rankings: &[Ranking], fusion: &Fusion) -> Ranking {
        fuse(rankings, fusion, 10).unwrap()
    }

    #[test]
    fn ranks_are_joined_by_the_formula() {
        let rankings = [ranking(&[("a", 9.0), ("b", 1.0)]), ranking(&[("b", 0.9), ("c", 0.8), ("a", 0.1)])];
        let sums = fused(&rankings, &Fusion::default());
        let expected = [("b", 1.0 / 62.0 + 1.0 / 61.0), ("a", 1.0 / 61.0 + 1.0 / 63.0), ("c", 1.0 / 62.0)];
        for ((id, sum), (known, value)) in sums.iter().zip(expected) {
            assert!(id == known && (sum - value as f32).abs() < 1e-7, "{sums:?}");
        }
        let one = Fusion::ReciprocalRank { constant: 0.0, weights: Some(vec![0.0, 1.0]) };
        assert_eq!(fused(&rankings, &one)[0], ("b".to_owned(), 1.0));
    }

    #[test]
    fn scores_are_scaled_before_they_are_joined() {
        let rankings =
            [ranking(&[("a", 30.0), ("b", 20.0), ("c", 10.0)]), ranking(&[("c", 0.9), ("b", 0.5)])];
        let even = fused(&rankings, &Fusion::Weighted { weights: vec![1.0, 1.0] });
        assert_eq!(even, ranking(&[("a", 1.0), ("c", 1.0), ("b", 0.5)]));
        let flat = fused(&[ranking(&[("x", 3.0), ("y", 3.0)])], &Fusion::Weighted { weights: vec![2.0] });
        assert_eq!(flat, ranking(&[("x", 2.0), ("y", 2.0)]));
    }

    #[test]
    fn ties_fall_by_id_and_repeats_count_once() {
        let rankings = [ranking(&[("b", 1.0), ("b", 0.5)]), ranking(&[("a", 1.0)])];
        let sums = fused(&rankings, &Fusion::default());
        assert_eq!(sums.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(sums[0].1, sums[1].1);
        assert_eq!(fuse(&rankings, &Fusion::default(), 1).unwrap().len(), 1);
        assert!(fused(&[], &Fusion::default()).is_empty());
    }

    #[test]
    fn what_cannot_be_joined_is_refused() {
        let rankings = [ranking(&[("a", 1.0)])];
        let refused = |fusion| fuse(&rankings, &fusion, 5).unwrap_err();
        let weights = refused(Fusion::Weighted { weights: vec![] });
        assert_eq!(weights, FusionError::Weights { weights: 0, rankings: 1 });
        let negative = refused(Fusion::Weighted { weights: vec![-1.0] });
        assert!(matches!(negative, FusionError::Number { what: "a weight", .. }));
        let constant = refused(Fusion::ReciprocalRank { constant: f32::NAN, weights: None });
        assert!(matches!(constant, FusionError::Number { what: "the constant", .. }));
        let infinite = fuse(&[ranking(&[("a", f32::INFINITY)])], &Fusion::default(), 5).unwrap_err();
        assert!(matches!(infinite, FusionError::Number { what: "a score", .. }));
    }
}
