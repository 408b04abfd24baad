//! The options that choose a model and what runs it, shared by the commands that encode.

use crate::output::Output;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lateen::encode::{Model, ModelOptions, RuntimeChoice};
use lateen::retriever::ModelSource;
use std::path::PathBuf;
use std::sync::Arc;

/// The name that stands for the model compiled into the library.
pub const BUNDLED: &str = "bundled";

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelChoice {
    /// Model directory, or `bundled` for the one inside this program
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub engine: Engine,
}

/// What runs a model.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct Engine {
    /// What runs ONNX models: auto takes ONNX Runtime where it is found, rten otherwise
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    pub runtime: EngineName,
    /// The ONNX Runtime library to load (`lateen runtime install` fetches one)
    #[arg(long, value_name = "PATH")]
    pub onnxruntime: Option<PathBuf>,
    /// Never convert a checkpoint without an ONNX graph; by default that is done when it is first loaded, and kept in
    /// Lateen's cache
    #[arg(long)]
    pub no_convert: bool,
    /// Threads; 0 takes all cores
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum EngineName {
    #[default]
    Auto,
    #[value(name = "onnxruntime")]
    OnnxRuntime,
    Rten,
}

impl Engine {
    pub fn options(&self) -> ModelOptions {
        let runtime = match self.runtime {
            EngineName::Auto => RuntimeChoice::Auto,
            EngineName::OnnxRuntime => RuntimeChoice::OnnxRuntime,
            EngineName::Rten => RuntimeChoice::Rten,
        };
        ModelOptions {
            runtime,
            onnxruntime_path: self.onnxruntime.clone(),
            threads: self.threads,
            convert: !self.no_convert,
            ..ModelOptions::default()
        }
    }
}

impl ModelChoice {
    /// Loads the named model, or the bundled one.
    pub fn load(&self) -> anyhow::Result<Arc<Model>> {
        let model = match self.model.as_deref().filter(|model| model.as_os_str() != BUNDLED) {
            None => Model::bundled().context("loading the bundled model"),
            Some(folder) => Model::load(folder, &self.engine.options())
                .with_context(|| format!("loading the model {}", folder.display())),
        };
        Ok(Arc::new(model?))
    }

    /// For an index that is there: the named model, or the one that the index names.
    pub fn source(&self) -> anyhow::Result<ModelSource> {
        match self.model {
            Some(_) => Ok(ModelSource::Given(self.load()?)),
            None => Ok(ModelSource::Recorded(self.engine.options())),
        }
    }
}

/// Says which model was loaded, and what runs it.
pub fn tell(output: &mut Output, model: &Model) {
    let runtime = model.runtime();
    output.detail(format_args!(
        "model: {} ({}), run by {}: {}",
        model.name(),
        model.description(),
        runtime.name,
        runtime.why
    ));
    for note in model.notes() {
        // A conversion takes time and room: it is never silent.
        match note.starts_with("no ONNX graph: made") {
            true => output.note(format_args!("{}: {note}", model.name())),
            false => output.detail(format_args!("{}: {note}", model.name())),
        }
    }
}
