use std::cmp::Ordering;

use super::{Precision, QuantiseError, Quantised};
use crate::types::{Score, TokenMatrix};

/// A row and how near it is to a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Which row.
    pub row: usize,
    /// Larger is nearer.
    pub score: f32,
}

impl Near {
    /// Nearest first; equal scores by ascending row.
    fn order(a: &Self, b: &Self) -> Ordering {
        Score::saturating(b.score).cmp(&Score::saturating(a.score)).then(a.row.cmp(&b.row))
    }

    /// The best `k` in order.
    fn best(mut all: Vec<Self>, k: usize) -> Vec<Self> {
        if k < all.len() && k > 0 {
            all.select_nth_unstable_by(k - 1, Self::order);
        }
        all.truncate(k);
        all.sort_unstable_by(Self::order);
        all
    }
}

impl Quantised {
    /// The `k` rows nearest to a query by codes alone, over all rows.
    ///
    /// Bits: less their Hamming distance to the query's bits. Bytes: the inner product of the query with the middle of
    /// each step. Floats: the inner product. Cost: one look at every byte.
    ///
    /// # Errors
    /// [`QuantiseError::Dimension`] if the query has other dimensions.
    pub fn nearest(&self, query: &[f32], k: usize) -> Result<Vec<Near>, QuantiseError> {
        if !matches!(self.precision, Precision::Binary | Precision::Ubinary) {
            let all: Vec<usize> = (0..self.rows()).collect();
            return self.rescore(query, &all, k);
        }
        self.check(query)?;
        let query = Self::new(TokenMatrix::new(query, self.dim)?, self.precision, None)?;
        let distance =
            |code: &[u8]| -> u32 { code.iter().zip(&query.bytes).map(|(a, b)| (a ^ b).count_ones()).sum() };
        let codes = self.bytes.chunks_exact(self.precision.bytes(self.dim)).enumerate();
        let all = codes.map(|(row, code)| Near { row, score: -(distance(code) as f32) });
        Ok(Near::best(all.collect(), k))
    }

    /// Orders `candidates` by the inner product of the float query with each code: `Σ q · b` with bits `b` of 0 and 1
    /// (as sentence-transformers rescores), `Σ q · x` with bytes as the middle of their step. The best `k` come back.
    ///
    /// # Errors
    /// [`QuantiseError::Dimension`] if the query has other dimensions, [`QuantiseError::Row`] for a row that is not there.
    pub fn rescore(&self, query: &[f32], candidates: &[usize], k: usize) -> Result<Vec<Near>, QuantiseError> {
        self.check(query)?;
        let one = |&row: &usize| Ok(Near { row, score: dot(query, &self.decode(row)?) });
        Ok(Near::best(candidates.iter().map(one).collect::<Result<_, QuantiseError>>()?, k))
    }

    fn check(&self, query: &[f32]) -> Result<(), QuantiseError> {
        if query.len() == self.dim {
            return Ok(());
        }
        Err(QuantiseError::Dimension { what: "the query", found: query.len(), expected: self.dim })
    }
}

/// Orders `candidates` by the inner product of the query with the vectors themselves; the best `k` come back.
///
/// # Errors
/// [`QuantiseError::Dimension`] if the query has other dimensions, [`QuantiseError::Row`] for a row that is not there.
pub fn rescore(
    query: &[f32],
    rows: TokenMatrix<'_>,
    candidates: &[usize],
    k: usize,
) -> Result<Vec<Near>, QuantiseError> {
    if query.len() != rows.dim() {
        return Err(QuantiseError::Dimension { what: "the query", found: query.len(), expected: rows.dim() });
    }
    let one = |&row: &usize| match row < rows.rows() {
        true => Ok(Near { row, score: dot(query, rows.row(row)) }),
        false => Err(QuantiseError::Row { row, rows: rows.rows() }),
    };
    Ok(Near::best(candidates.iter().map(one).collect::<Result<_, QuantiseError>>()?, k))
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() as f32
}
