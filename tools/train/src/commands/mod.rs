//! The subcommands, one a file.

pub mod data;
mod data_check;
mod data_split;
mod data_stats;
pub mod train;
