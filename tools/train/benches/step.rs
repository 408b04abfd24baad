//! CPU time of a training step, beside PyTorch's: `cargo bench -p lateen-train --bench step -- BASE`, then
//! `python benches/step.py BASE` for the twin, in one sitting.
//!
//! MiniLM's shape: 16 queries and 16 documents of 128 tokens, mean pooling, InfoNCE in the batch, AdamW, f32, no dropout. The
//! metric is processor time, user and system over all threads: wall time says more about what else the machine does.
//! The least of all steps is told.

use std::path::Path;
use std::time::Instant;

use burn_tensor::Device;
use lateen_train::data::{Groups, TextBatch, Tokens};
use lateen_train::feed::Batch;
use lateen_train::loss::InfoNce;
use lateen_train::model::{Model, Task};
use lateen_train::optim::{AdamW, AdamWOptions, clip};
use lateen_train::run::{Flow, Objective, TextLoss, differentiate};

const ROWS: usize = 16;
const WIDTH: usize = 128;
const STEPS: usize = 8;

/// The same tokens as the twin's.
fn tokens(seed: u32) -> Tokens {
    let cells = ROWS * WIDTH;
    let ids = (0..cells as u32)
        .map(|at| 1000 + (at.wrapping_mul(7919) + seed.wrapping_mul(104_729)) % 28_000)
        .collect();
    Tokens {
        ids,
        mask: vec![1; cells],
        counted: vec![1; cells],
        types: vec![0; cells],
        rows: ROWS,
        width: WIDTH,
    }
}

/// Processor seconds of this process so far.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(base) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        println!("name a model directory to measure a training step");
        return Ok(());
    };
    let task = Task::Embedding { pooling: None, dense: None, normalize: true };
    let mut model = Model::read(Path::new(&base), &task, Device::flex(), 0)?;
    let loss = TextLoss::InfoNce(InfoNce::default());
    let objective = Objective::Embedding { loss, matryoshka: Vec::new(), guide: None };
    let groups = Groups { ranges: (0..ROWS).map(|at| at..at + 1).collect(), labels: vec![1.0; ROWS] };
    let mut optimiser = AdamW::new(AdamWOptions::default());
    let mut least = [f64::MAX; 2];
    for step in 0..STEPS as u32 {
        let (queries, documents) = (tokens(2 * (step % 4)), tokens(2 * (step % 4) + 1));
        let batch =
            Batch::Texts(TextBatch { queries, documents, groups: groups.clone(), masked: Vec::new() });
        let (start, spent) = (Instant::now(), cpu());
        let mut outcome = differentiate(&model, &objective, &batch, Flow::default())?;
        clip(&mut outcome.gradients, 1.0);
        optimiser.step(&mut model.params, &outcome.gradients, 2e-5);
        let (wall, spent) = (start.elapsed().as_secs_f64(), cpu() - spent);
        least = [least[0].min(spent), least[1].min(wall)];
        println!("step {step}: loss {:.5}, {spent:.2} CPU-s, {wall:.2} s", outcome.loss);
    }
    println!("least: {:.2} CPU-s, {:.2} s a step", least[0], least[1]);
    Ok(())
}
