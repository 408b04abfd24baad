//! True answers, and how much of them a search finds.

use std::collections::HashSet;

use rayon::prelude::*;

use crate::eval::{Interval, Z_95};
use crate::index::Snapshot;
use crate::search::{PlanChoice, SearchError, SearchOptions, SearchOutcome, search_tokens};
use crate::types::{DocId, Score, TokenMatrixBuf};

/// The true best documents for each of some queries: what a scan of all documents finds on the same stored vectors.
#[derive(Debug, Clone)]
pub struct ExactAnswers<'a> {
    snapshot: &'a Snapshot,
    queries: &'a [TokenMatrixBuf],
    answers: Vec<Answer>,
    work: f64,
}

#[derive(Debug, Clone)]
struct Answer {
    documents: HashSet<DocId>,
    /// Documents that score as well as the last of the best are right too.
    bar: Score,
}

/// How much of the true answers a way of searching finds, and what it costs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MeasuredRecall {
    /// Recall@k over the queries and its 95 % interval, by [`Interval::of_shares`].
    pub recall: Interval,
    /// The recall of each query, in their order; queries to which no document answers are left out.
    pub per_query: Vec<f64>,
    /// How many hits were asked for.
    pub k: usize,
    /// Mean cost of a query, in units of scoring one token of a document ([`SearchReport::work`]).
    ///
    /// [`SearchReport::work`]: crate::search::SearchReport::work
    pub work: f64,
    /// The same of the scan.
    pub exact_work: f64,
}

impl<'a> ExactAnswers<'a> {
    /// Scans all documents for each query, in parallel over queries.
    ///
    /// Cost: `queries · corpus tokens` token scores. Keeps `queries · k` document numbers.
    ///
    /// # Errors
    /// As [`search_tokens`].
    pub fn find(
        snapshot: &'a Snapshot,
        queries: &'a [TokenMatrixBuf],
        options: &SearchOptions,
    ) -> Result<Self, SearchError> {
        let options = SearchOptions { plan: PlanChoice::Exact, threads: 1, ..options.clone() };
        let scan = |query: &TokenMatrixBuf| {
            let SearchOutcome { hits, report } = search_tokens(snapshot, query.view(), &options)?;
            let bar = hits.last().map_or(Score::saturating(f32::NEG_INFINITY), |hit| hit.score);
            Ok((Answer { documents: hits.iter().map(|hit| hit.doc).collect(), bar }, report.work()))
        };
        let scanned: Vec<(Answer, f64)> =
            queries.par_iter().map(scan).collect::<Result<Vec<_>, SearchError>>()?;
        let work = mean(scanned.iter().map(|(_, work)| *work));
        let answers = scanned.into_iter().map(|(answer, _)| answer).collect();
        Ok(Self { snapshot, queries, answers, work })
    }

    /// Searches with `options` and counts the true answers found, in parallel over queries.
    ///
    /// `options.k` must be the one the answers were found with: a document counts if it is among the true best `k`,
    /// or scores as well as the last of them.
    ///
    /// # Errors
    /// As [`search_tokens`].
    pub fn recall_of(&self, options: &SearchOptions) -> Result<MeasuredRecall, SearchError> {
        let options = SearchOptions { threads: 1, ..options.clone() };
        let each = |(query, answer): (&TokenMatrixBuf, &Answer)| {
            if answer.documents.is_empty() {
                return Ok(None);
            }
            let SearchOutcome { hits, report } = search_tokens(self.snapshot, query.view(), &options)?;
            let right =
                |hit: &&crate::types::Hit| hit.score >= answer.bar || answer.documents.contains(&hit.doc);
            let found = hits.iter().filter(right).count().min(answer.documents.len());
            Ok(Some((found as f64 / answer.documents.len() as f64, report.work())))
        };
        let pairs = self.queries.par_iter().zip(&self.answers);
        let found: Vec<(f64, f64)> =
            pairs.map(each).filter_map(Result::transpose).collect::<Result<_, SearchError>>()?;
        let per_query: Vec<f64> = found.iter().map(|(share, _)| *share).collect();
        let all = Interval { mean: 1.0, lower: 1.0, upper: 1.0 };
        Ok(MeasuredRecall {
            recall: Interval::of_shares(&per_query, options.k, Z_95).unwrap_or(all),
            per_query,
            k: options.k,
            work: mean(found.iter().map(|(_, work)| *work)),
            exact_work: self.work,
        })
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// Measures the recall of a way of searching against a scan of the same stored vectors.
///
/// `recall@k = |found ∩ true best k| / |true best k|`, averaged over `queries`, where a document that scores as well
/// as the last of the true best counts as one of them. It says what the approximation of the search loses, not what
/// the codes lose of the model's vectors.
///
/// * `queries`: `[query_tokens, dim]` each, for the index's model.
/// * Cost: a scan and a search for each query, in parallel over queries.
///
/// # Errors
/// As [`search_tokens`].
pub fn measure_recall(
    snapshot: &Snapshot,
    queries: &[TokenMatrixBuf],
    options: &SearchOptions,
) -> Result<MeasuredRecall, SearchError> {
    ExactAnswers::find(snapshot, queries, options)?.recall_of(options)
}
