//! What a decoder keeps of the tokens before: the keys and values of each layer.

use std::borrow::Cow;

use super::super::EncodeError;
use super::super::inputs::PastInput;
use super::super::runtime::Tensor;

/// Keys and values of a prefix that rows share; without tokens, none.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) tokens: usize,
    /// `[1, heads, tokens, dim]` for each past input.
    tensors: Vec<Tensor>,
}

impl Past {
    pub(super) fn new(tokens: usize, tensors: Vec<Tensor>) -> Result<Self, EncodeError> {
        for tensor in &tensors {
            if !matches!(tensor.shape[..], [1, _, found, _] if found == tokens) {
                let expected = format!("[1, heads, {tokens}, dim]");
                return Err(EncodeError::OutputShape { found: tensor.shape.clone(), expected });
            }
        }
        Ok(Self { tokens, tensors })
    }

    /// Bytes that a row of a batch takes for the prefix.
    pub(super) fn row_bytes(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.values.len() * size_of::<f32>()).sum()
    }

    /// Shape and values for a batch of `rows` rows.
    pub(super) fn feed(&self, input: &PastInput, rows: usize) -> (Vec<usize>, Cow<'_, [f32]>) {
        match self.tensors.get(input.index) {
            None => (vec![rows, input.heads, 0, input.dim], Cow::Borrowed(&[])),
            Some(tensor) => {
                let shape = vec![rows, tensor.shape[1], tensor.shape[2], tensor.shape[3]];
                let values = match rows {
                    1 => Cow::Borrowed(&tensor.values[..]),
                    _ => Cow::Owned(tensor.values.repeat(rows)),
                };
                (shape, values)
            }
        }
    }
}
