//! Pairs of documents in the right order, weighted by how much better one is.
//!
//! `L = mean over yᵢ > yⱼ of (yᵢ - yⱼ) · log(1 + exp(-(sᵢ - sⱼ)))` over all pairs within groups (Burges et al., "RankNet",
//! ICML 2005; the weight is RAG-Retrieval's).
//!
//! Relatives: [`lambda_loss`](super::lambda_loss()) weighs pairs by what a swap does to nDCG;
//! [`listwise_ce`](super::listwise_ce) looks at the whole list.

use burn_tensor::Tensor;

use super::scores::{Grouped, constant, nothing, softplus};

/// The loss; groups with equal labels only say nothing.
#[must_use]
pub fn rank_net(grouped: &Grouped) -> Tensor<1> {
    let pairs = ordered_pairs(grouped);
    if pairs.is_empty() {
        return nothing(grouped.scores.clone());
    }
    let weights = pairs.iter().map(|(i, j)| grouped.labels[*i] - grouped.labels[*j]).collect();
    let weights = constant(&grouped.scores.device(), weights, [pairs.len()]);
    (weights * softplus(-grouped.differences(&pairs))).mean()
}

/// Places `(i, j)` of one group where `i` has the higher label.
pub(super) fn ordered_pairs(grouped: &Grouped) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for query in 0..grouped.queries() {
        let (labels, present) = grouped.row(query);
        let first = query * grouped.size;
        for i in (0..grouped.size).filter(|i| present[*i]) {
            let lower = (0..grouped.size).filter(|j| present[*j] && labels[i] > labels[*j]);
            pairs.extend(lower.map(|j| (first + i, first + j)));
        }
    }
    pairs
}
