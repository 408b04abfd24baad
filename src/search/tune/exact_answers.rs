//! True answers, and how much of them a search finds.

use std::collections::HashSet;

use rayon::prelude::*;

use crate::eval::{Interval, Z_95};
use crate::index::Snapshot;
use crate::search::{PlanChoice, SearchError, SearchOptions, SearchOutcome, search_tokens};
use crate::types::{DocId, Hit, TokenMatrixBuf};

/// The true best documents for each of some queries: what a scan of all documents finds on the same stored vectors.
#[derive(Debug, Clone)]
pub struct ExactAnswers<'a> {
    snapshot: &'a Snapshot,
    queries: Vec<&'a TokenMatrixBuf>,
    /// Best first, for each query.
    answers: Vec<Vec<Hit>>,
    work: f64,
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
    /// The answers serve for any number of hits up to `options.k`. Cost: `queries · corpus tokens` token scores. Keeps
    /// `queries · k` hits.
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
            Ok((hits, report.work()))
        };
        let scanned: Vec<(Vec<Hit>, f64)> =
            queries.par_iter().map(scan).collect::<Result<Vec<_>, SearchError>>()?;
        let work = mean(scanned.iter().map(|(_, work)| *work));
        let answers = scanned.into_iter().map(|(answer, _)| answer).collect();
        Ok(Self { snapshot, queries: queries.iter().collect(), answers, work })
    }

    /// The answers to at most `count` of the queries, evenly spread.
    pub(super) fn spread(&self, count: usize) -> Self {
        let step = self.queries.len().div_ceil(count.max(1)).max(1);
        Self {
            snapshot: self.snapshot,
            queries: self.queries.iter().step_by(step).copied().collect(),
            answers: self.answers.iter().step_by(step).cloned().collect(),
            work: self.work,
        }
    }

    /// Searches with `options` and counts the true answers found, in parallel over queries.
    ///
    /// `options.k` is at most the one the answers were found with: a document counts if it is among the true best `k`, or
    /// scores as well as the last of them.
    ///
    /// # Errors
    /// As [`search_tokens`].
    pub fn recall_of(&self, options: &SearchOptions) -> Result<MeasuredRecall, SearchError> {
        let options = SearchOptions { threads: 1, ..options.clone() };
        let each = |(query, answer): (&&TokenMatrixBuf, &Vec<Hit>)| {
            let truth = &answer[..options.k.min(answer.len())];
            let Some(last) = truth.last() else { return Ok(None) };
            let documents: HashSet<DocId> = truth.iter().map(|hit| hit.doc).collect();
            let SearchOutcome { hits, report } = search_tokens(self.snapshot, query.view(), &options)?;
            let right = |hit: &&Hit| hit.score >= last.score || documents.contains(&hit.doc);
            let found = hits.iter().filter(right).count().min(truth.len());
            Ok(Some((found as f64 / truth.len() as f64, report.work())))
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
