//! A whole run against all judgements.

use std::collections::BTreeSet;

use super::measure::Judged;
use super::metric::Metric;
use super::qrels::Qrels;
use super::run::Run;

/// How to evaluate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvalOptions {
    /// Take the mean over all judged queries, those that the run lacks counting 0 (`trec_eval -c`).
    pub complete: bool,
    /// The smallest grade that counts as relevant (`trec_eval -l`); nDCG does not look at it.
    pub relevance_level: i32,
}

impl Default for EvalOptions {
    fn default() -> Self {
        Self { complete: false, relevance_level: 1 }
    }
}

/// The values of one query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryValues {
    /// The query's id.
    pub query: String,
    /// In the order of [`Report::metrics`].
    pub values: Vec<f64>,
}

/// Of how many queries of each kind a report speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Queries that the means go over.
    pub evaluated: usize,
    /// Judged queries that the run lacks; in the means only if [`EvalOptions::complete`] is set.
    pub missing_from_run: usize,
    /// Queries of the run without any judgement; never in the means.
    pub without_judgements: usize,
    /// Evaluated queries with no relevant document; they count 0.
    pub without_relevant: usize,
}

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was measured.
    pub metrics: Vec<Metric>,
    /// The evaluated queries, in the order of their ids.
    pub queries: Vec<QueryValues>,
    /// How many queries there are of each kind.
    pub counts: Counts,
}

impl Report {
    /// The mean of a metric over the evaluated queries: `None` if there are none, or it was not measured.
    #[must_use]
    pub fn mean(&self, metric: Metric) -> Option<f64> {
        let at = self.metrics.iter().position(|measured| *measured == metric)?;
        let sum: f64 = self.queries.iter().map(|query| query.values[at]).sum();
        (!self.queries.is_empty()).then(|| sum / self.queries.len() as f64)
    }

    /// The value of a metric for one query, if both are there.
    #[must_use]
    pub fn value(&self, query: &str, metric: Metric) -> Option<f64> {
        let at = self.metrics.iter().position(|measured| *measured == metric)?;
        let row = self.queries.binary_search_by(|row| row.query.as_str().cmp(query)).ok()?;
        Some(self.queries[row].values[at])
    }
}

/// Measures `run` against `qrels`, as `trec_eval` does when nothing is set.
///
/// Cost: linear in the run, plus sorting the grades of each query.
///
/// ```
/// use lateen::eval::{Metric, Qrels, Run, evaluate};
///
/// let qrels = Qrels::read(&b"q 0 a 1\nq 0 b 2\n"[..], "qrels")?;
/// let run = Run::read_trec(&b"q Q0 a 1 0.9 x\nq Q0 c 2 0.8 x\nq Q0 b 3 0.7 x\n"[..], "run")?;
/// let ndcg: Metric = "ndcg@10".parse()?;
/// let report = evaluate(&run, &qrels, &[ndcg]);
/// // (1/log2(2) + 2/log2(4)) / (2/log2(2) + 1/log2(3))
/// assert!((report.mean(ndcg).unwrap() - 0.76019).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn evaluate(run: &Run, qrels: &Qrels, metrics: &[Metric]) -> Report {
    evaluate_with(run, qrels, metrics, &EvalOptions::default())
}

/// Measures `run` against `qrels` as the options say.
#[must_use]
pub fn evaluate_with(run: &Run, qrels: &Qrels, metrics: &[Metric], options: &EvalOptions) -> Report {
    let mut counts = Counts::default();
    let mut queries = Vec::new();
    let names: BTreeSet<&str> = run.queries().chain(qrels.queries()).collect();
    for query in names {
        let Some(judgements) = qrels.of_query(query) else {
            counts.without_judgements += 1;
            continue;
        };
        let ranking = run.of_query(query);
        counts.missing_from_run += usize::from(ranking.is_none());
        if ranking.is_none() && !options.complete {
            continue;
        }
        let judged = Judged::new(ranking.unwrap_or_default(), judgements, options.relevance_level);
        counts.evaluated += 1;
        counts.without_relevant += usize::from(!judged.has_relevant());
        let values = metrics.iter().map(|&metric| judged.value(metric)).collect();
        queries.push(QueryValues { query: query.to_owned(), values });
    }
    Report { metrics: metrics.to_vec(), queries, counts }
}
