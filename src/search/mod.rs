//! A query and a snapshot in, ranked hits out. Nothing is changed, nothing falls back silently.
//!
//! ```text
//! query ─ plan ─┬─ exact: every document that may be a hit ─────────────────────────┐
//!               └─ two-stage: centroids → lists → refine → shortlist ─ codes ─────┴─ best k ─ hits + report
//! ```
//!
//! **Late interaction** scores a document by `Σᵢ maxⱼ ⟨qᵢ, dⱼ⟩`: for each query token its closest
//! document token, summed (Khattab & Zaharia, "ColBERT", SIGIR 2020, arXiv:2004.12832). The rows of a
//! query may have any length: a longer row weighs more.
//!
//! The **first stage** of the two-stage plan scores every centroid against every query token, walks the
//! inverted lists of the closest ones and adds up, per document, the best centroid score of each token.
//! A document that a token did not reach is credited with a little less than the best score not walked, so that no
//! document is punished for what was not looked at (the imputation of Engels et al., "WARP", SIGIR 2025,
//! arXiv:2501.17788; the accumulation over token-aware centroids follows Nardini et al., "TACHIOM",
//! SIGIR 2026). The best of them are **refined**: estimated again by MaxSim over the centroids of all their tokens (the centroid
//! interaction of Santhanam et al., "PLAID", CIKM 2022, arXiv:2205.09707), a byte per score. The **second stage** scores documents
//! on the codes as they are stored, best estimate first, and stops when the estimates that are left are too far below the
//! `k`-th score. [`Effort`] holds everything approximate.
//!
//! Cost of an exact scan: `query tokens · corpus tokens · dim` multiply-adds. Of two stages:
//! `query tokens · (centroids + scored tokens) · dim`, one addition per walked posting and one 32-byte load per refined token.
//! `docs/decisions/0004-first-stage-and-rescoring.md` has the measurements behind the choices.
//!
//! Absent on purpose: text, models, files. Equal scores are ordered by ascending external id.

mod advise;
mod allowed;
mod buffer;
mod compare;
mod dense;
mod effort;
mod error;
mod explain;
mod filter;
mod first_stage;
mod fuse;
mod graph;
mod options;
mod plan;
mod predicate;
mod recall;
mod report;
mod rescore;
mod residual;
mod shortlist;
mod tokens;
mod top;
mod trace;
mod tune;
mod words;

pub use advise::{Advice, AdviseOptions, Variant, advise, recommend};
pub use dense::search_dense;
pub use effort::Effort;
pub use error::SearchError;
pub use explain::{Explainer, RowMatch, TokenScores, explain, score_of};
pub use filter::{Condition, Filter};
pub use fuse::{Fusion, FusionError, Ranking, fuse};
pub use options::{PlanChoice, SearchOptions};
pub use plan::Plan;
pub use predicate::{Comparison, Field, Predicate, PredicateError, Test, matching};
pub use recall::{EffortSource, Evidence, Recall};
pub use report::{SearchOutcome, SearchReport, StageReport};
pub use tokens::{search_tokens, search_tokens_batch};
pub use trace::{Fate, Trace, TraceStage, trace};
pub use tune::{
    ExactAnswers, FEWEST_DOCUMENTS, MeasuredRecall, PseudoQueries, StoredTokens, TuneOptions, TuneProgress,
    TuningState, measure_recall, tune,
};
pub use words::search_words;

#[cfg(test)]
mod dense_tests;
#[cfg(test)]
mod tests;
