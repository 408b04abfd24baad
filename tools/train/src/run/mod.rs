//! A run: batches through a model, gradients into its weights, checkpoints on the way, a model directory at the end.

mod batches;
mod card;
mod checkpoint;
mod codes;
mod configure;
mod error;
mod guide;
mod judgement;
mod measure;
mod measure_reranker;
mod objective;
mod onnx;
mod pca;
mod peers;
mod session;
mod settings;
mod source;
mod step;
mod sum;
mod trainer;

pub use checkpoint::{Checkpoints, State};
pub use codes::Coding;
pub use error::RunError;
pub use measure::measure;
pub use measure_reranker::measure_reranker;
pub use objective::{Judged, Objective, PairLoss, TextLoss};
pub use onnx::export;
pub use peers::Peers;
pub use session::{Metrics, Report, fine_tune};
pub use settings::Settings;
pub use source::{DataFailure, Source};
pub use step::{Flow, Outcome, differentiate, differentiate_with, evaluate};
pub use trainer::{End, StepReport, Watch, train, train_with};
