//! Lateen: an embedded retrieval engine with a late-interaction (ColBERT) index.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![deny(unsafe_code)]

pub mod ann;
pub mod corpus;
pub mod encode;
pub mod eval;
pub mod index;
pub mod kernel;
pub mod lexical;
pub mod quant;
pub mod rerank;
pub mod retriever;
pub mod search;
pub mod types;

pub use lateen_index_format as format;
