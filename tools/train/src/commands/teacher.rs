//! The teacher that `score` and `mine` ask.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lateen::encode::{Model, ModelOptions, RuntimeChoice};
use lateen::rerank::{JudgeKind, Reranker, RerankerOptions, Scale};
use lateen_train::score::Cosine;
use xxhash_rust::xxh3::Xxh3;

/// Which kind of model the teacher is, and what runs it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Teacher")]
pub struct Teaching {
    /// The kind of teacher, where its own files are not to decide
    #[arg(long, value_enum, value_name = "KIND")]
    teacher_kind: Option<Kind>,
    /// The scale of its scores: its own, as its authors show them, or between 0 and 1 [default: raw, but unit where a
    /// loss needs it]
    #[arg(long, value_enum, value_name = "SCALE")]
    scale: Option<ScaleName>,
    /// What runs ONNX models: auto takes ONNX Runtime where it is found, rten otherwise
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    runtime: Engine,
    /// The ONNX Runtime library to load
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Threads; 0 takes all cores
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// A cross-encoder, or a decoder that is asked
    Pair,
    /// Token vectors, compared
    LateInteraction,
    /// One vector a text: the cosine
    Dense,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ScaleName {
    #[default]
    Raw,
    Native,
    Unit,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Engine {
    #[default]
    Auto,
    #[value(name = "onnxruntime")]
    OnnxRuntime,
    Rten,
}

impl Teaching {
    /// Loads the teacher from its directory.
    pub fn load(&self, directory: &Path) -> anyhow::Result<Reranker> {
        let loading = || format!("loading the teacher {}", directory.display());
        if self.teacher_kind == Some(Kind::Dense) {
            let model = Model::load(directory, &self.model()).with_context(loading)?;
            return Ok(Reranker::new(Cosine::new(model)));
        }
        let mut options = RerankerOptions::default();
        options.pair.model = self.model();
        options.kind = self.teacher_kind.map(|kind| match kind {
            Kind::LateInteraction => JudgeKind::LateInteraction,
            Kind::Pair | Kind::Dense => JudgeKind::Pair,
        });
        match (Reranker::load(directory, &options), options.kind) {
            // A directory that names no kind may still be an encoder of tokens.
            (Err(error), None) => {
                options.kind = Some(JudgeKind::LateInteraction);
                Reranker::load(directory, &options).map_err(|_| error).with_context(loading)
            }
            (loaded, _) => loaded.with_context(loading),
        }
    }

    /// What runs models.
    pub fn model(&self) -> ModelOptions {
        let runtime = match self.runtime {
            Engine::Auto => RuntimeChoice::Auto,
            Engine::OnnxRuntime => RuntimeChoice::OnnxRuntime,
            Engine::Rten => RuntimeChoice::Rten,
        };
        ModelOptions {
            runtime,
            onnxruntime_path: self.onnxruntime.clone(),
            threads: self.threads,
            ..ModelOptions::default()
        }
    }

    /// The scale of its scores.
    pub fn scale(&self) -> Scale {
        match self.scale.unwrap_or_default() {
            ScaleName::Raw => Scale::Raw,
            ScaleName::Native => Scale::Native,
            ScaleName::Unit => Scale::Unit,
        }
    }

    /// The same with scores between 0 and 1, unless a scale was asked for.
    pub fn unit(&self) -> Self {
        Self { scale: self.scale.or(Some(ScaleName::Unit)), ..self.clone() }
    }

    /// What distinguishes its scores from those of others: its directory, kind and scale.
    pub fn identity(&self, directory: &Path) -> anyhow::Result<u128> {
        let mut hash = Xxh3::new();
        let scale = self.scale.unwrap_or_default();
        hash.update(format!("{:?} {scale:?} {:032x}", self.teacher_kind, identity(directory)?).as_bytes());
        Ok(hash.digest128())
    }
}

/// What distinguishes a model directory from others: names and sizes of its files, and what its settings say.
pub fn identity(directory: &Path) -> anyhow::Result<u128> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.push((entry.file_name(), if metadata.is_file() { metadata.len() } else { 0 }));
    }
    files.sort();
    let mut hash = Xxh3::new();
    hash.update(format!("{files:?}").as_bytes());
    for name in ["config.json", "lateen.json"] {
        hash.update(&fs::read(directory.join(name)).unwrap_or_default());
    }
    Ok(hash.digest128())
}
