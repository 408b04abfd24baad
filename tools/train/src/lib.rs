//! Fine-tunes embedding, late-interaction (ColBERT) and reranker models for Lateen.
//!
//! ```text
//! files ─ data → Batch ─ model → embeddings, scores ─ loss → gradients ─ optim → weights ─ save → model directory
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![forbid(unsafe_code)]

pub mod config;
pub mod data;
pub mod distil;
pub mod feed;
pub mod log;
pub mod loss;
pub mod merge;
pub mod mine;
pub mod model;
pub mod optim;
pub mod prefer;
pub mod prune;
pub mod run;
pub mod score;
pub mod student;
