//! A teacher's scores as a distribution over documents.
//!
//! `L = 1/B · Σ_q Σ_{d ∈ q} p(d) · (log p(d) - log π(d))`, `p = softmax(labels / T_t)`, `π = softmax(scores / T)` over the
//! documents of one query (Hinton et al., arXiv:1503.02531; as supervision from a language model: Shi et al., "REPLUG",
//! arXiv:2301.12652; for ColBERT: Santhanam et al., arXiv:2112.01488).
//!
//! Relatives: [`margin_mse`](super::margin_mse()) learns differences instead of shares;
//! [`batch_kl`] is RAG-Retrieval's form, which mixes queries and is there for compatibility only.

use burn_tensor::Tensor;

use super::scores::{Grouped, constant};

/// Grouped distillation.
///
/// * `temperature` divides the student's scores, `teacher_temperature` the labels.
#[must_use]
pub fn grouped_kl(grouped: &Grouped, temperature: f64, teacher_temperature: f64) -> Tensor<1> {
    let (queries, size) = (grouped.queries(), grouped.size);
    let mut teacher = Vec::with_capacity(queries * size);
    let mut entropy = 0.0;
    for query in 0..queries {
        let (labels, present) = grouped.row(query);
        let row = softmax(labels, present, teacher_temperature);
        entropy += row.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
        teacher.extend(row.into_iter().map(|p| p as f32));
    }
    let device = grouped.scores.device();
    let teacher = constant(&device, teacher, [queries, size]);
    let cross = (teacher * grouped.log_probabilities(temperature)).sum();
    (cross.neg() + entropy) / queries as f64
}

/// RAG-Retrieval's `pair_score` loss: one softmax over the pairs of the **batch**, whatever their queries, divided by
/// their number.
#[must_use]
pub fn batch_kl(scores: Tensor<1>, labels: &[f32], temperature: f64) -> Tensor<1> {
    let pairs = labels.len();
    let teacher = softmax(labels, &vec![true; pairs], temperature);
    let entropy: f64 = teacher.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum();
    let device = scores.device();
    let teacher = constant(&device, teacher.into_iter().map(|p| p as f32).collect(), [pairs]);
    let log = burn_tensor::activation::log_softmax(scores / temperature, 0);
    ((teacher * log).sum().neg() + entropy) / pairs as f64
}

/// `softmax(labels / temperature)` over those present; 0 for the others.
pub(super) fn softmax(labels: &[f32], present: &[bool], temperature: f64) -> Vec<f64> {
    let scaled = || labels.iter().map(|label| f64::from(*label) / temperature);
    let top = scaled().zip(present).filter(|(_, there)| **there).map(|(x, _)| x).fold(f64::MIN, f64::max);
    let raw: Vec<f64> =
        scaled().zip(present).map(|(x, there)| if *there { (x - top).exp() } else { 0.0 }).collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|x| if sum > 0.0 { x / sum } else { 0.0 }).collect()
}
