//! Fine-tunes embedding, late-interaction (ColBERT) and reranker models for Lateen.
//!
//! ```text
//! files ─ data → Batch ─ model → embeddings, scores ─ loss → gradients ─ optim → weights ─ save → model directory
//! ```

pub mod config;
pub mod data;
pub mod feed;
pub mod log;
pub mod loss;
pub mod model;
pub mod optim;
pub mod run;
