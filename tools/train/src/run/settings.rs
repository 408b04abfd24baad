//! How a run goes.

use std::path::PathBuf;

use super::codes::Coding;
use crate::model::TextSettings;
use crate::optim::{AdamWOptions, Schedule, Shape};

/// Everything about a run but its model, its loss and its data.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where checkpoints and models go.
    pub output: PathBuf,
    /// Seed of all that is random.
    pub seed: u64,
    /// How often all data are seen.
    pub epochs: u64,
    /// Stop after so many steps.
    pub max_steps: Option<u64>,
    /// Batches a step: their mean gradient is that of one batch as large as all of them, except that negatives are
    /// shared within a batch only. For those, see [`Settings::chunk`].
    pub accumulate: u64,
    /// Rows that are in memory at a time; 0: the whole batch.
    pub chunk: usize,
    /// Train a ColBERT model through codes of its documents' vectors.
    pub coding: Option<Coding>,
    /// Keep states between layers only, and compute the rest again.
    pub recompute: bool,
    /// Whether the model's dropout is used.
    pub dropout: bool,
    /// The optimiser.
    pub optimiser: AdamWOptions,
    /// The highest learning rate.
    pub rate: f64,
    /// How it falls.
    pub shape: Shape,
    /// Share of the steps in which it rises.
    pub warmup: f64,
    /// Share of the steps at full rate.
    pub stable: f64,
    /// The longest gradient; 0: any length.
    pub clip: f64,
    /// Decay of the running mean of weights, where one is kept and saved.
    pub ema: Option<f64>,
    /// Steps between checkpoints; 0: only at the end or when asked to stop.
    pub save_every: u64,
    /// Write a checkpoint after each epoch.
    pub save_epochs: bool,
    /// Checkpoints that are kept.
    pub keep: usize,
    /// Steps between judgements; 0: only at the end.
    pub judge_every: u64,
    /// Judge after each epoch.
    pub judge_epochs: bool,
    /// Stop after so many judgements without a better one.
    pub patience: Option<u64>,
    /// What a checkpoint must have been made with: a digest of configuration and data.
    pub digest: String,
    /// What saved models say of their texts.
    pub texts: TextSettings,
}

impl Default for Settings {
    /// One epoch, rate 2e-5 with a tenth of warm-up and a cosine, clipped to length 1, dropout on.
    fn default() -> Self {
        Self {
            output: PathBuf::from("out"),
            seed: 666,
            epochs: 1,
            max_steps: None,
            accumulate: 1,
            chunk: 0,
            coding: None,
            recompute: false,
            dropout: true,
            optimiser: AdamWOptions::default(),
            rate: 2e-5,
            shape: Shape::Cosine,
            warmup: 0.1,
            stable: 0.0,
            clip: 1.0,
            ema: None,
            save_every: 0,
            save_epochs: false,
            keep: 2,
            judge_every: 0,
            judge_epochs: false,
            patience: None,
            digest: String::new(),
            texts: TextSettings::default(),
        }
    }
}

impl Settings {
    /// The schedule of a run whose epochs have `batches` batches.
    #[must_use]
    pub fn schedule(&self, batches: u64) -> Schedule {
        let all = batches.div_ceil(self.accumulate.max(1)) * self.epochs;
        let total = self.max_steps.map_or(all, |most| most.min(all));
        Schedule { peak: self.rate, shape: self.shape, total, warmup: self.warmup, stable: self.stable }
    }
}
