//! Smaller forms of vectors: fewer dimensions, one byte a dimension, one bit a dimension; and how to search them.
//!
//! | [`Precision`] | bytes a vector | code of component `x` |
//! |---|---|---|
//! | `Float32` | `4 · dim` | `x` |
//! | `Uint8` | `dim` | `clamp(⌊(x − low) / step⌋, 0, 255)`, `step = (high − low) / 255` |
//! | `Int8` | `dim` | that of `Uint8` less 128 |
//! | `Ubinary` | `⌈dim / 8⌉` | a bit: `x > 0`; the first component is the highest bit of the first byte |
//! | `Binary` | `⌈dim / 8⌉` | those bytes less 128, as signed bytes |
//!
//! `low` and `high` are the least and the largest value of each component among vectors that stand for all
//! ([`Ranges`]). Codes are those of sentence-transformers' `quantize_embeddings`, byte for byte.
//!
//! A binary search keeps about a thirtieth of the bytes. It is made good by asking for more than is wanted and ordering
//! that by better numbers ([`Quantised::nearest`], [`Quantised::rescore`], [`rescore`]):
//!
//! ```
//! use lateen::encode::quantise::{Precision, Quantised, Ranges, rescore};
//! use lateen::types::TokenMatrix;
//!
//! let rows = [0.9_f32, 0.1, -0.4, 0.8, 0.2, -0.5, -0.7, 0.3, 0.6];
//! let rows = TokenMatrix::new(&rows, 3)?;
//! let bits = Quantised::new(rows, Precision::Ubinary, None)?;
//! let query = [1.0, 0.0, -0.3];
//! let found = bits.nearest(&query, 2)?; // by Hamming distance
//! let found: Vec<usize> = found.iter().map(|near| near.row).collect();
//! assert_eq!(rescore(&query, rows, &found, 1)?[0].row, 0); // by the numbers themselves
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Literature
//!
//! Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022, arXiv:2205.13147 (fewer dimensions). Yamada,
//! Asai & Hajishirzi, "Efficient Passage Retrieval with Hashing", ACL 2021, arXiv:2106.00882 (bits first, then float
//! queries against them).

mod codes;
mod near;
mod ranges;
#[cfg(test)]
mod tests;

pub use codes::{Precision, Quantised, truncate};
pub use near::{Near, rescore};
pub use ranges::Ranges;

use crate::types::MatrixError;

/// Why vectors cannot be quantised, or codes not be searched.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantiseError {
    /// Ask for at least one dimension and no more than there are.
    #[error("{wanted} dimensions of vectors that have {dim}; 1 to {dim} are possible")]
    Truncate {
        /// The vectors' dimensions.
        dim: usize,
        /// What was asked for.
        wanted: usize,
    },
    /// Vectors, ranges and queries must come from one model, with one number of dimensions.
    #[error("{what} have {found} dimensions; expected {expected}")]
    Dimension {
        /// Which of them.
        what: &'static str,
        /// How many they have.
        found: usize,
        /// How many the vectors have.
        expected: usize,
    },
    /// Give vectors to take the ranges from, or ranges.
    #[error("ranges of no vectors")]
    NoRows,
    /// A range ends before it begins, or is no number: it was not made by [`Ranges`].
    #[error("component {component} ranges from {low} to {high}")]
    Range {
        /// Which component, from 0.
        component: usize,
        /// Where it begins.
        low: f32,
        /// Where it ends.
        high: f32,
    },
    /// Give rows that are there.
    #[error("row {row} of {rows}")]
    Row {
        /// The row that was asked for.
        row: usize,
        /// How many there are.
        rows: usize,
    },
    /// The numbers are no vectors.
    #[error(transparent)]
    Matrix(#[from] MatrixError),
}
