use crate::exit::Outcome;
use crate::output::Output;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Fetch ONNX Runtime, or tell which runtimes there are
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lateen runtime status\n  lateen runtime install")]
pub struct Runtime {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put the pinned, checked ONNX Runtime library into Lateen's cache, by way of pip
    Install {
        /// A wheel that was downloaded already
        #[arg(long, value_name = "FILE")]
        wheel: Option<PathBuf>,
    },
    /// Tell which runtimes are there, and where
    Status,
}
