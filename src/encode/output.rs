use std::path::Path;

use super::EncodeError;
use super::runtime::{Tensor, TokenBatch};

/// Which output of a graph is used, and what its name says about it.
///
/// | name | content |
/// |---|---|
/// | `sentence_embedding` | `[batch, dim]`, pooled, and scaled if the model scales |
/// | `normalized_token_embeddings` | `[batch, tokens, dim]`, projected and scaled |
/// | `token_embeddings` | `[batch, tokens, dim]`, projected in late-interaction models |
/// | `last_hidden_state`, or the only output | `[batch, tokens, hidden]`, or `[batch, dim]` pooled |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) index: usize,
    /// One vector a text instead of one a token.
    pub(super) pooled: bool,
    /// Whether the name promises that dense layers are contained.
    pub(super) is_finished: bool,
}

impl Output {
    pub(super) fn choose(graph: &Path, names: &[String], tokens: bool) -> Result<Self, EncodeError> {
        let at = |name: &str| names.iter().position(|found| found == name);
        let finished = |index, pooled| Self { index, pooled, is_finished: true };
        if tokens {
            if let Some(index) = at("normalized_token_embeddings").or_else(|| at("token_embeddings")) {
                return Ok(finished(index, false));
            }
        } else if let Some(index) = at("sentence_embedding") {
            return Ok(finished(index, true));
        }
        let only = (names.len() == 1 && !(tokens && names[0] == "sentence_embedding")).then_some(0);
        let hidden =
            at("last_hidden_state").or_else(|| at("token_embeddings")).or_else(|| at("output")).or(only);
        match hidden {
            Some(index) => Ok(Self { index, pooled: false, is_finished: false }),
            None => Err(EncodeError::GraphInterface {
                path: graph.to_owned(),
                problem: format!(
                    "has no output {:?} or \"last_hidden_state\"",
                    if tokens { "token_embeddings" } else { "sentence_embedding" }
                ),
                names: names.to_vec(),
            }),
        }
    }

    /// The length of a row of `tensor`, whose shape must fit the batch.
    pub(super) fn dim(&self, tensor: &Tensor, batch: &TokenBatch) -> Result<usize, EncodeError> {
        let fits = match (self.pooled, &tensor.shape[..]) {
            (true, &[rows, dim]) if rows == batch.rows => Some(dim),
            (false, &[rows, columns, dim]) if (rows, columns) == (batch.rows, batch.columns) => Some(dim),
            _ => None,
        };
        match fits {
            Some(dim) if dim > 0 && tensor.values.len() == tensor.shape.iter().product::<usize>() => Ok(dim),
            _ => {
                let (rows, columns) = (batch.rows, batch.columns);
                let expected =
                    if self.pooled { format!("[{rows}, dim]") } else { format!("[{rows}, {columns}, dim]") };
                Err(EncodeError::OutputShape { found: tensor.shape.clone(), expected })
            }
        }
    }
}
