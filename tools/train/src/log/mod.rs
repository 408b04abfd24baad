//! What a run tells while it goes: a line in the terminal, `log.jsonl`, and TensorBoard's event files.

mod crc32c;
mod events;
mod progress;
mod run_log;

pub use events::EventFile;
pub use progress::Progress;
pub use run_log::{LogError, RunLog, StepRecord};
