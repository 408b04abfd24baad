//! The subcommands, one a file.

pub mod data;
mod data_check;
mod data_split;
mod data_stats;
pub mod distil;
pub mod found;
pub mod merge;
pub mod mine;
pub mod prefer;
pub mod prune;
pub mod score;
pub mod student;
mod teacher;
pub mod train;
