//! A teacher's margins.
//!
//! `L = mean over (q, d⁺, d⁻) of ((s(q,d⁺) - s(q,d⁻)) - (t(q,d⁺) - t(q,d⁻)))²`
//! (Hofstätter et al., arXiv:2010.02666). The first document of a group is `d⁺`.
//!
//! Relatives: [`grouped_kl`](super::grouped_kl) does not depend on the scale of the teacher's scores.

use burn_tensor::Tensor;

use super::scores::{Grouped, constant, nothing};

/// The loss; `scale` multiplies the student's scores, for cosines that shall reach a cross-encoder's logits.
#[must_use]
pub fn margin_mse(grouped: &Grouped, scale: f64) -> Tensor<1> {
    let (mut pairs, mut margins) = (Vec::new(), Vec::new());
    for query in 0..grouped.queries() {
        let (labels, present) = grouped.row(query);
        let first = query * grouped.size;
        for at in (1..grouped.size).filter(|at| present[*at]) {
            pairs.push((first, first + at));
            margins.push(labels[0] - labels[at]);
        }
    }
    if pairs.is_empty() {
        return nothing(grouped.scores.clone());
    }
    let count = pairs.len();
    let margins = constant(&grouped.scores.device(), margins, [count]);
    let gap = grouped.differences(&pairs) * scale - margins;
    (gap.clone() * gap).mean()
}
