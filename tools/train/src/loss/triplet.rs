//! Softmax over the positive and all hard negatives of the batch.
//!
//! `L = -1/B · Σᵢ log( exp(s(qᵢ, dᵢ⁺)/T) / (exp(s(qᵢ, dᵢ⁺)/T) + Σ_n exp(s(qᵢ, n)/T)) )`, `n` over **all** queries' hard
//! negatives and nobody else's positive: the triplet loss of RAG-Retrieval's embedding and ColBERT trainers, after
//! Karpukhin et al., "DPR", arXiv:2004.04906.
//!
//! Relatives: [`info_nce`](super::info_nce()) counts other queries' positives too, and is the better choice unless the
//! data hold many copies of a document.

use burn_tensor::Tensor;

use super::info_nce::exclude;
use super::scores::{EXCLUDED, constant, cross_entropy};
use crate::data::Groups;

/// The loss on `scores`, `[queries, documents]`, larger is nearer. `masked` pairs do not count.
#[must_use]
pub fn triplet_softmax(
    scores: Tensor<2>,
    groups: &Groups,
    masked: &[(usize, usize)],
    temperature: f64,
) -> Tensor<1> {
    let [queries, documents] = scores.dims();
    let positives: Vec<usize> = groups.ranges.iter().map(|range| range.start).collect();
    let mut bias = vec![0.0; queries * documents];
    for query in 0..queries {
        for (_, positive) in positives.iter().enumerate().filter(|(other, _)| *other != query) {
            bias[query * documents + positive] = EXCLUDED;
        }
    }
    exclude(&mut bias, documents, masked, &positives);
    let bias = constant(&scores.device(), bias, [queries, documents]);
    cross_entropy(scores / temperature + bias, &positives)
}
