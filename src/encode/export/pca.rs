use std::fmt;

use nalgebra::{DMatrix, SymmetricEigen};

use super::Projection;
use crate::types::{TokenMatrix, TokenMatrixBuf};

/// Rows per rank-k update: enough to keep the product in cache.
const BLOCK_ROWS: usize = 256;

/// Fits a linear map to fewer dimensions that keeps as much of the inner products as a linear map can.
///
/// Principal components (Pearson 1901) of the **second-moment** matrix `Σ x·xᵀ / n`: not centred, since what late
/// interaction compares are inner products about the origin, and a subtracted mean would change them all. Rows are
/// taken at unit length, so that every token counts alike. The projection is orthonormal and has no bias.
///
/// Sums are in f64, in the order of the rows; a component's sign is such that its largest entry is positive. Same rows in,
/// same numbers out.
///
/// * Cost: `dim²/2` multiply-adds per row, `O(dim³)` once; memory `O(dim²)`.
///
/// ```
/// use lateen::encode::export::Pca;
/// use lateen::types::TokenMatrixBuf;
/// let mut pca = Pca::new(2);
/// pca.add(TokenMatrixBuf::new(vec![0.0, 2.0, 0.0, -1.0, 0.1, 0.0], 2)?.view())?;
/// let line = pca.fit(1)?;
/// assert_eq!(line.projection.apply(&[5.0, 1.0]), [1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Pca {
    moments: DMatrix<f64>,
    rows: u64,
}

impl fmt::Debug for Pca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pca").field("dim", &self.moments.nrows()).field("rows", &self.rows).finish()
    }
}

/// A projection and how much of the vectors it keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedPca {
    /// `[outputs, dim]`, orthonormal rows, the strongest first, no bias.
    pub projection: Projection,
    /// The share of the rows' squared length inside the projection, in `0..=1`.
    pub kept: f64,
    /// How many rows it was fitted on.
    pub rows: u64,
}

/// Why no projection could be fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PcaError {
    /// Feed vectors of one model only.
    #[error("vectors have {found} dimensions, expected {expected}")]
    Dimension {
        /// What the first matrix, or the caller, said.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// Ask for at least 1 and at most the vectors' own dimensions.
    #[error("{outputs} dimensions cannot be had from {dim}")]
    Outputs {
        /// What was asked for.
        outputs: usize,
        /// What the vectors have.
        dim: usize,
    },
    /// Feed a larger sample: a component needs a vector at least.
    #[error("{rows} vectors are too few for {outputs} dimensions")]
    TooFewRows {
        /// How many rows with a direction came.
        rows: u64,
        /// What was asked for.
        outputs: usize,
    },
}

impl Pca {
    /// Starts with no rows of `dim` numbers.
    #[must_use]
    pub fn new(dim: usize) -> Self {
        Self { moments: DMatrix::zeros(dim, dim), rows: 0 }
    }

    /// Fits `outputs` dimensions on all rows of `matrices`.
    ///
    /// # Errors
    /// [`PcaError`]. No matrices are too few rows.
    pub fn fit_all(
        matrices: impl IntoIterator<Item = TokenMatrixBuf>,
        outputs: usize,
    ) -> Result<FittedPca, PcaError> {
        let mut matrices = matrices.into_iter().peekable();
        let Some(first) = matrices.peek() else {
            return Err(PcaError::TooFewRows { rows: 0, outputs });
        };
        let mut pca = Self::new(first.view().dim());
        for matrix in matrices {
            pca.add(matrix.view())?;
        }
        pca.fit(outputs)
    }

    /// Adds the rows of `matrix`, each at unit length. Rows of zeros are left out.
    ///
    /// # Errors
    /// [`PcaError::Dimension`].
    pub fn add(&mut self, matrix: TokenMatrix<'_>) -> Result<(), PcaError> {
        let dim = self.moments.nrows();
        if matrix.dim() != dim {
            return Err(PcaError::Dimension { expected: dim, found: matrix.dim() });
        }
        let mut block = Vec::with_capacity(BLOCK_ROWS.min(matrix.rows()) * dim);
        for rows in matrix.as_slice().chunks(BLOCK_ROWS * dim) {
            block.clear();
            for row in rows.chunks_exact(dim) {
                let norm = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
                if norm > 0.0 {
                    block.extend(row.iter().map(|&x| f64::from(x) / norm));
                    self.rows += 1;
                }
            }
            // Column-major `[dim, rows]`: a column is a row of `matrix`.
            let columns = DMatrix::from_column_slice(dim, block.len() / dim, &block);
            self.moments.gemm(1.0, &columns, &columns.transpose(), 1.0);
        }
        Ok(())
    }

