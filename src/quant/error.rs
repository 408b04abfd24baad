//! What can be wrong with vectors that are to be coded.

use crate::types::MatrixError;

/// Why rows could not be clustered, coded or decoded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantError {
    /// Vectors have at least 1 and at most [`MAX_DIM`](crate::types::MAX_DIM) dimensions.
    #[error("a vector has {dim} dimensions; 1 to {} are possible", crate::types::MAX_DIM)]
    Dimension {
        /// What was asked for.
        dim: usize,
    },
    /// Scale the row to length 1 before; a row of zeros has no direction and must be left out.
    #[error("row {row} has length {norm}, not 1")]
    NotUnit {
        /// The first such row, from 0.
        row: usize,
        /// Its Euclidean length; not finite if a component is not.
        norm: f32,
    },
    /// Rows are finite numbers.
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    /// Give a vocabulary id for every row, or none at all.
    #[error("{ids} token ids for {rows} rows")]
    TokenIds {
        /// How many rows there are.
        rows: usize,
        /// How many ids came with them.
        ids: usize,
    },
    /// Split the rows: row numbers are 32 bits wide.
    #[error("{rows} rows in one codec; at most {} are possible", u32::MAX)]
    TooManyRows {
        /// How many rows there are.
        rows: usize,
    },
    /// Choose at least 1.
    #[error("option {option} is 0")]
    ZeroOption {
        /// The name of the field.
        option: &'static str,
    },
    /// Codecs of different dimension, bits, rotation or levels cannot be joined: code the rows again.
    #[error("codec {codec} differs from the first one in more than its centroids and scales")]
    NotAlike {
        /// The first codec that differs, from 0.
        codec: usize,
    },
    /// The codes belong to another codec, or are damaged.
    #[error("centroid {centroid} of {centroids}")]
    NoSuchCentroid {
        /// The number in the code.
        centroid: u32,
        /// How many the codec has.
        centroids: usize,
    },
    /// The codes belong to another codec, or are damaged.
    #[error("{found} of {what} where the codec needs {needed}")]
    Length {
        /// What was too short or too long.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length that fits.
        needed: usize,
    },
}
