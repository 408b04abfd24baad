//! `lateen-train prune`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use lateen::corpus::{ReadOptions, Source};
use lateen_train::prune::{Counter, Kept, prune};

use super::data::{Reading, count, document};
use crate::Global;
use crate::exit::{Outcome, usage};

/// Make a smaller checkpoint of a larger one: fewer tokens, fewer layers, the same weights
///
/// Kept are the tokens that texts use, single characters and marks; the tokenizer and the tables of tokens are written
/// anew. Texts of kept tokens are answered as before, to the bit; others are spelled with shorter tokens. Leaving out
/// layers changes every answer: train the result afterwards.
#[derive(Debug, Args)]
pub struct Prune {
    /// A model directory in Hugging Face layout
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The folder to write to
    #[arg(long, short, value_name = "FOLDER")]
    out: PathBuf,
    /// Documents whose tokens stay: JSONL, TSV, text, Markdown or BEIR; may be repeated
    #[arg(long, value_name = "DIR_OR_FILE")]
    corpus: Vec<PathBuf>,
    /// Training files whose tokens stay; may be repeated
    #[arg(long = "train", value_name = "FILE")]
    train: Vec<PathBuf>,
    /// Tokens that are there fewer times go
    #[arg(long, default_value_t = 1, value_name = "TIMES")]
    min_count: u64,
    /// Layers that stay, counted from 0 [default: all]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    layers: Vec<usize>,
    #[command(flatten)]
    reading: Reading,
}

impl Prune {
    pub fn run(self, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        if self.corpus.is_empty() && self.train.is_empty() && self.layers.is_empty() {
            return usage("name texts (--corpus, --train), layers (--layers) or both");
        }
        let kept = self.kept()?;
        let layers = (!self.layers.is_empty()).then_some(self.layers.as_slice());
        let report = prune(&self.checkpoint, &self.out, kept.as_ref(), layers)?;
        if global.json {
            document(out, "prune", &report)?;
            return Ok(Outcome::Done);
        }
        let number = |number: usize| count(number as u64);
        writeln!(out, "{} of {} tokens", number(report.tokens.1), number(report.tokens.0))?;
        writeln!(out, "{} of {} layers", report.layers.1, report.layers.0)?;
        let (before, after) = (count(report.parameters.0), count(report.parameters.1));
        writeln!(out, "{after} of {before} numbers, in {}", self.out.display())?;
        Ok(Outcome::Done)
    }

    fn kept(&self) -> anyhow::Result<Option<Kept>> {
        if self.corpus.is_empty() && self.train.is_empty() {
            return Ok(None);
        }
        let mut counter = Counter::open(&self.checkpoint)?;
        for path in &self.corpus {
            let reading = || format!("reading {}", path.display());
            for document in Source::open(path, ReadOptions::default()).with_context(reading)? {
                counter.add(&document.with_context(reading)?.full_text())?;
            }
        }
        for path in &self.train {
            let set = self.reading.open(path, false)?;
            for at in 0..set.len() {
                let record = set.read(at)?;
                counter.add(&record.query)?;
                record.documents.iter().try_for_each(|document| counter.add(&document.text))?;
            }
        }
        Ok(Some(counter.kept(self.min_count)?))
    }
}
