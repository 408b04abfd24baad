//! The documents of a query as one choice.
//!
//! `L = -1/B · Σ_q Σ_d p(d) · log softmax(s)(d)`, `p = softmax(labels)` over the documents whose label is not 0; label 0 is a
//! plain negative and gets no share. With a single 1 it is cross-entropy with one target (Cao et al., "ListNet", ICML
//! 2007; the treatment of 0 is RAG-Retrieval's).
//!
//! Relatives: [`grouped_kl`](super::grouped_kl) gives every document a share.

use burn_tensor::Tensor;

use super::kl::softmax;
use super::scores::{Grouped, constant};

/// The loss; `temperature` divides scores. A group whose labels are all 0 adds nothing, but counts in `B`.
#[must_use]
pub fn listwise_ce(grouped: &Grouped, temperature: f64) -> Tensor<1> {
    let mut target = Vec::with_capacity(grouped.labels.len());
    for query in 0..grouped.queries() {
        let (labels, present) = grouped.row(query);
        let chosen: Vec<bool> = labels.iter().zip(present).map(|(y, there)| *there && *y != 0.0).collect();
        target.extend(softmax(labels, &chosen, 1.0).into_iter().map(|p| p as f32));
    }
    let shape = [grouped.queries(), grouped.size];
    let target = constant(&grouped.scores.device(), target, shape);
    (target * grouped.log_probabilities(temperature)).sum().neg() / shape[0] as f64
}
