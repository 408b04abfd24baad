//! One file per command: its arguments, then what it does with them.

pub mod add;
pub mod advise;
mod against;
pub mod completions;
pub mod delete;
mod distil;
pub mod encode;
pub mod eval;
mod hits;
pub mod index;
mod input;
pub mod inspect;
pub mod model;
mod model_choice;
mod projection;
mod queries;
pub mod rerank;
mod results;
pub mod runtime;
pub mod search;
pub mod stats;
mod systems;
pub mod tune;
pub mod verify;
mod write;
