//! Runs and judgements in, metrics out, with the semantics of `trec_eval`.
//!
//! ```text
//! Run    (query → documents with scores) ─┐
//!                                         ├─ evaluate ─ Report: a value per query and metric, means, counts
//! Qrels  (query → documents with grades) ─┘
//! ```
//!
//! What that means, in the cases where evaluators differ:
//!
//! * **Order.** Ranks in files are ignored. Documents are ordered by score, downwards; equal scores by document id,
//!   bytewise *downwards*. Scores are `f32`, as `trec_eval` holds them, so that scores that differ only beyond that
//!   precision are equal. [`Run::insert_ranked`] keeps an order of one's own through that rule.
//! * **Unjudged** documents count as not relevant; `judged@k` says how many there are.
//! * **Relevant** is a grade of at least 1 ([`EvalOptions::relevance_level`]). nDCG takes the grade itself as the gain
//!   (`ndcg_exp` takes `2^grade - 1`), the discount is `log2(rank + 1)`, and grades below 1 gain nothing.
//! * **Means** go over the queries that are in the run and have judgements; a query all of whose judgements
//!   are negative counts with 0. [`EvalOptions::complete`] (`trec_eval -c`) goes over all judged queries, and one
//!   that the run lacks counts with 0. [`Counts`] says how many there are of each kind.
//!
//! What the values are worth: [`Interval`] says how far a mean can be trusted, [`paired_t_test`] and [`randomisation_test`] whether two
//! systems differ, [`Correction`] what many such tests are worth together.
//!
//! Järvelin & Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002; Buckley & Voorhees, `trec_eval`.

pub mod beir;
mod error;
mod evaluate;
mod interval;
mod lines;
mod measure;
mod metric;
pub mod position;
mod qrels;
mod reranking;
mod run;
mod significance;

pub use error::EvalError;
pub use evaluate::{Counts, EvalOptions, QueryValues, Report, evaluate, evaluate_with};
pub use interval::{Interval, Z_95, Z_95_ONE_SIDED};
pub use metric::{Measure, Metric, UnknownMetric};
pub use qrels::Qrels;
pub use reranking::{MTEB_MRR_CUTOFF, RerankingValues, reranking_values};
pub use run::{Ranked, Run};
pub use significance::{Correction, Significance, paired_t_test, randomisation_test};

#[cfg(test)]
mod tests;
