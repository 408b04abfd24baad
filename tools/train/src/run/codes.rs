//! Documents' token vectors as an index keeps them.
//!
//! In training a vector is replaced by what its code stands for, `v → decode(encode(v))`, and gradients pass as if nothing had
//! happened (the straight-through estimator: Bengio, Léonard & Courville, arXiv:1308.3432), so that a model learns vectors that
//! survive few bits. The codec is the index's own; it is fitted to the documents of a step, and anew every so many steps,
//! and checkpoints hold it, so that a run goes on with the same numbers.

use burn_tensor::{Tensor, TensorData};
use lateen::format::CodeWidth;
use lateen::quant::{CodecOptions, ResidualCodec};
use lateen::types::TokenMatrix;
use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::step::rows;
use crate::data::Tokens;
use crate::model::{Model, Pass, TokenVectors, floats};

/// How codes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coding {
    /// Values a dimension of a code can have.
    pub width: CodeWidth,
    /// Steps after which the codec is fitted anew.
    pub every: u64,
}

/// Fits a codec to the vectors of `documents`, `chunk` of which go through the model at a time (0: all). `None` if no
/// vector has a direction.
///
/// # Errors
/// [`RunError`] for tokens of another model.
pub(super) fn fit(
    model: &Model,
    documents: &Tokens,
    coding: Coding,
    chunk: usize,
) -> Result<Option<ResidualCodec>, RunError> {
    let pass = Pass::inference(&model.params);
    let size = if chunk == 0 { documents.rows.max(1) } else { chunk };
    let (mut all, mut dim) = (Vec::new(), 1);
    for start in (0..documents.rows).step_by(size) {
        let part = rows(documents, start..(start + size).min(documents.rows));
        let made = model.token_vectors(&pass, &part)?;
        dim = made.vectors.dims()[2];
        let values = floats(made.vectors);
        for (row, _) in values.chunks(dim).zip(&made.kept).filter(|(_, kept)| **kept) {
            all.extend(unit(row).into_iter().flatten());
        }
    }
    if all.is_empty() {
        return Ok(None);
    }
    let matrix = TokenMatrix::new(&all, dim).map_err(|_| RunError::Mismatch)?;
    let options = CodecOptions::with_width(coding.width);
    Ok(Some(ResidualCodec::build(&matrix, &[], &options)?.0))
}

/// `vectors` with every one that counts replaced by what its code stands for; gradients pass unchanged.
///
/// # Errors
/// [`RunError::Codes`] if the codec is of another dimension.
pub(super) fn through(codec: &ResidualCodec, given: TokenVectors) -> Result<TokenVectors, RunError> {
    let shape = given.vectors.dims();
    let dim = shape[2];
    let values = floats(given.vectors.clone().detach());
    let (mut places, mut all) = (Vec::new(), Vec::new());
    for (at, row) in values.chunks(dim).enumerate().filter(|(at, _)| given.kept[*at]) {
        if let Some(row) = unit(row) {
            places.push(at);
            all.extend(row);
        }
    }
    if places.is_empty() {
        return Ok(given);
    }
    let matrix = TokenMatrix::new(&all, dim).map_err(|_| RunError::Mismatch)?;
    let coded = codec.extend(&matrix, 0, &CodecOptions::with_width(codec.width))?;
    let (rotation, bytes) = (coded.codec.rotation(), coded.codec.row_bytes());
    let (mut change, mut decoded) = (vec![0.0; values.len()], vec![0.0; dim]);
    for (number, at) in places.into_iter().enumerate() {
        let codes = &coded.codes.codes[number * bytes..(number + 1) * bytes];
        coded.codec.decode(coded.codes.centroids[number], coded.codes.scales[number], codes, &mut decoded)?;
        rotation.apply_inverse(&mut decoded);
        let row = at * dim..(at + 1) * dim;
        let places = change[row.clone()].iter_mut().zip(&decoded).zip(&values[row]);
        places.for_each(|((change, new), old)| *change = new - old);
    }
    let change = Tensor::<3>::from_data(TensorData::new(change, shape), &given.vectors.device());
    Ok(TokenVectors { vectors: given.vectors + change, kept: given.kept })
}

/// `row` at length 1; `None` if it has no direction.
fn unit(row: &[f32]) -> Option<Vec<f32>> {
    let norm = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let sound = norm.is_finite() && norm > 1e-6;
    sound.then(|| row.iter().map(|x| (f64::from(*x) / norm) as f32).collect())
}

