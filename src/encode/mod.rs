//! Text to matrices.

#[cfg(feature = "bundled-model")]
mod bundled;
mod directory;
mod error;
pub mod export;
mod fingerprint;
mod layout;
mod model;
mod model2vec;
mod options;
pub mod runtime;
#[cfg(test)]
mod static_tests;
mod static_tokens;
mod statistics;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod weights;

pub use error::{Attempt, Attempts, EncodeError};
pub use model::{Model, ModelKind};
pub use options::{ModelOptions, RuntimeChoice};
pub use runtime::{RuntimeReport, RuntimeSearch};
pub use statistics::EncodeStatistics;