    /// How many rows have been added.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The projection to the `outputs` strongest components.
    ///
    /// # Errors
    /// [`PcaError::Outputs`], [`PcaError::TooFewRows`].
    pub fn fit(&self, outputs: usize) -> Result<FittedPca, PcaError> {
        let dim = self.moments.nrows();
        if outputs == 0 || outputs > dim {
            return Err(PcaError::Outputs { outputs, dim });
        }
        if self.rows < outputs as u64 {
            return Err(PcaError::TooFewRows { rows: self.rows, outputs });
        }
        let eigen =
            SymmetricEigen::new((&self.moments + self.moments.transpose()) * (0.5 / self.rows as f64));
        let mut order: Vec<usize> = (0..dim).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]).then(a.cmp(&b)));
        let kept = order.iter().take(outputs).map(|&i| eigen.eigenvalues[i]).sum::<f64>() / self.trace();
        let weight = order.iter().take(outputs).flat_map(|&i| {
            let column = eigen.eigenvectors.column(i);
            let largest = column.iter().fold(0.0_f64, |a, &b| if b.abs() > a.abs() { b } else { a });
            let sign = largest.signum();
            column.iter().map(move |&x| (x * sign) as f32).collect::<Vec<_>>()
        });
        let projection = Projection::new(dim, outputs, weight.collect(), None);
        // Moments of unit rows are finite, and so are their components.
        let projection = projection.ok_or(PcaError::Outputs { outputs, dim })?;
        Ok(FittedPca { projection, kept: kept.clamp(0.0, 1.0), rows: self.rows })
    }

    fn trace(&self) -> f64 {
        self.moments.trace() / self.rows as f64
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Rows in a plane of three dimensions, plus a little noise.
    fn plane(rows: usize) -> TokenMatrixBuf {
        let mut rng = StdRng::seed_from_u64(7);
        let data = (0..rows).flat_map(|_| {
            let (a, b): (f32, f32) = (rng.random_range(-3.0..3.0), rng.random_range(-1.0..1.0));
            [a + b, a - b, 0.01 * b, 1e-3 * a]
        });
        TokenMatrixBuf::new(data.collect(), 4).unwrap()
    }

    #[test]
    fn the_projection_is_orthonormal_and_keeps_inner_products() {
        let matrix = plane(1000);
        let fitted = Pca::fit_all([matrix.clone()], 2).unwrap();
        assert!(fitted.kept > 0.999 && fitted.rows == 1000);
        let weight = fitted.projection.weight();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!((dot(&weight[..4], &weight[..4]) - 1.0).abs() < 1e-6);
        assert!(dot(&weight[..4], &weight[4..]).abs() < 1e-6);
        for pair in matrix.view().iter().collect::<Vec<_>>().chunks_exact(2) {
            let (a, b) = (fitted.projection.apply(pair[0]), fitted.projection.apply(pair[1]));
            assert!((dot(&a, &b) - dot(pair[0], pair[1])).abs() < 1e-3);
        }
    }

    #[test]
    fn split_input_and_flipped_rows_give_the_same_projection() {
        let matrix = plane(600);
        let whole = Pca::fit_all([matrix.clone()], 3).unwrap();
        let mut parts = Pca::new(4);
        for rows in matrix.view().as_slice().chunks(256 * 4) {
            parts.add(TokenMatrix::new(rows, 4).unwrap()).unwrap();
        }
        assert_eq!(parts.fit(3).unwrap(), whole);
        let negated = matrix.view().as_slice().iter().map(|x| -x).collect();
        assert_eq!(Pca::fit_all([TokenMatrixBuf::new(negated, 4).unwrap()], 3).unwrap(), whole);
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let mut pca = Pca::new(4);
        let wrong = TokenMatrix::new(&[1.0; 6], 3).unwrap();
        assert_eq!(pca.add(wrong), Err(PcaError::Dimension { expected: 4, found: 3 }));
        assert_eq!(pca.fit(5), Err(PcaError::Outputs { outputs: 5, dim: 4 }));
        assert_eq!(pca.fit(0), Err(PcaError::Outputs { outputs: 0, dim: 4 }));
        pca.add(TokenMatrix::new(&[0.0; 40], 4).unwrap()).unwrap();
        assert_eq!(pca.fit(1), Err(PcaError::TooFewRows { rows: 0, outputs: 1 }));
        assert_eq!(Pca::fit_all([], 1), Err(PcaError::TooFewRows { rows: 0, outputs: 1 }));
    }
}
