//! Pairs weighted by what they mean for nDCG.
//!
//! `L = mean over yᵢ > yⱼ of wᵢⱼ · log₂(1 + exp(-σ(sᵢ - sⱼ)))`, with gains `G = (2^y - 1) / maxDCG`, discounts
//! `D(r) = log₂(1 + r)` at the ranks `r` that the scores give now, and
//! `w = (|1/D(rᵢ) - 1/D(rⱼ)| + μ·|1/D(|rᵢ-rⱼ|) - 1/D(|rᵢ-rⱼ|+1)|) · |Gᵢ - Gⱼ|`.
//!
//! `μ = 0` is LambdaRank, `μ = 10` NDCG-Loss2++ (Wang et al., "The LambdaLoss Framework", CIKM 2018). Weights are constants
//! of the step: no gradient goes through ranks.
//!
//! Relatives: [`rank_net`](super::rank_net) weighs by label gaps and needs no ranks.

use burn_tensor::Tensor;

use super::rank_net::ordered_pairs;
use super::scores::{Grouped, constant, nothing, softplus};
use crate::model::floats;

/// The loss, with `sigma` 1. Labels should be grades from 0; teachers' scores make gains of `2^score`.
#[must_use]
pub fn lambda_loss(grouped: &Grouped, mu: f64) -> Tensor<1> {
    let pairs = ordered_pairs(grouped);
    if pairs.is_empty() {
        return nothing(grouped.scores.clone());
    }
    let scores = floats(grouped.scores.clone().detach());
    let (mut ranks, mut gains) = (vec![0_usize; scores.len()], vec![0.0_f64; scores.len()]);
    for query in 0..grouped.queries() {
        let first = query * grouped.size;
        let (labels, present) = grouped.row(query);
        let mut order: Vec<usize> = (0..grouped.size).filter(|at| present[*at]).collect();
        order.sort_by(|a, b| scores[first + b].total_cmp(&scores[first + a]).then(a.cmp(b)));
        for (rank, at) in order.iter().enumerate() {
            ranks[first + at] = rank + 1;
        }
        let gain = |at: usize| f64::from(labels[at]).exp2() - 1.0;
        let mut best: Vec<f64> = order.iter().map(|at| gain(*at)).collect();
        best.sort_by(|a, b| b.total_cmp(a));
        let ideal: f64 = best.iter().enumerate().map(|(rank, gain)| gain / discount(rank + 1)).sum();
        for at in order {
            gains[first + at] = gain(at) / ideal.max(1e-10);
        }
    }
    let weight = |(i, j): &(usize, usize)| {
        let apart = ranks[*i].abs_diff(ranks[*j]);
        let swap = (1.0 / discount(ranks[*i]) - 1.0 / discount(ranks[*j])).abs();
        let near = (1.0 / discount(apart) - 1.0 / discount(apart + 1)).abs();
        ((swap + mu * near) * (gains[*i] - gains[*j]).abs()) as f32
    };
    let weights = constant(&grouped.scores.device(), pairs.iter().map(weight).collect(), [pairs.len()]);
    (weights * softplus(-grouped.differences(&pairs))).mean() / std::f64::consts::LN_2
}

fn discount(rank: usize) -> f64 {
    (1.0 + rank as f64).log2()
}
