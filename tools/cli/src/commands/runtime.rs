use crate::exit::Outcome;
use crate::output::Output;
use clap::{Args, Subcommand};
use serde::Serialize;
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

#[derive(Serialize)]
struct Status {
    cache: Option<PathBuf>,
    onnxruntime: Option<Library>,
}

#[derive(Serialize)]
struct Library {
    path: PathBuf,
    version: String,
}

impl Runtime {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        match self.command {
            Command::Install { wheel } => install(output, wheel),
            Command::Status => status(output),
        }
    }
}

fn install(_output: &mut Output, _wheel: Option<PathBuf>) -> anyhow::Result<Outcome> {
    crate::exit::usage("not yet")
}

fn status(output: &mut Output) -> anyhow::Result<Outcome> {
    output.document("runtime", &Status { cache: lateen::encode::runtime::cache_directory(), onnxruntime: None })?;
    Ok(Outcome::Done)
}
