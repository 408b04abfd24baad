//! What is done to vectors after pooling, or to each token's.

use serde::Deserialize;

use super::EncodeError;
use super::directory::ModelDirectory;
use super::projection::Projection;
use super::weights::Weights;
use crate::types::{MAX_DIM, normalize};

/// PyTorch's default, which the module cannot change.
const EPSILON: f64 = 1e-5;

/// One module after the pooling.
#[derive(Debug)]
pub(super) enum Layer {
    Dense(Projection),
    Norm(LayerNorm),
    /// Length 1, where more layers follow.
    Unit,
}

impl Layer {
    /// Columns before and after, where the layer fixes them.
    pub(super) fn widths(&self) -> Option<(usize, usize)> {
        match self {
            Self::Dense(dense) => Some((dense.inputs, dense.outputs)),
            Self::Norm(norm) => Some((norm.weight.len(), norm.weight.len())),
            Self::Unit => None,
        }
    }

    /// The layer in words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Dense(dense) => dense.describe(),
            Self::Norm(norm) => format!("layer norm over {}", norm.weight.len()),
            Self::Unit => "scaled to length 1".to_owned(),
        }
    }

    /// Applies the layer to every row of `rows`, which are `width` long.
    pub(super) fn apply(&self, mut rows: Vec<f32>, width: usize) -> Vec<f32> {
        match self {
            Self::Dense(dense) => return dense.apply(&rows),
            Self::Norm(norm) => rows.chunks_exact_mut(norm.weight.len()).for_each(|row| norm.apply(row)),
            Self::Unit => rows.chunks_exact_mut(width).for_each(|row| {
                normalize(row);
            }),
        }
        rows
    }
}

/// `y = (x − mean) / √(variance + ε) · weight + bias` over the components of a vector (Ba, Kiros & Hinton, "Layer
/// Normalization", arXiv:1607.06450).
#[derive(Debug)]
pub(super) struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

#[derive(Deserialize)]
struct Config {
    dimension: usize,
}

impl LayerNorm {
    /// A sentence-transformers `LayerNorm` module. Also gives the bytes of its weights, for the fingerprint.
    pub(super) fn load(directory: &ModelDirectory) -> Result<(Self, Vec<u8>), EncodeError> {
        let config: Config = directory.json("config.json", "the configuration of a layer norm")?;
        if config.dimension == 0 || config.dimension > MAX_DIM {
            return Err(EncodeError::Field {
                path: directory.path("config.json"),
                field: "dimension",
                found: config.dimension.to_string(),
                expected: "1 to 8192",
            });
        }
        let weights = Weights::of_module(directory)?;
        let shape = [config.dimension];
        let (weight, bias) = (weights.shaped("norm.weight", &shape)?, weights.shaped("norm.bias", &shape)?);
        Ok((Self { weight, bias }, weights.into_bytes().into_owned()))
    }

    fn apply(&self, row: &mut [f32]) {
        let count = row.len() as f64;
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
        let scale = 1.0 / (variance + EPSILON).sqrt();
        for ((x, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
            *x = ((f64::from(*x) - mean) * scale) as f32 * weight + bias;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normed_row_has_mean_0_and_variance_1_before_its_weights() {
        let norm = LayerNorm { weight: vec![1.0, 2.0, 1.0, 1.0], bias: vec![0.0, 0.5, 0.0, 0.0] };
        let row = Layer::Norm(norm).apply(vec![1.0, 2.0, 3.0, 4.0], 4);
        let wanted = [-1.341_635_4, 2.0 * -0.447_211_8 + 0.5, 0.447_211_8, 1.341_635_4];
        assert!(row.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-5), "{row:?}");
        assert_eq!(Layer::Unit.apply(vec![3.0, 4.0, 0.0, 2.0], 2), [0.6, 0.8, 0.0, 1.0]);
    }
}
