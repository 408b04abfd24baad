//! A run: batches through a model, gradients into its weights, checkpoints on the way, a model directory at the end.

mod card;
mod checkpoint;
mod configure;
mod error;
mod measure;
mod objective;
mod onnx;
mod pca;
mod peers;
mod session;
mod settings;
mod step;
mod sum;
mod trainer;

pub use checkpoint::{Checkpoints, State};
pub use error::RunError;
pub use measure::measure;
pub use objective::{Judged, Objective, PairLoss, TextLoss};
pub use onnx::export;
pub use peers::Peers;
pub use session::{Metrics, Report, fine_tune};
pub use settings::Settings;
pub use step::{Flow, Outcome, differentiate, differentiate_with, evaluate};
pub use trainer::{DataFailure, End, Source, StepReport, Watch, train, train_with};
