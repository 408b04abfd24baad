//! AdamW (Loshchilov & Hutter, arXiv:1711.05101).

use std::collections::BTreeMap;

use crate::model::{Gradients, Params};

/// Settings that hold for a whole run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWOptions {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Keeps the division defined.
    pub eps: f64,
    /// Share of a weight that goes each step, times the learning rate. Vectors (biases, norms) keep all.
    pub weight_decay: f64,
}

impl Default for AdamWOptions {
    /// PyTorch's: 0.9, 0.999, 1e-8, 0.01.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 }
    }
}

/// Means of a weight's gradients and of their squares.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Moments {
    /// `m`.
    pub first: Vec<f32>,
    /// `v`.
    pub second: Vec<f32>,
}

/// The optimiser and its memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AdamW {
    options: AdamWOptions,
    steps: u64,
    moments: BTreeMap<String, Moments>,
}

impl AdamW {
    /// A fresh optimiser.
    #[must_use]
    pub fn new(options: AdamWOptions) -> Self {
        Self { options, steps: 0, moments: BTreeMap::new() }
    }

    /// One that continues after `steps` steps with their `moments`.
    #[must_use]
    pub fn resume(options: AdamWOptions, steps: u64, moments: BTreeMap<String, Moments>) -> Self {
        Self { options, steps, moments }
    }

    /// Steps taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What is remembered of each weight, by name.
    #[must_use]
    pub fn moments(&self) -> &BTreeMap<String, Moments> {
        &self.moments
    }

    /// Moves every weight that has a gradient:
    ///
    /// `w ← w·(1 - lr·λ)`, `m ← β₁m + (1-β₁)g`, `v ← β₂v + (1-β₂)g²`,
    /// `w ← w - lr · (m / (1-β₁ᵗ)) / (√(v / (1-β₂ᵗ)) + ε)`. `λ` is 0 for weights of one axis: biases, norms.
    ///
    /// # Panics
    /// If a gradient is not as long as its weight.
    pub fn step(&mut self, params: &mut Params, gradients: &Gradients, rate: f64) {
        self.steps += 1;
        let t = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let AdamWOptions { beta1, beta2, eps, weight_decay } = self.options;
        let size = rate / (1.0 - beta1.powi(t));
        let root = (1.0 - beta2.powi(t)).sqrt();
        let step = Step {
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            rate: size as f32,
            root: root as f32,
            eps: eps as f32,
        };
        let moments = &mut self.moments;
        params.update(|name, shape, values| {
            let Some(gradient) = gradients.get(name) else { return };
            assert_eq!(gradient.len(), values.len(), "{name}: gradient and weight differ in length");
            let held = moments.entry(name.to_owned()).or_default();
            if held.first.is_empty() {
                *held = Moments { first: vec![0.0; values.len()], second: vec![0.0; values.len()] };
            }
            let decay = if shape.len() > 1 { 1.0 - rate * weight_decay } else { 1.0 };
            step.take(decay as f32, values, gradient, held);
        });
    }
}

/// What one step does to every number.
#[derive(Clone, Copy)]
struct Step {
    beta1: f32,
    beta2: f32,
    rate: f32,
    root: f32,
    eps: f32,
}

impl Step {
    fn take(self, decay: f32, values: &mut [f32], gradient: &[f32], held: &mut Moments) {
        let Self { beta1, beta2, rate, root, eps } = self;
        let moments = held.first.iter_mut().zip(&mut held.second);
        for ((value, gradient), (first, second)) in values.iter_mut().zip(gradient).zip(moments) {
            *first += (1.0 - beta1) * (gradient - *first);
            *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
            *value = *value * decay - rate * *first / (second.sqrt() / root + eps);
        }
    }
}
