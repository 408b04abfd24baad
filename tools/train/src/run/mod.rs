//! A run: batches through a model, gradients into its weights, checkpoints on the way, a model directory at the end.

mod checkpoint;
mod error;
mod objective;
mod peers;
mod settings;
mod step;
mod sum;
mod trainer;

pub use checkpoint::{Checkpoints, State};
pub use error::RunError;
pub use objective::{Judged, Objective, PairLoss, TextLoss};
pub use peers::Peers;
pub use settings::Settings;
pub use step::{Flow, Outcome, differentiate, differentiate_with, evaluate};
pub use trainer::{DataFailure, End, Source, StepReport, Watch, train, train_with};
