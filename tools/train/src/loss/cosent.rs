//! Pairs with graded labels, in the right order.
//!
//! `L = log(1 + Σ_{yᵢ > yⱼ} exp((sⱼ - sᵢ) / T))` over all pairs `i`, `j` of the batch: whatever has the higher label shall
//! have the higher cosine (Su, "CoSENT", 2022, <https://kexue.fm/archives/8847>).
//!
//! Relatives: [`mse`](super::mse()) fits the labels themselves; [`grouped_kl`](super::grouped_kl) compares documents of
//! one query only.

use burn_tensor::Tensor;

use super::scores::{EXCLUDED, constant, nothing};

/// The loss on one score a pair. Pairs with equal labels say nothing about each other.
#[must_use]
pub fn cosent(scores: Tensor<1>, labels: &[f32], temperature: f64) -> Tensor<1> {
    let pairs = labels.len();
    let mut bias = vec![EXCLUDED; pairs * pairs];
    for (i, higher) in labels.iter().enumerate() {
        for (j, lower) in labels.iter().enumerate() {
            if higher > lower {
                bias[i * pairs + j] = 0.0;
            }
        }
    }
    if bias.iter().all(|bias| *bias != 0.0) {
        return nothing(scores);
    }
    let device = scores.device();
    let scaled = scores / temperature;
    let gaps = scaled.clone().reshape([1, pairs]) - scaled.reshape([pairs, 1]);
    let gaps: Tensor<1> = (gaps + constant(&device, bias, [pairs, pairs])).flatten(0, 1);
    // The 1 in the logarithm is a gap of 0.
    let all = Tensor::cat(vec![gaps, constant(&device, vec![0.0], [1])], 0);
    let top = all.clone().detach().max();
    (all - top.clone()).exp().sum().log() + top
}
