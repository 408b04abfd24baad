//! What each token of a query counts in late interaction.
//!
//! `s(q, d) = Σᵢ w(qᵢ) · maxⱼ ⟨qᵢ, dⱼ⟩`, with the weights that `lateen model weigh` has written beside the base's tokenizer. They
//! are not trained: the model learns what is left to learn beside them, and saved models keep the file.

use std::path::Path;

use burn_tensor::{Tensor, TensorData};

use super::colbert::TokenVectors;
use super::error::ModelError;
use super::weights::Stored;
use crate::data::Tokens;

/// `weights`, `[vocabulary]`, finite, at least 0.
pub(crate) const FILE: &str = "token_weights.safetensors";
const TENSOR: &str = "weights";

/// A weight for each token of the vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenWeights(Vec<f32>);

impl TokenWeights {
    /// The weights in `directory`, if it has some, for a table of `vocabulary` tokens.
    pub(super) fn read(directory: &Path, vocabulary: usize) -> Result<Option<Self>, ModelError> {
        let path = directory.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let mut tensors = Stored::read_file(&path)?.into_tensors();
        let Some((found, weights)) = tensors.remove(TENSOR) else {
            return Err(ModelError::MissingTensor { path, tensor: TENSOR.to_owned() });
        };
        if found.len() != 1 || found[0] < vocabulary {
            let expected = vec![vocabulary];
            return Err(ModelError::Shape { path, tensor: TENSOR.to_owned(), expected, found });
        }
        match weights.iter().position(|weight| *weight < 0.0) {
            None => Ok(Some(Self(weights))),
            Some(token) => Err(ModelError::Config {
                path,
                field: TENSOR,
                found: format!("{} for token {token}", weights[token]),
                expected: "numbers of 0 or more are expected",
            }),
        }
    }

    /// Vectors of queries at the length of their tokens' weights; tokens of weight 0 do not count. A query whose tokens all have
    /// weight 0 stays as it is.
    pub(super) fn apply(&self, queries: TokenVectors, tokens: &Tokens) -> TokenVectors {
        let TokenVectors { vectors, mut kept } = queries;
        let mut weights = vec![1.0; kept.len()];
        let width = tokens.width.max(1);
        let rows = kept.chunks_mut(width).zip(weights.chunks_mut(width)).zip(tokens.ids.chunks(width));
        for ((kept, weights), ids) in rows {
            let of = |id: &u32| self.0.get(*id as usize).copied().unwrap_or(0.0);
            if ids.iter().zip(&*kept).all(|(id, kept)| !kept || of(id) == 0.0) {
                continue;
            }
            for ((kept, weight), id) in kept.iter_mut().zip(weights).zip(ids) {
                *weight = of(id);
                *kept &= *weight > 0.0;
            }
        }
        let [rows, width, _] = vectors.dims();
        let factors = Tensor::from_data(TensorData::new(weights, [rows, width, 1]), &vectors.device());
        TokenVectors { vectors: vectors * factors, kept }
    }
}
