//! Candidates in, a better order out.

use std::time::{Duration, Instant};

use super::{Judge, RerankError};
use crate::types::Score;

/// A document that a judge may move.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// External id.
    pub id: String,
    /// What the judge reads.
    pub text: String,
    /// Score of the search that found it; kept for documents that are not judged.
    pub score: f32,
}

/// Bounds of one reranking.
#[derive(Debug, Clone)]
pub struct RerankOptions {
    /// How many of the best candidates are judged. Default 100.
    pub top: usize,
    /// Judging stops after the batch that exceeds this. Default: no limit.
    pub time_budget: Option<Duration>,
    /// Documents per call of the judge. Default 16.
    pub batch: usize,
}

impl Default for RerankOptions {
    fn default() -> Self {
        Self { top: 100, time_budget: None, batch: 16 }
    }
}

/// A document in its new place.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// External id.
    pub id: String,
    /// The judge's score if it was judged, the search's otherwise: the two do not compare.
    pub score: f32,
    /// Whether the judge saw it. All judged documents stand before all others.
    pub judged: bool,
    /// Where it stood among the candidates, from 0.
    pub was: usize,
}

/// The new order and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Reranked {
    /// Every candidate, best first.
    pub order: Vec<Judged>,
    /// What was done.
    pub report: RerankReport,
}

/// What one reranking did.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankReport {
    /// The judge's name.
    pub judge: String,
    /// How many documents it saw.
    pub judged: usize,
    /// Whether the time budget ended it before `top` documents.
    pub out_of_time: bool,
    /// Wall-clock time.
    pub elapsed: Duration,
}

/// Reorders `candidates` (best first) by the judge's scores.
///
/// Equal scores are ordered by ascending id. Without a time budget the result depends on nothing but
/// the arguments.
///
/// # Errors
/// [`RerankError`] if the query is empty, the model cannot be run, or the judge breaks its contract.
///
/// ```
/// use lateen::rerank::{Candidate, Judge, RerankError, RerankOptions, rerank};
/// # struct Brevity;
/// # impl Judge for Brevity {
/// #     fn name(&self) -> &str { "brevity" }
/// #     fn scores(&self, _: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
/// #         Ok(documents.iter().map(|text| -(text.len() as f32)).collect())
/// #     }
/// # }
/// let candidate = |id: &str, text: &str| Candidate { id: id.into(), text: text.into(), score: 0.0 };
/// let found = vec![candidate("long", "a long text"), candidate("short", "text")];
/// let reranked = rerank(&Brevity, "query", found, &RerankOptions::default())?;
/// assert_eq!(reranked.order[0].id, "short");
/// # Ok::<(), RerankError>(())
/// ```
pub fn rerank(
    judge: &dyn Judge,
    query: &str,
    candidates: Vec<Candidate>,
    options: &RerankOptions,
) -> Result<Reranked, RerankError> {
    if query.trim().is_empty() {
        return Err(RerankError::EmptyQuery);
    }
    let start = Instant::now();
    let top = options.top.min(candidates.len());
    let mut scores = Vec::with_capacity(top);
    for batch in candidates[..top].chunks(options.batch.max(1)) {
        scores.extend(judge_batch(judge, query, batch)?);
        if options.time_budget.is_some_and(|budget| start.elapsed() >= budget) {
            break;
        }
    }
    let judged = scores.len();
    let order = reorder(candidates, &scores);
    let report = RerankReport {
        judge: judge.name().to_owned(),
        judged,
        out_of_time: judged < top,
        elapsed: start.elapsed(),
    };
    Ok(Reranked { order, report })
}

fn judge_batch(judge: &dyn Judge, query: &str, batch: &[Candidate]) -> Result<Vec<f32>, RerankError> {
    let texts: Vec<&str> = batch.iter().map(|candidate| candidate.text.as_str()).collect();
    let scores = judge.scores(query, &texts)?;
    if scores.len() != batch.len() {
        let judge = judge.name().to_owned();
        return Err(RerankError::ScoreCount { judge, scores: scores.len(), documents: batch.len() });
    }
    match scores.iter().position(|score| score.is_nan()) {
        Some(at) => Err(RerankError::NotANumber { judge: judge.name().to_owned(), id: batch[at].id.clone() }),
        None => Ok(scores),
    }
}

fn reorder(candidates: Vec<Candidate>, scores: &[f32]) -> Vec<Judged> {
    let mut order: Vec<Judged> = candidates
        .into_iter()
        .enumerate()
        .map(|(was, candidate)| {
            let score = scores.get(was).copied();
            Judged { id: candidate.id, score: score.unwrap_or(candidate.score), judged: score.is_some(), was }
        })
        .collect();
    order[..scores.len()].sort_by(|a, b| {
        Score::saturating(b.score).cmp(&Score::saturating(a.score)).then_with(|| a.id.cmp(&b.id))
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores a document by the number it contains.
    struct Numbers;

    impl Judge for Numbers {
        fn name(&self) -> &str {
            "numbers"
        }
        fn scores(&self, _query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
            Ok(documents.iter().map(|text| text.parse().unwrap_or(f32::NAN)).collect())
        }
    }

    fn candidates(texts: &[&str]) -> Vec<Candidate> {
        let one = |(i, text): (usize, &&str)| Candidate {
            id: format!("d{i}"),
            text: (*text).to_owned(),
            score: 10.0 - i as f32,
        };
        texts.iter().enumerate().map(one).collect()
    }

    fn ids(reranked: &Reranked) -> Vec<&str> {
        reranked.order.iter().map(|judged| judged.id.as_str()).collect()
    }

    #[test]
    fn judged_documents_stand_by_score_then_id_and_the_rest_stay() {
        let options = RerankOptions { top: 4, batch: 3, ..RerankOptions::default() };
        let found = candidates(&["1", "3", "2", "3", "99"]);
        let reranked = rerank(&Numbers, "q", found, &options).unwrap();
        assert_eq!(ids(&reranked), ["d1", "d3", "d2", "d0", "d4"]);
        assert_eq!(reranked.report.judged, 4);
        assert!(!reranked.report.out_of_time);
        let last = reranked.order.last().unwrap();
        assert_eq!((last.judged, last.score, last.was), (false, 6.0, 4));
    }

    #[test]
    fn an_exhausted_budget_ends_after_one_batch() {
        let options = RerankOptions { top: 9, batch: 2, time_budget: Some(Duration::ZERO) };
        let reranked = rerank(&Numbers, "q", candidates(&["1", "2", "3", "4"]), &options).unwrap();
        assert_eq!(ids(&reranked), ["d1", "d0", "d2", "d3"]);
        assert!(reranked.report.out_of_time);
    }

    #[test]
    fn contracts_are_checked() {
        let options = RerankOptions::default();
        let refused = rerank(&Numbers, " \t", candidates(&["1"]), &options);
        assert!(matches!(refused, Err(RerankError::EmptyQuery)));
        let refused = rerank(&Numbers, "q", candidates(&["1", "x"]), &options);
        assert!(matches!(refused, Err(RerankError::NotANumber { id, .. }) if id == "d1"));
        assert!(rerank(&Numbers, "q", Vec::new(), &options).unwrap().order.is_empty());
    }
}
