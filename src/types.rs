//! The nouns every room shares, checked when they are made.
//!
//! A value of these types is known to be sound, so nothing below checks again: a [`TokenMatrix`] is
//! rectangular and finite, a [`Score`] is not NaN.

use std::cmp::Ordering;
use std::fmt;

/// The number of a document in one snapshot: dense, starting at 0, meaningless in any other snapshot.
///
/// People name documents by their own strings (external ids), which never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocId(pub u32);

/// A similarity: larger is better, never NaN, totally ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score(f32);

impl Score {
    /// Makes a score, unless `value` is NaN.
    #[must_use]
    pub fn new(value: f32) -> Option<Self> {
        (!value.is_nan()).then_some(Self(value))
    }

    /// Makes a score of a value computed from finite inputs; NaN becomes the worst score.
    #[must_use]
    pub fn saturating(value: f32) -> Self {
        Self(if value.is_nan() { f32::NEG_INFINITY } else { value })
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        // `+ 0.0` makes the two zeros equal, as `==` has them.
        (self.0 + 0.0).total_cmp(&(other.0 + 0.0))
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A document and how well it fits a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Which document of the snapshot that was searched.
    pub doc: DocId,
    /// Larger is better.
    pub score: Score,
}

impl Hit {
    /// Best first; equal scores by ascending [`DocId`].
    #[must_use]
    pub fn best_first(a: &Self, b: &Self) -> Ordering {
        b.score.cmp(&a.score).then(a.doc.cmp(&b.doc))
    }
}

/// Why a slice of numbers is no matrix.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixError {
    /// Vectors have at least 1 and at most [`MAX_DIM`] dimensions.
    #[error("a vector has {dim} dimensions; 1 to {MAX_DIM} are possible")]
    Dimension {
        /// What was asked for.
        dim: usize,
    },
    /// Give `rows × dim` numbers.
    #[error("{len} numbers do not fill rows of {dim}")]
    Ragged {
        /// How many numbers there are.
        len: usize,
        /// The length of a row.
        dim: usize,
    },
    /// A vector has a NaN or an infinity: its model or file is damaged.
    #[error("row {row}, column {column} is {value}, not a finite number")]
    NotFinite {
        /// The vector, from 0.
        row: usize,
        /// The component, from 0.
        column: usize,
        /// NaN or an infinity.
        value: f32,
    },
}

/// The largest dimension of a vector.
pub const MAX_DIM: usize = 8192;

/// Token vectors of one text: `[rows, dim]`, row-major, finite, possibly with no rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenMatrix<'a> {
    data: &'a [f32],
    dim: usize,
}

impl<'a> TokenMatrix<'a> {
    /// Views `data` as rows of `dim` numbers.
    ///
    /// # Errors
    /// [`MatrixError`] if `dim` is out of range, `data` is no multiple of it, or a number is not finite.
    ///
    /// ```
    /// let matrix = lateen::types::TokenMatrix::new(&[1.0, 0.0, 0.0, 1.0], 2)?;
    /// assert_eq!((matrix.rows(), matrix.row(1)), (2, &[0.0, 1.0][..]));
    /// # Ok::<(), lateen::types::MatrixError>(())
    /// ```
    pub fn new(data: &'a [f32], dim: usize) -> Result<Self, MatrixError> {
        check(data, dim)?;
        Ok(Self { data, dim })
    }

    /// How many vectors.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.data.len() / self.dim
    }

    /// The length of each vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Whether there is no vector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// One vector.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.dim..(row + 1) * self.dim]
    }

    /// All vectors in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + use<'a> {
        self.data.chunks_exact(self.dim)
    }

    /// All numbers, row-major.
    #[must_use]
    pub fn as_slice(&self) -> &'a [f32] {
        self.data
    }

    /// An owned copy.
    #[must_use]
    pub fn to_owned(&self) -> TokenMatrixBuf {
        TokenMatrixBuf { data: self.data.to_vec(), dim: self.dim }
    }
}

/// An owned [`TokenMatrix`].
#[derive(Debug, Clone, PartialEq)]
pub struct TokenMatrixBuf {
    data: Vec<f32>,
    dim: usize,
}

impl TokenMatrixBuf {
    /// Takes `data` as rows of `dim` numbers.
    ///
    /// # Errors
    /// As [`TokenMatrix::new`].
    pub fn new(data: Vec<f32>, dim: usize) -> Result<Self, MatrixError> {
        check(&data, dim)?;
        Ok(Self { data, dim })
    }

    /// Borrows the matrix.
    #[must_use]
    pub fn view(&self) -> TokenMatrix<'_> {
        TokenMatrix { data: &self.data, dim: self.dim }
    }

    /// The numbers, row-major.
    #[must_use]
    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }

    /// Scales every row to length 1. Rows of zeros stay as they are.
    pub fn normalize_rows(&mut self) {
        for row in self.data.chunks_exact_mut(self.dim) {
            normalize(row);
        }
    }
}

/// Scales `vector` to length 1; returns false and changes nothing if it has no direction.
pub fn normalize(vector: &mut [f32]) -> bool {
    let norm = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if norm == 0.0 || !norm.is_finite() {
        return false;
    }
    let scale = 1.0 / norm;
    for x in vector {
        *x = (f64::from(*x) * scale) as f32;
    }
    true
}

fn check(data: &[f32], dim: usize) -> Result<(), MatrixError> {
    if dim == 0 || dim > MAX_DIM {
        return Err(MatrixError::Dimension { dim });
    }
    if !data.len().is_multiple_of(dim) {
        return Err(MatrixError::Ragged { len: data.len(), dim });
    }
    match data.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(MatrixError::NotFinite { row: at / dim, column: at % dim, value: data[at] }),
        None => Ok(()),
    }
}

/// One text as a late-interaction model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedTokens {
    /// A vector per kept token.
    pub matrix: TokenMatrixBuf,
    /// The vocabulary id behind each row; empty if the vectors came without ids.
    pub token_ids: Vec<u32>,
    /// Where in the text each row comes from, as byte offsets `start..end`; `(0, 0)` for marks
    /// that are not in the text. Empty if unknown.
    pub spans: Vec<(u32, u32)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_rectangular_and_finite() {
        assert_eq!(TokenMatrix::new(&[1.0; 3], 2), Err(MatrixError::Ragged { len: 3, dim: 2 }));
        assert_eq!(TokenMatrix::new(&[], 0), Err(MatrixError::Dimension { dim: 0 }));
        let error = TokenMatrix::new(&[0.0, 0.0, 0.0, f32::INFINITY], 2).err();
        assert_eq!(error, Some(MatrixError::NotFinite { row: 1, column: 1, value: f32::INFINITY }));
        assert_eq!(TokenMatrix::new(&[], 4).map(|m| m.rows()), Ok(0));
    }

    #[test]
    fn hits_order_by_score_then_document() {
        let hit = |doc, score| Hit { doc: DocId(doc), score: Score::saturating(score) };
        let mut hits = [hit(2, 1.0), hit(1, 1.0), hit(0, -0.0), hit(3, f32::NAN), hit(4, 2.0)];
        hits.sort_by(Hit::best_first);
        assert_eq!(hits.map(|hit| hit.doc.0), [4, 1, 2, 0, 3]);
        assert_eq!(hit(0, 0.0), hit(0, -0.0));
    }

    #[test]
    fn a_zero_vector_has_no_direction() {
        assert!(!normalize(&mut [0.0; 4]));
        let mut tiny = [1e-30, 0.0];
        assert!(normalize(&mut tiny));
        assert_eq!(tiny, [1.0, 0.0]);
    }
}
