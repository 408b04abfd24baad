//! Slower judges reorder hits: they may move a document, never add one.
//!
//! A [`Judge`] reads the query and a document together and says how well they fit. It is far slower
//! than the index, so it sees only the best few candidates, within a count and a time budget:
//!
//! ```text
//! documents, best first ─ first n ─ batches ─ judge ─ judged, by score ──┐
//!                       └──────── the rest, in their old order ─────────┴─ order
//! ```
//!
//! [`Reranker::load`] runs cross-encoders (Nogueira & Cho, "Passage Re-ranking with BERT", arXiv:1901.04085), decoders
//! that are asked a question (Nogueira et al., arXiv:2003.06713) and late-interaction models ([`LateInteraction`]);
//! [`Combined`] adds what a model of several kinds of vectors says by each. Any other judge is one trait away.

mod calibration;
mod combined;
mod document;
mod error;
mod judge;
mod late_interaction;
mod options;
#[cfg(feature = "remote")]
mod remote;
mod reranker;
#[cfg(test)]
mod tests;

pub use crate::encode::Calibration;
pub use calibration::{
    CalibrationError, Fit, Labelled, Threshold, Thresholds, expected_calibration_error, fit, labelled,
};
pub use combined::{Combined, Weights};
pub use document::{Document, Ranked, RerankReport, Reranked};
pub use error::RerankError;
pub use judge::Judge;
pub use late_interaction::LateInteraction;
pub use options::{LongDocuments, RerankOptions, Scale};
#[cfg(feature = "remote")]
pub use remote::RemoteJudge;
pub use reranker::{JudgeKind, Reranker, RerankerOptions};
