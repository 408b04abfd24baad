//! A running mean of the weights (Polyak & Juditsky, 1992): often better than the last ones.

use std::collections::BTreeMap;

use crate::model::Params;

/// `e ← decay·e + (1 - decay)·w` after each step.
#[derive(Debug, Clone, PartialEq)]
pub struct Ema {
    decay: f32,
    means: BTreeMap<String, Vec<f32>>,
}

impl Ema {
    /// Starts from the trainable weights as they are.
    #[must_use]
    pub fn new(decay: f64, params: &Params) -> Self {
        let trainable = params.iter().filter(|(_, parameter)| parameter.trainable());
        let means = trainable.map(|(name, parameter)| (name.to_owned(), parameter.values())).collect();
        Self { decay: decay as f32, means }
    }

    /// Continues from saved means.
    #[must_use]
    pub fn resume(decay: f64, means: BTreeMap<String, Vec<f32>>) -> Self {
        Self { decay: decay as f32, means }
    }

    /// The means by name.
    #[must_use]
    pub fn means(&self) -> &BTreeMap<String, Vec<f32>> {
        &self.means
    }

    /// Takes in the weights after a step.
    pub fn add(&mut self, params: &Params) {
        for (name, mean) in &mut self.means {
            let Some(parameter) = params.get(name) else { continue };
            for (mean, value) in mean.iter_mut().zip(parameter.values()) {
                *mean = self.decay * *mean + (1.0 - self.decay) * value;
            }
        }
    }

    /// Exchanges the weights with the means: once to look at the means, once more to go on.
    pub fn swap(&mut self, params: &mut Params) {
        for (name, mean) in &mut self.means {
            let Some(parameter) = params.get(name) else { continue };
            let values = parameter.values();
            params.set(name, std::mem::replace(mean, values));
        }
    }
}
