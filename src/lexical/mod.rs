//! BM25 over text: how it is cut into terms, an index of them in memory, and the formula.
//!
//! ```text
//! text ─ Analyzer → terms ─ TermCounter → section `Terms` ─┬─ of a segment, scored by Bm25
//!                                                          └─ in memory, Bm25Index: for collections that are no index of ours
//! ```
//!
//! `score(Q, D) = Σ_q idf(q) · tf · (k1 + 1) / (tf + k1 · (1 - b + b · |D| / mean |D|))` over the terms of the query, a term that
//! the query repeats counting as often, with `idf(q) = ln(1 + (N - n + 0.5) / (n + 0.5))` (Robertson & Zaragoza, "The
//! Probabilistic Relevance Framework", 2009). `k1 = 1.2` and `b = 0.75` cannot be set. Lengths are exact.

mod analyzer;
mod bigrams;
mod bm25;
mod counter;
mod cutter;
mod formula;
#[cfg(feature = "jieba")]
mod jieba;

pub use analyzer::Analyzer;
pub use bm25::{Bm25Index, LexicalError};
pub use counter::TermCounter;
pub use formula::{Bm25, TermWeight};
