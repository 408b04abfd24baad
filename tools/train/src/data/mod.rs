//! Training files to batches of token ids.

mod batch;

pub use batch::{Groups, PairBatch, TextBatch, Tokens};
