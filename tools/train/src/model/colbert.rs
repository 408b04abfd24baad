//! The head of late interaction: a small vector per token (Khattab & Zaharia, SIGIR 2020, arXiv:2004.12832).

use burn_tensor::Tensor;

use super::dense::Dense;
use super::pass::Pass;
use super::pooling::normalize;
use super::token_weights::TokenWeights;
use crate::data::Tokens;

/// Token vectors and which of them count.
#[derive(Debug, Clone)]
pub struct TokenVectors {
    /// `[rows, width, dim]`, unit length; those of queries at the length of their tokens' weights.
    pub vectors: Tensor<3>,
    /// `[rows, width]`: whether the token takes part in scores.
    pub kept: Vec<bool>,
}

/// The linear map, and which tokens take part.
#[derive(Debug, Clone, PartialEq)]
pub struct ColBert {
    /// Hidden states to token vectors.
    pub linear: Dense,
    /// Leave out the first token of both sides, the way of RAG-Retrieval and bge-m3.
    pub drop_first: bool,
    /// What each token of a query counts, where the base says so.
    pub weights: Option<TokenWeights>,
}

impl ColBert {
    /// States to unit vectors, `[rows, width, hidden]` to `[rows, width, dim]`.
    #[must_use]
    pub fn apply(&self, pass: &Pass<'_>, states: Tensor<3>, tokens: &Tokens) -> TokenVectors {
        let [rows, width, hidden] = states.dims();
        let flat = self.linear.apply(pass, states.reshape([rows * width, hidden]));
        let vectors = normalize(flat).reshape([rows, width, self.linear.outputs]);
        TokenVectors { vectors, kept: self.kept(tokens) }
    }

    /// Unit vectors of queries with what their tokens count.
    #[must_use]
    pub fn queries(&self, vectors: Tensor<3>, tokens: &Tokens) -> TokenVectors {
        let queries = TokenVectors { vectors, kept: self.kept(tokens) };
        match &self.weights {
            Some(weights) => weights.apply(queries, tokens),
            None => queries,
        }
    }

    /// Which tokens count, `[rows, width]`.
    #[must_use]
    pub fn kept(&self, tokens: &Tokens) -> Vec<bool> {
        let mut kept: Vec<bool> = tokens.counted.iter().map(|counted| *counted != 0).collect();
        if self.drop_first {
            let width = tokens.width.max(1);
            for (row, mask) in kept.chunks_mut(width).zip(tokens.mask.chunks(width)) {
                if let Some(first) = mask.iter().position(|mask| *mask != 0) {
                    row[first] = false;
                }
            }
        }
        kept
    }
}
