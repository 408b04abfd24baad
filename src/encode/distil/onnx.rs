use std::error::Error;
use std::path::Path;

use rten::{Model, NodeId, Value};

use super::TokenStates;
use crate::types::TokenMatrixBuf;

/// A token encoder in ONNX, as [`convert`](crate::encode::export::convert) writes it, run by rten.
pub struct OnnxStates {
    model: Model,
    inputs: [NodeId; 3],
    output: NodeId,
    dim: usize,
}

impl std::fmt::Debug for OnnxStates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxStates").field("dim", &self.dim).finish_non_exhaustive()
    }
}

impl OnnxStates {
    /// Loads the graph at `path`, with inputs `input_ids`, `attention_mask`, `token_type_ids` and output
    /// `token_embeddings`.
    ///
    /// # Errors
    /// What rten says of the file, or which input or output is not there.
    pub fn load(path: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let model = Model::load_file(path)?;
        let inputs =
            [model.node_id("input_ids")?, model.node_id("attention_mask")?, model.node_id("token_type_ids")?];
        let output = model.node_id("token_embeddings")?;
        let mut states = Self { model, inputs, output, dim: 0 };
        states.dim = states.run(&[vec![0]])?.0;
        Ok(states)
    }

    /// The dimension, and rows of `[texts, longest]` flat.
    fn run(&self, batch: &[Vec<u32>]) -> Result<(usize, Vec<f32>), Box<dyn Error + Send + Sync>> {
        let longest = batch.iter().map(Vec::len).max().unwrap_or(0);
        let padded = |value: fn(u32) -> i32| {
            let row = move |ids: &Vec<u32>| {
                let pad = std::iter::repeat_n(0, longest - ids.len());
                ids.iter().map(move |&id| value(id)).chain(pad).collect::<Vec<_>>()
            };
            Value::from_shape([batch.len(), longest], batch.iter().flat_map(row).collect::<Vec<i32>>())
        };
        let values = [padded(|id| id as i32)?, padded(|_| 1)?, padded(|_| 0)?];
        let inputs = self.inputs.into_iter().zip(values.map(Into::into)).collect();
        let [output] = self.model.run_n(inputs, [self.output], None)?;
        let ([.., dim], data) = output.into_shape_vec::<f32, 3>()?;
        Ok((dim, data))
    }
}

impl TokenStates for OnnxStates {
    fn dim(&self) -> usize {
        self.dim
    }

    fn states(&mut self, batch: &[Vec<u32>]) -> Result<Vec<TokenMatrixBuf>, Box<dyn Error + Send + Sync>> {
        let longest = batch.iter().map(Vec::len).max().unwrap_or(0);
        let (dim, data) = self.run(batch)?;
        let texts = batch.iter().zip(data.chunks_exact((longest * dim).max(1)));
        Ok(texts
            .map(|(ids, rows)| TokenMatrixBuf::new(rows[..ids.len() * dim].to_vec(), dim))
            .collect::<Result<_, _>>()?)
    }
}
