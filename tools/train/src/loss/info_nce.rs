//! In-batch contrast.
//!
//! `L = -1/B · Σᵢ log( exp(s(qᵢ, dᵢ⁺)/T) / Σ_{d ∈ Cᵢ} exp(s(qᵢ, d)/T) )`
//!
//! `Cᵢ` are the query's own positive and hard negatives, the positives of all other queries, and, by choice, their hard
//! negatives too. With both directions the mean of this and of the same with queries and positives exchanged is taken
//! (van den Oord et al., "CPC", arXiv:1807.03748; Henderson et al., arXiv:1705.00652; Radford et al., "CLIP",
//! arXiv:2103.00020).
//!
//! Relatives: [`triplet_softmax`](super::triplet_softmax) leaves out other queries' positives;
//! [`false_negatives`](super::false_negatives) finds candidates that should not count;
//! [`matryoshka`](super::matryoshka) trains prefixes of the vectors as well. Scores may be cosines or
//! [`max_sim`](super::max_sim).

use burn_tensor::Tensor;

use super::scores::{EXCLUDED, constant, cross_entropy};
use crate::data::Groups;

/// What counts as a negative, and how sharply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InfoNce {
    /// `T`: scores are divided by it.
    pub temperature: f64,
    /// Contrast documents with all queries as well.
    pub both_directions: bool,
    /// Count the hard negatives of other queries.
    pub others_negatives: bool,
}

impl Default for InfoNce {
    /// `T` 0.05, one direction, everybody's hard negatives.
    fn default() -> Self {
        Self { temperature: 0.05, both_directions: false, others_negatives: true }
    }
}

/// The loss on `scores`, `[queries, documents]`, larger is nearer. `masked` pairs count neither way.
#[must_use]
pub fn info_nce(
    scores: Tensor<2>,
    groups: &Groups,
    masked: &[(usize, usize)],
    options: &InfoNce,
) -> Tensor<1> {
    let [queries, documents] = scores.dims();
    let positives: Vec<usize> = groups.ranges.iter().map(|range| range.start).collect();
    let mut bias = vec![0.0; queries * documents];
    if !options.others_negatives {
        for (query, own) in groups.ranges.iter().enumerate() {
            for other in groups.ranges.iter().filter(|other| *other != own) {
                bias[query * documents + other.start + 1..query * documents + other.end].fill(EXCLUDED);
            }
        }
    }
    exclude(&mut bias, documents, masked, &positives);
    let device = scores.device();
    let logits = scores / options.temperature + constant(&device, bias, [queries, documents]);
    let forward = cross_entropy(logits.clone(), &positives);
    if !options.both_directions {
        return forward;
    }
    let columns: Vec<i64> = positives.iter().map(|column| *column as i64).collect();
    let columns = Tensor::from_data(burn_tensor::TensorData::new(columns, [queries]), &device);
    let turned = logits.select(1, columns).transpose();
    (forward + cross_entropy(turned, &(0..queries).collect::<Vec<_>>())) / 2.0
}

/// Takes `masked` pairs out, but never a query's own positive.
pub(super) fn exclude(bias: &mut [f32], documents: usize, masked: &[(usize, usize)], positives: &[usize]) {
    for (query, document) in masked {
        if positives.get(*query).is_some_and(|positive| positive != document) && *document < documents {
            bias[query * documents + document] = EXCLUDED;
        }
    }
}
