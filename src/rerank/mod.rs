//! Slower judges reorder hits: they may move a document, never add one.
//!
//! A [`Judge`] reads the query and a document together and says how well they fit. It is far slower
//! than the index, so it sees only the best few candidates, within a count and a time budget:
//!
//! ```text
//! candidates, best first ─ top n ─ batches ─ judge ─ judged, by its score ─┐
//!                        └──────── the rest, in their old order ──────────┴─ order
//! ```
//!
//! [`CrossEncoderJudge`] runs sequence-classification models (Nogueira & Cho, "Passage Re-ranking with
//! BERT", arXiv:1901.04085). Any other judge is one trait away.

mod cross_encoder;
mod error;
mod judge;
mod order;

pub use cross_encoder::CrossEncoderJudge;
pub use error::RerankError;
pub use judge::Judge;
pub use order::{Candidate, Judged, RerankOptions, RerankReport, Reranked, rerank};
