//! BM25 over text: terms by [`tantivy`]'s analysers, an index of them in memory, and the formula for those that a segment keeps.
//!
//! ```text
//! text ─ Analyzer → terms ─┬─ Bm25Index: one tantivy segment in memory, for collections that are no index of ours
//!                          └─ TermCounter → section `Terms` of a segment, scored by Bm25
//! ```
//!
//! `score(Q, D) = Σ_q idf(q) · tf · (k1 + 1) / (tf + k1 · (1 - b + b · |D| / mean |D|))` over the terms of the query, a term that
//! the query repeats counting as often, with `idf(q) = ln(1 + (N - n + 0.5) / (n + 0.5))` (Robertson & Zaragoza, "The
//! Probabilistic Relevance Framework", 2009). `k1 = 1.2` and `b = 0.75` cannot be set. In a [`Bm25Index`] lengths
//! are stored in one byte, exact up to 40 terms and within a few percent above; in a segment they are exact.

mod analyzer;
mod bm25;
mod counter;
mod formula;
#[cfg(feature = "jieba")]
mod jieba;

pub use analyzer::Analyzer;
pub use bm25::{Bm25Index, LexicalError};
pub use counter::TermCounter;
pub use formula::{Bm25, TermWeight};
