//! Several batches as one.

use super::step::Outcome;
use crate::feed::Batch;
use crate::model::{Gradients, accumulate};

/// The batches of a step, added up.
#[derive(Default)]
pub(super) struct Sum {
    gradients: Gradients,
    loss: f64,
    right: f64,
    told: f64,
    examples: f64,
    /// Tokens, padding included.
    pub(super) tokens: usize,
}

impl Sum {
    /// Takes a batch in, weighted by its examples.
    pub(super) fn add(&mut self, batch: &Batch, outcome: Outcome) {
        let examples = batch.examples() as f64;
        accumulate(&mut self.gradients, outcome.gradients, examples as f32);
        self.loss += f64::from(outcome.loss) * examples;
        if let Some(accuracy) = outcome.accuracy {
            self.right += f64::from(accuracy) * examples;
            self.told += examples;
        }
        self.examples += examples;
        self.tokens += batch.tokens();
    }

    /// The mean gradient, loss and accuracy over examples.
    pub(super) fn mean(&mut self) -> (Gradients, f64, Option<f64>) {
        let mut gradients = std::mem::take(&mut self.gradients);
        let share = (1.0 / self.examples.max(1.0)) as f32;
        gradients.values_mut().flatten().for_each(|value| *value *= share);
        let accuracy = (self.told > 0.0).then(|| self.right / self.told);
        (gradients, self.loss / self.examples.max(1.0), accuracy)
    }
}
