use crate::exit::{Outcome, usage};
use crate::output::Output;
use crate::size;
use clap::{Args, Subcommand};
use lateen::encode::runtime::{
    ONNXRUNTIME_VERSION, cache_directory, find_onnxruntime, install, install_with_pip,
};
use lateen::encode::{EncodeError, ModelOptions};
use serde::Serialize;
use std::path::{Path, PathBuf};

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
    Install(Install),
    /// Tell which runtimes there are, and where
    Status(Status),
}

#[derive(Debug, Args)]
struct Install {
    /// A wheel of onnxruntime that is here already, instead of a download
    #[arg(long, value_name = "FILE")]
    wheel: Option<PathBuf>,
    /// The Python whose pip downloads
    #[arg(long, value_name = "PROGRAM", default_value = "python3", conflicts_with = "wheel")]
    python: PathBuf,
}

#[derive(Debug, Args)]
struct Status {
    /// Look at this library only
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
}

#[derive(Serialize)]
struct Installed<'a> {
    library: &'a Path,
    version: &'a str,
    bytes: u64,
}

#[derive(Serialize)]
struct StatusBody {
    cache: Option<PathBuf>,
    onnxruntime: Option<Library>,
    rten: bool,
    tried: Vec<String>,
}

#[derive(Serialize)]
struct Library {
    path: Option<PathBuf>,
    version: String,
    why: String,
}

impl Runtime {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        match self.command {
            Command::Install(command) => command.run(output),
            Command::Status(command) => command.run(output),
        }
    }
}

impl Install {
    fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let Some(cache) = cache_directory() else {
            return usage("there is no cache directory: set LATEEN_CACHE, or HOME");
        };
        let installed = match &self.wheel {
            Some(wheel) => install(wheel, &cache)?,
            None => {
                output.note(format_args!("fetching onnxruntime {ONNXRUNTIME_VERSION} with pip"));
                install_with_pip(&self.python, &cache)?
            }
        };
        let (library, version, bytes) = (installed.library.as_path(), installed.version, installed.bytes);
        if output.json {
            output.document("installed", &Installed { library, version, bytes })?;
        } else {
            output.note(format_args!(
                "{}: ONNX Runtime {version}, {}",
                library.display(),
                size::bytes(bytes)
            ));
        }
        Ok(Outcome::Done)
    }
}

impl Status {
    fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let options = ModelOptions { onnxruntime_path: self.onnxruntime, ..ModelOptions::default() };
        let (found, tried) = match find_onnxruntime(&options) {
            Ok(report) => (Some(report), Vec::new()),
            Err(EncodeError::RuntimeNotFound { tried }) => {
                let place = |at: &lateen::encode::Attempt| {
                    format!("{} ({}): {}", at.path.display(), at.place, at.outcome)
                };
                (None, tried.0.iter().map(place).collect())
            }
            Err(error) => (None, vec![error.to_string()]),
        };
        let library = |report: lateen::encode::RuntimeReport| Library {
            path: report.library,
            version: report.version,
            why: report.why,
        };
        let body =
            StatusBody { cache: cache_directory(), onnxruntime: found.map(library), rten: true, tried };
        if output.json {
            output.document("runtimes", &body)?;
        } else {
            body.write(output)?;
        }
        Ok(if body.onnxruntime.is_some() { Outcome::Done } else { Outcome::Nothing })
    }
}

impl StatusBody {
    fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        match &self.onnxruntime {
            Some(Library { path, version, why }) => {
                let path = path.as_deref().unwrap_or(Path::new("compiled in"));
                output.line(format_args!("ONNX Runtime  {version}, {} ({why})", path.display()))?;
            }
            None => {
                output.line("ONNX Runtime  not found; `lateen runtime install` fetches it. Tried:")?;
                for place in &self.tried {
                    output.line(format_args!("  {place}"))?;
                }
            }
        }
        output.line("rten          compiled in; runs the models where ONNX Runtime is not there")?;
        if let Some(cache) = &self.cache {
            output.line(format_args!("cache         {}", cache.display()))?;
        }
        Ok(())
    }
}
