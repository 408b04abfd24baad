//! Reranking sets: a query, texts that answer it, and texts that do not.

use super::error::EvalError;
use super::measure::ratio;

/// What one query's scores are worth, as MTEB measures reranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RerankingValues {
    /// Average precision.
    pub average_precision: f64,
    /// Reciprocal rank of the first relevant text, 0 below the cut-off.
    pub reciprocal_rank: f64,
}

/// MTEB's cut-off of the reciprocal rank.
pub const MTEB_MRR_CUTOFF: usize = 10;

/// Measures the scores that a system gives to the texts of one query; `relevant[i]` says whether text `i` answers it.
///
/// * Average precision is scikit-learn's, `Σ (Rₙ − Rₙ₋₁) Pₙ` over the distinct scores, downwards: texts with equal scores are
///   found together, so that no order among them is rewarded. Without equal scores it is `trec_eval`'s `map`.
/// * The reciprocal rank looks at `cutoff` texts. Of equal scores those not relevant come first; MTEB leaves their order to
///   the sorting.
/// * MTEB's `map` and `mrr` are the means over all queries that have a relevant text and another; its `mrr` looks at
///   [`MTEB_MRR_CUTOFF`] texts. `map` is the main score.
///
/// Cost: a sort.
///
/// # Errors
/// [`EvalError::RerankingSample`] if the lengths differ, a score is NaN, or all texts are relevant or none is.
///
/// ```
/// let values = lateen::eval::reranking_values(&[0.9, 0.8, 0.7], &[true, false, true], 10)?;
/// assert_eq!((values.average_precision, values.reciprocal_rank), ((1.0 + 2.0 / 3.0) / 2.0, 1.0));
/// # Ok::<(), lateen::eval::EvalError>(())
/// ```
pub fn reranking_values(
    scores: &[f32],
    relevant: &[bool],
    cutoff: usize,
) -> Result<RerankingValues, EvalError> {
    let positive = relevant.iter().filter(|relevant| **relevant).count();
    let refused = |problem| Err(EvalError::RerankingSample { texts: relevant.len(), problem });
    if scores.len() != relevant.len() {
        return refused("there is not one score for each text");
    }
    if positive == 0 || positive == relevant.len() {
        return refused("it needs a relevant text and one that is not");
    }
    if scores.iter().any(|score| score.is_nan()) {
        return refused("a score is not a number");
    }
    let mut order: Vec<(f32, bool)> = scores.iter().copied().zip(relevant.iter().copied()).collect();
    // `+ 0.0` makes the two zeros equal.
    order.sort_by(|a, b| (b.0 + 0.0).total_cmp(&(a.0 + 0.0)).then(a.1.cmp(&b.1)));
    let first = order.iter().take(cutoff).position(|(_, relevant)| *relevant);
    let reciprocal_rank = first.map_or(0.0, |before| ratio(1, before + 1));
    let (mut seen, mut found, mut sum) = (0, 0, 0.0);
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        let new = equal.iter().filter(|(_, relevant)| *relevant).count();
        (seen, found) = (seen + equal.len(), found + new);
        sum += ratio(new, positive) * ratio(found, seen);
    }
    Ok(RerankingValues { average_precision: sum, reciprocal_rank })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const CASES: &str = include_str!("../../tests/fixtures/eval/reranking.json");

    #[test]
    fn values_equal_those_of_mtebs_evaluator() {
        let cases: Value = serde_json::from_str(CASES).unwrap();
        let cases = cases.as_array().unwrap();
        let mut ties = 0;
        for case in cases {
            let list = |name: &str| case[name].as_array().unwrap().clone();
            let scores: Vec<f32> = list("scores").iter().map(|x| x.as_f64().unwrap() as f32).collect();
            let relevant: Vec<bool> = list("relevant").iter().map(|x| x.as_bool().unwrap()).collect();
            let ours = reranking_values(&scores, &relevant, MTEB_MRR_CUTOFF).unwrap();
            assert!((ours.average_precision - case["ap"].as_f64().unwrap()).abs() < 1e-9, "{case}");
            match case["mrr"].as_f64() {
                Some(mrr) => assert!((ours.reciprocal_rank - mrr).abs() < 1e-9, "{case}"),
                None => ties += 1,
            }
        }
        assert!(cases.len() >= 30 && ties >= 5, "{} cases, {ties} with ties", cases.len());
    }

    #[test]
    fn samples_that_say_nothing_are_refused() {
        for (scores, relevant) in [
            (&[1.0, 2.0][..], &[true, true][..]),
            (&[1.0, 2.0], &[false, false]),
            (&[1.0], &[true, false]),
            (&[1.0, f32::NAN], &[true, false]),
            (&[], &[]),
        ] {
            let refused = reranking_values(scores, relevant, 10);
            assert!(matches!(refused, Err(EvalError::RerankingSample { .. })), "{refused:?}");
        }
    }
}
