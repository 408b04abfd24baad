//! One file per command: its arguments, then what it does with them.

pub mod add;
pub mod advise;
pub mod backup;
pub mod calibrate;
pub mod compact;
pub mod completions;
pub mod delete;
mod distil;
pub mod encode;
pub mod eval;
pub mod export;
mod filter;
mod hits;
pub mod import;
pub mod index;
mod input;
pub mod inspect;
pub mod model;
mod model_choice;
mod model_inspect;
#[cfg(feature = "hub")]
mod model_pull;
mod portable;
mod projection;
mod queries;
pub mod repair;
pub mod rerank;
mod results;
pub mod runtime;
pub mod search;
mod standing;
pub mod stats;
pub mod tune;
pub mod upgrade;
pub mod verify;
mod weigh;
mod write;

pub use model_choice::{is_compiled_in, located};
