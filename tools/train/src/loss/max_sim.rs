//! The score of late interaction.
//!
//! `s(q, d) = Σᵢ maxⱼ ⟨qᵢ, dⱼ⟩`: for each query token its closest document token, summed (Khattab & Zaharia, "ColBERT",
//! SIGIR 2020, arXiv:2004.12832). Its gradient goes to the one document token that was closest.
//!
//! Relatives: [`info_nce`](super::info_nce()) and [`triplet_softmax`](super::triplet_softmax) contrast these scores,
//! [`grouped_kl`](super::grouped_kl) distils a cross-encoder into them (ColBERTv2, arXiv:2112.01488).

use burn_tensor::Tensor;

use super::scores::{EXCLUDED, constant};
use crate::model::TokenVectors;

/// How tokens are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaxSim {
    /// Divide by the number of query tokens, so that long and short queries share one temperature.
    pub mean: bool,
    /// Let document tokens that are left out count as vectors of zeros, so that no maximum is below 0: what
    /// RAG-Retrieval and bge-m3 do. Otherwise they do not count at all.
    pub zero_masked: bool,
}

/// Scores of all queries with all documents, `[queries, documents]`.
///
/// Cost: `query tokens · document tokens · dim` multiply-adds; the table of all token pairs is in memory.
#[must_use]
pub fn max_sim(queries: &TokenVectors, documents: &TokenVectors, options: MaxSim) -> Tensor<2> {
    let [rows, query_width, dim] = queries.vectors.dims();
    let [count, width, _] = documents.vectors.dims();
    let device = queries.vectors.device();
    let flat_queries = queries.vectors.clone().reshape([rows * query_width, dim]);
    let flat_documents = documents.vectors.clone().reshape([count * width, dim]);
    let pairs = flat_queries.matmul(flat_documents.transpose()).reshape([rows * query_width, count, width]);
    let pairs = if options.zero_masked {
        let keep = documents.kept.iter().map(|kept| f32::from(u8::from(*kept))).collect();
        pairs * constant(&device, keep, [1, count, width])
    } else {
        let bias = documents.kept.iter().map(|kept| if *kept { 0.0 } else { EXCLUDED }).collect();
        pairs + constant(&device, bias, [1, count, width])
    };
    let best = pairs.max_dim(2).reshape([rows, query_width, count]);
    let weights = query_weights(&queries.kept, query_width, options.mean);
    (best * constant(&device, weights, [rows, query_width, 1])).sum_dim(1).reshape([rows, count])
}

/// What each query token's maximum counts: 1 or, for the mean, one part of the query's tokens; 0 for padding.
fn query_weights(kept: &[bool], width: usize, mean: bool) -> Vec<f32> {
    let mut weights = Vec::with_capacity(kept.len());
    for row in kept.chunks(width.max(1)) {
        let count = row.iter().filter(|kept| **kept).count().max(1) as f32;
        let weight = if mean { 1.0 / count } else { 1.0 };
        weights.extend(row.iter().map(|kept| if *kept { weight } else { 0.0 }));
    }
    weights
}
