//! Products with random features, fitted to maxima.

use anyhow::Context;
use nalgebra::DMatrix;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::support::encoded::Encoded;
use super::{Source, normal};

/// Tokens that documents of `lemur` are fitted on.
const SAMPLE: usize = 8192;

/// `maxⱼ ⟨x, dⱼ⟩` of sampled tokens.
pub struct Maxima {
    /// `[dim, sample]`: a token a column.
    sample: DMatrix<f32>,
    /// `[sample, documents]`
    values: DMatrix<f32>,
}

impl Maxima {
    pub fn of(data: &Encoded) -> Self {
        let mut random = StdRng::seed_from_u64(2);
        let mut sample = Vec::new();
        for _ in 0..SAMPLE {
            let document = &data.documents[random.random_range(0..data.documents.len())];
            let matrix = document.matrix.view();
            if matrix.rows() > 0 {
                sample.extend_from_slice(matrix.row(random.random_range(0..matrix.rows())));
            }
        }
        let sample = DMatrix::from_vec(data.dim, sample.len() / data.dim, sample);
        let transposed = sample.transpose();
        let mut values = DMatrix::zeros(sample.ncols(), data.documents.len());
        for (document, mut column) in data.documents.iter().zip(values.column_iter_mut()) {
            let tokens = document.matrix.view();
            let tokens = DMatrix::from_column_slice(data.dim, tokens.rows(), tokens.as_slice());
            let products = &transposed * tokens;
            column.fill(-1.0);
            for token in products.column_iter() {
                column.zip_apply(&token, |most: &mut f32, x| *most = most.max(x));
            }
        }
        Self { sample, values }
    }
}

pub struct Lemur {
    /// `[dims, dim + 1]`, the last column an offset.
    features: DMatrix<f32>,
    /// `[dims, documents]`
    weights: DMatrix<f32>,
}

impl Lemur {
    pub fn fit(data: &Encoded, maxima: &Maxima, dims: usize) -> anyhow::Result<Self> {
        let mut random = StdRng::seed_from_u64(3);
        let features = DMatrix::from_fn(dims, data.dim + 1, |_, column| {
            if column == data.dim { 0.3 * normal(&mut random) } else { normal(&mut random) }
        });
        let of_sample = Self::features(&features, &maxima.sample);
        let mut gram = &of_sample * of_sample.transpose();
        let ridge = 1e-3 * gram.trace() / dims as f32;
        gram.iter_mut().step_by(dims + 1).for_each(|x| *x += ridge);
        let factor = gram.cholesky().context("the features depend on each other")?;
        let weights = factor.solve(&(&of_sample * &maxima.values));
        Ok(Self { features, weights })
    }

    /// `max(0, Wx + b)`, `[dims, tokens]`.
    fn features(features: &DMatrix<f32>, tokens: &DMatrix<f32>) -> DMatrix<f32> {
        let dim = tokens.nrows();
        let mut values = features.columns(0, dim) * tokens;
        for mut column in values.column_iter_mut() {
            column.zip_apply(&features.column(dim), |x, offset| *x = (*x + offset).max(0.0));
        }
        values
    }
}

impl Source for Lemur {
    fn document(&self, number: usize, _: &[f32]) -> Vec<f32> {
        self.weights.column(number).iter().copied().collect()
    }

    fn query(&self, tokens: &[f32]) -> Vec<f32> {
        let dim = self.features.ncols() - 1;
        let tokens = DMatrix::from_column_slice(dim, tokens.len() / dim, tokens);
        Self::features(&self.features, &tokens).column_sum().iter().copied().collect()
    }
}
