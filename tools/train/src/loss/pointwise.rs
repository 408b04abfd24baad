//! Rerankers, pair by pair.
//!
//! * [`bce`]: `L = mean of -(y·log σ(s) + (1-y)·log(1-σ(s)))`, labels in `0..=1`, soft ones too: the cross-encoder's usual
//!   loss (Nogueira & Cho, arXiv:1901.04085), and distillation of a teacher's probability.
//! * [`mse`]: `L = mean of (σ(s) - y)²` for logits, or `(s - y)²` for cosines.
//!
//! Relatives: [`rank_net`](super::rank_net) and [`listwise_ce`](super::listwise_ce) compare the documents of a query.

use burn_tensor::{Tensor, activation};

use super::scores::{constant, softplus};

/// Binary cross-entropy of logits.
#[must_use]
pub fn bce(logits: Tensor<1>, labels: &[f32]) -> Tensor<1> {
    let labels = constant(&logits.device(), labels.to_vec(), [labels.len()]);
    // softplus(s) - y·s is both terms in one.
    (softplus(logits.clone()) - labels * logits).mean()
}

/// Squared difference between `σ(logit)` and label, or between score and label if not `sigmoid`.
#[must_use]
pub fn mse(scores: Tensor<1>, labels: &[f32], sigmoid: bool) -> Tensor<1> {
    let labels = constant(&scores.device(), labels.to_vec(), [labels.len()]);
    let gap = if sigmoid { activation::sigmoid(scores) } else { scores } - labels;
    (gap.clone() * gap).mean()
}
