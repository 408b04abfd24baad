//! BM25 over text: [`tantivy`] behind a thin face, in memory.
//!
//! ```text
//! text ─ Analyzer → terms ─┬─ build  → one tantivy segment, so that its numbers are the order of addition
//!                          └─ search → (number, score), best first
//! ```
//!
//! `score(Q, D) = Σ_q idf(q) · tf · (k1 + 1) / (tf + k1 · (1 - b + b · |D| / mean |D|))` over the terms of the query, a term that
//! the query repeats counting as often, with `idf(q) = ln(1 + (N - n + 0.5) / (n + 0.5))` (Robertson & Zaragoza, "The
//! Probabilistic Relevance Framework", 2009). `k1 = 1.2` and `b = 0.75` are tantivy's and cannot be set; lengths
//! are stored in one byte, exact up to 40 terms and within a few percent above.

mod analyzer;
mod bm25;
#[cfg(feature = "jieba")]
mod jieba;

pub use analyzer::Analyzer;
pub use bm25::{Bm25Index, LexicalError};
