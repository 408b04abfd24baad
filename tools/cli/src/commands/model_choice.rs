//! The options that choose a model and what runs it, shared by the commands that encode.

use crate::output::Output;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lateen::encode::hub::{HubCache, locate};
use lateen::encode::{Model, ModelOptions, RuntimeChoice};
use lateen::retriever::ModelSource;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Whether a name stands for a model that is compiled into the library.
pub fn is_compiled_in(name: &str) -> bool {
    Model::COMPILED_IN.contains(&name)
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelChoice {
    /// Model directory, name on the hub (org/name[@revision], from its cache), or one of the two inside this program: `nano`, the
    /// default, or `bundled`, a static table that is much faster and finds less
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// An encoder that answers over HTTP, as the file describes it
    #[cfg(feature = "remote")]
    #[arg(long, value_name = "FILE.json", conflicts_with = "model")]
    pub remote: Option<PathBuf>,
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
    /// Which of several graphs of the model: int8 means model_int8.onnx [default: model.onnx]
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
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
            variant: self.variant.clone(),
            convert: !self.no_convert,
            ..ModelOptions::default()
        }
    }
}

impl ModelChoice {
    /// Loads the named model, or the default one.
    pub fn load(&self) -> anyhow::Result<Arc<Model>> {
        #[cfg(feature = "remote")]
        if let Some(path) = &self.remote {
            let options = lateen::encode::remote::RemoteOptions::read(path)?;
            let encoder = lateen::encode::remote::RemoteEncoder::connect(options)?;
            return Ok(Arc::new(Model::remote(encoder)));
        }
        let name = self.model.as_deref().unwrap_or(Path::new(Model::DEFAULT));
        let options = self.engine.options();
        let model = match name.to_str().and_then(|name| Model::by_name(name, &options)) {
            Some(model) => model,
            None => Model::load(&located(name)?, &options),
        };
        Ok(Arc::new(model.with_context(|| format!("loading the model {}", name.display()))?))
    }

    fn is_named(&self) -> bool {
        #[cfg(feature = "remote")]
        if self.remote.is_some() {
            return true;
        }
        self.model.is_some()
    }

    /// For an index that is there: the named model, or the one that the index names.
    pub fn source(&self) -> anyhow::Result<ModelSource> {
        match self.is_named() {
            true => Ok(ModelSource::Given(self.load()?)),
            false => Ok(ModelSource::Recorded(self.engine.options())),
        }
    }
}

/// The directory of a model that is named by it, or by its name on the hub.
pub fn located(name: &Path) -> anyhow::Result<PathBuf> {
    match name.to_str() {
        Some(text) => Ok(locate(text, &HubCache::from_environment())?),
        None => Ok(name.to_owned()),
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