/// A codec as checkpoints hold it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredCodec {
    dim: usize,
    bits: usize,
    rotation_seed: u64,
    levels: [i8; 16],
    scale_log2_min: f32,
    scale_log2_step: f32,
    centroids: Vec<i8>,
    centroid_scales: Vec<f32>,
}

impl StoredCodec {
    pub(super) fn of(codec: &ResidualCodec) -> Self {
        Self {
            dim: codec.dim,
            bits: match codec.width {
                CodeWidth::One => 1,
                CodeWidth::Two => 2,
                _ => 4,
            },
            rotation_seed: codec.rotation_seed,
            levels: codec.levels,
            scale_log2_min: codec.scale_log2_min,
            scale_log2_step: codec.scale_log2_step,
            centroids: codec.centroids.clone(),
            centroid_scales: codec.centroid_scales.clone(),
        }
    }

    /// `None` if its parts do not fit together.
    pub(super) fn codec(self) -> Option<ResidualCodec> {
        let sound = self.dim > 0
            && !self.centroid_scales.is_empty()
            && self.centroid_scales.len().checked_mul(self.dim) == Some(self.centroids.len());
        sound.then_some(ResidualCodec {
            dim: self.dim,
            width: width(self.bits)?,
            rotation_seed: self.rotation_seed,
            levels: self.levels,
            scale_log2_min: self.scale_log2_min,
            scale_log2_step: self.scale_log2_step,
            centroids: self.centroids,
            centroid_scales: self.centroid_scales,
        })
    }
}

/// The codes of so many bits a dimension.
pub(super) fn width(bits: usize) -> Option<CodeWidth> {
    match bits {
        1 => Some(CodeWidth::One),
        2 => Some(CodeWidth::Two),
        4 => Some(CodeWidth::Four),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_tensor::Device;

    #[test]
    fn codes_change_values_and_not_gradients() {
        let device = Device::flex().autodiff();
        let mut data = [0.0_f32; 2 * 3 * 8];
        for (at, value) in data.iter_mut().enumerate() {
            *value = ((at * 37 % 23) as f32 - 11.0) / 11.0;
        }
        let rows: Vec<f32> = data.chunks(8).flat_map(|row| unit(row).unwrap()).collect();
        let leaf = Tensor::<3>::from_data(TensorData::new(rows.clone(), [2, 3, 8]), &device).require_grad();
        let kept = vec![true, true, false, true, true, true];
        let matrix = TokenMatrix::new(&rows, 8).unwrap();
        let mut options = CodecOptions::with_width(CodeWidth::Two);
        options.tokens_per_centroid = 3;
        let (codec, _) = ResidualCodec::build(&matrix, &[], &options).unwrap();
        let codec = StoredCodec::of(&codec).codec().unwrap();
        let made = through(&codec, TokenVectors { vectors: leaf.clone(), kept }).unwrap();
        let values = floats(made.vectors.clone().detach());
        assert_eq!(values[16..24], rows[16..24], "a token that does not count is left alone");
        let far = |range: std::ops::Range<usize>| {
            values[range.clone()].iter().zip(&rows[range]).map(|(a, b)| (a - b).powi(2)).sum::<f32>()
        };
        assert!(far(0..48) > 1e-4 && far(0..48) < 2.0, "{}", far(0..48));
        let weights: Vec<f32> = (0..48).map(|at| at as f32).collect();
        let weights = Tensor::<3>::from_data(TensorData::new(weights.clone(), [2, 3, 8]), &device);
        let mut found = (made.vectors * weights.clone()).sum().backward();
        assert_eq!(floats(leaf.grad_remove(&mut found).unwrap()), floats(weights));
    }

    #[test]
    fn a_stored_codec_that_does_not_fit_together_is_refused() {
        let rows = [1.0, 0.0, 0.0, 1.0];
        let matrix = TokenMatrix::new(&rows, 2).unwrap();
        let codec = ResidualCodec::build(&matrix, &[], &CodecOptions::default()).unwrap().0;
        assert_eq!(StoredCodec::of(&codec).codec().as_ref(), Some(&codec));
        assert!(StoredCodec { dim: 3, ..StoredCodec::of(&codec) }.codec().is_none());
        assert!(StoredCodec { bits: 3, ..StoredCodec::of(&codec) }.codec().is_none());
    }
}
