use super::projection;
use crate::exit::{Outcome, usage};
use crate::output::Output;
use crate::size;
use clap::{Args, Subcommand, ValueEnum};
use lateen::encode::export::{ConvertOptions, Head, Pooling, convert};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen model convert all-MiniLM-L6-v2 models/minilm
  lateen model convert all-MiniLM-L6-v2 models/minilm-tokens --head tokens --dim 128 --fit docs.jsonl
  lateen model inspect models/minilm
  lateen model distil all-MiniLM-L6-v2 models/mine --corpus docs.jsonl";

/// Convert, inspect and distil models
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Model {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Convert(Convert),
    Inspect(super::model_inspect::Inspect),
    Distil(super::distil::Distil),
    #[cfg(feature = "hub")]
    Pull(super::model_pull::Pull),
}

/// Write a checkpoint (config.json, model.safetensors, tokenizer.json) as an ONNX model directory
#[derive(Debug, Args)]
pub struct Convert {
    /// The checkpoint's folder
    source: PathBuf,
    /// The model directory to write
    target: PathBuf,
    /// What the model answers: one vector per text, one per token, or a score for a pair
    #[arg(long, value_enum, default_value_t)]
    head: HeadName,
    /// How token vectors become one (dense) [default: what the checkpoint declares]
    #[arg(long, value_enum)]
    pooling: Option<PoolingName>,
    /// Project token vectors to this many dimensions, fitted on --fit (tokens)
    #[arg(long, value_name = "N", requires = "fit", value_parser = clap::value_parser!(u32).range(1..))]
    dim: Option<u32>,
    /// Documents on whose token vectors the projection is fitted
    #[arg(long, value_name = "DIR_OR_FILE", requires = "dim")]
    fit: Option<PathBuf>,
    /// How many documents to fit on
    #[arg(long, value_name = "N", default_value_t = 2000, hide_short_help = true)]
    fit_documents: usize,
    /// The most tokens of a text [default: what suits the head and the checkpoint]
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    #[command(flatten)]
    engine: super::model_choice::Engine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum HeadName {
    #[default]
    Dense,
    Tokens,
    CrossEncoder,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PoolingName {
    Mean,
    Cls,
}

#[derive(Serialize)]
struct Converted<'a> {
    model: &'a Path,
    head: &'static str,
    dim: u64,
    max_tokens: u64,
    bytes: u64,
    /// The share of the token vectors' length that the projection keeps.
    kept: Option<f64>,
}

impl Model {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        match self.command {
            Command::Convert(command) => command.run(output),
            Command::Inspect(command) => command.run(output),
            Command::Distil(command) => command.run(output),
            #[cfg(feature = "hub")]
            Command::Pull(command) => command.run(output),
        }
    }
}

impl Convert {
    fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        if self.dim.is_some() && self.head != HeadName::Tokens {
            return usage("--dim projects token vectors; add --head tokens");
        }
        let mut options = ConvertOptions::new(match self.head {
            HeadName::Dense => Head::Dense,
            HeadName::Tokens => Head::Tokens,
            HeadName::CrossEncoder => Head::CrossEncoder,
        });
        options.pooling = self.pooling.map(|pooling| match pooling {
            PoolingName::Mean => Pooling::Mean,
            PoolingName::Cls => Pooling::Cls,
        });
        options.max_tokens = self.max_tokens;
        let mut kept = None;
        if let (Some(dim), Some(fit)) = (self.dim, &self.fit) {
            let sample = projection::Sample { documents: fit, limit: self.fit_documents };
            let fitted =
                projection::fit(output, &self.source, &options, &sample, dim as usize, &self.engine)?;
            kept = Some(fitted.kept);
            options.projection = Some(fitted.projection);
        }
        let made = convert(&self.source, &self.target, &options)?;
        let converted = Converted {
            model: &self.target,
            head: options.head.name(),
            dim: made.dim as u64,
            max_tokens: made.max_tokens as u64,
            bytes: made.bytes,
            kept,
        };
        if output.json {
            output.document("converted", &converted)?;
        } else {
            let kept =
                kept.map_or_else(String::new, |kept| format!(", {:.1} % of the vectors kept", kept * 100.0));
            let (head, dim, bytes) = (converted.head, converted.dim, size::bytes(made.bytes));
            output.note(format_args!("{}: {head}, {dim} dimensions{kept}, {bytes}", self.target.display()));
        }
        Ok(Outcome::Done)
    }
}
