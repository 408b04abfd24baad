//! Text to matrices.

mod batch;
#[cfg(feature = "bundled-model")]
mod bundled;
mod cross_encoder;
mod directory;
mod error;
mod fingerprint;
mod layout;
mod model;
mod model2vec;
mod options;
mod output;
mod pooling;
mod projection;
pub mod runtime;
mod special;
#[cfg(test)]
mod static_tests;
mod static_tokens;
mod statistics;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod transformer;
mod weights;

pub use cross_encoder::{Activation, CrossEncoder};
pub use error::{Attempt, Attempts, EncodeError};
pub use model::{Model, ModelKind};
pub use options::{ModelOptions, RuntimeChoice};
pub use runtime::{RuntimeReport, RuntimeSearch};
pub use statistics::EncodeStatistics;
