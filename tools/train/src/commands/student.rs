//! `lateen-train student`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use lateen_train::student::{StudentOptions, begin};

use super::data::{count, document};
use crate::Global;
use crate::exit::Outcome;

const HELP: &str = "\
Examples:
  lateen-train student models/lateen-static-en --layers 3 --out begun
  lateen-train distil colbert --teacher colbert/onnx --base begun --train texts.jsonl --output nano \\
      --set loss.name=token_cosine --set optimizer.learning_rate=1e-3";

/// Begin a small late-interaction model: a static table, and layers that have yet to learn what context changes
///
/// What is written is a BERT checkpoint. Its word vectors are the table's; its layers change nothing much until they are
/// trained, best by `distil colbert` with `loss.name = "token_cosine"`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Student {
    /// A static model of Lateen, as `lateen model distil` writes it
    #[arg(value_name = "TABLE")]
    table: PathBuf,
    /// The folder to write to
    #[arg(long, short, value_name = "FOLDER")]
    out: PathBuf,
    /// Transformer layers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    layers: u16,
    /// Attention heads a layer; must divide the table's dimension
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=128))]
    heads: u16,
    /// Width of the feed-forward layers
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..))]
    inner: u16,
    /// The longest text in tokens
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u16).range(8..))]
    max_tokens: u16,
    /// Of the first weights
    #[arg(long, value_name = "N", default_value_t = 666)]
    seed: u64,
}

impl Student {
    pub fn run(self, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let options = StudentOptions {
            layers: self.layers.into(),
            heads: self.heads.into(),
            inner: self.inner.into(),
            max_tokens: self.max_tokens.into(),
            seed: self.seed,
        };
        let report = begin(&self.table, &self.out, &options)?;
        if global.json {
            document(out, "student", &report)?;
            return Ok(Outcome::Done);
        }
        let (tokens, numbers) = (count(report.tokens as u64), count(report.parameters));
        writeln!(
            out,
            "{tokens} tokens of {} dimensions, {numbers} numbers, in {}",
            report.dim,
            self.out.display()
        )?;
        Ok(Outcome::Done)
    }
}
