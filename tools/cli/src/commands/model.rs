use super::projection;
use crate::exit::{Outcome, usage};
use crate::output::Output;
use crate::size;
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use lateen::encode::export::{ConvertOptions, Head, Int8Options, Parity, Pooling, convert};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen model convert all-MiniLM-L6-v2 models/minilm
  lateen model convert all-MiniLM-L6-v2 models/minilm-int8 --int8
  lateen model convert all-MiniLM-L6-v2 models/minilm-tokens --head tokens --dim 128 --fit docs.jsonl
  lateen model inspect models/minilm
  lateen model distil all-MiniLM-L6-v2 models/mine --corpus docs.jsonl
  lateen model weigh models/mine-tokens --corpus docs.jsonl";

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
    Weigh(super::weigh::Weigh),
    #[cfg(feature = "hub")]
    Pull(super::model_pull::Pull),
}

/// What is coded in 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Int8Name {
    /// Everything
    All,
    /// The tables of tokens and positions alone, most of a small model's bytes
    Tables,
}

/// Write a checkpoint (config.json, model.safetensors, tokenizer.json) as an ONNX model directory
///
/// Families: BERT, RoBERTa, XLM-R, CamemBERT, DistilBERT, ModernBERT, Qwen2, Qwen3, Mistral and Llama. Weights may be in
/// f32, f16 or bf16, in one file or in shards; a model above 2 GB gets a second file, model.onnx_data.
#[derive(Debug, Args)]
pub struct Convert {
    /// The checkpoint's folder
    source: PathBuf,
    /// The model directory to write
    target: PathBuf,
    /// What the model answers: one vector per text, one per token, a score for a pair, the next token (decoders),
    /// the encoder's hidden states, or bge-m3's several kinds of vectors
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
    /// Code weights and activations in 8 bits: a quarter of the size, faster, a little off. How far is printed and
    /// written to parity.json
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    int8: Option<Int8Name>,
    /// Texts to compare the 8-bit model on, one a line [default: two dozen that are built in]
    #[arg(long, value_name = "FILE", requires = "int8")]
    texts: Option<PathBuf>,
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
    NextToken,
    Hidden,
    Several,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PoolingName {
    Mean,
    Cls,
    LastToken,
}

#[derive(Serialize)]
struct Converted<'a> {
    model: &'a Path,
    family: &'static str,
    head: &'static str,
    dim: u64,
    max_tokens: u64,
    bytes: u64,
    /// The share of the token vectors' length that the projection keeps.
    kept: Option<f64>,
    /// How far the model in 8 bits is from the one in f32.
    parity: Option<Parity>,
}

impl Model {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        match self.command {
            Command::Convert(command) => command.run(output),
            Command::Inspect(command) => command.run(output),
            Command::Distil(command) => command.run(output),
            Command::Weigh(command) => command.run(output),
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
            HeadName::NextToken => Head::NextToken,
            HeadName::Hidden => Head::Hidden,
            HeadName::Several => Head::Several,
        });
        options.pooling = self.pooling.map(|pooling| match pooling {
            PoolingName::Mean => Pooling::Mean,
            PoolingName::Cls => Pooling::Cls,
            PoolingName::LastToken => Pooling::LastToken,
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
        if let Some(what) = self.int8 {
            let (texts, engine) = (self.texts()?, self.engine.options());
            options.int8 = Some(Int8Options { texts, engine, tables_only: what == Int8Name::Tables });
        }
        let made = convert(&self.source, &self.target, &options)?;
        let converted = Converted {
            model: &self.target,
            family: made.family,
            head: options.head.name(),
            dim: made.dim as u64,
            max_tokens: made.max_tokens as u64,
            bytes: made.bytes,
            kept,
            parity: made.parity,
        };
        if output.json {
            output.document("converted", &converted)?;
        } else {
            let kept =
                kept.map_or_else(String::new, |kept| format!(", {:.1} % of the vectors kept", kept * 100.0));
            let (family, head, dim) = (made.family, converted.head, converted.dim);
            let (target, bytes) = (self.target.display(), size::bytes(made.bytes));
            output.note(format_args!("{target}: {family}, {head}, {dim} dimensions{kept}, {bytes}"));
            if let Some(parity) = made.parity {
                let Parity { texts, min_cosine, mean_cosine, max_difference, .. } = parity;
                output.note(format_args!(
                    "8 bits against f32 on {texts} texts: cosine {min_cosine:.4} at least, {mean_cosine:.4} on \
                     average; largest difference {max_difference:.4}"
                ));
            }
        }
        Ok(Outcome::Done)
    }

    /// The lines of `--texts`.
    fn texts(&self) -> anyhow::Result<Vec<String>> {
        let Some(path) = &self.texts else { return Ok(Vec::new()) };
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}
