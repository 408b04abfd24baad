//! `lateen-train data`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use lateen_train::data::{DataSet, Fields, PaddingSide, ReadOptions, Scale, SurveyOptions, TextTokenizer};
use serde::Serialize;

use super::{data_check::Check, data_split::Split, data_stats::Stats};
use crate::Global;
use crate::exit::{Outcome, usage};

/// Look at training files: what is wrong, what is in them, and dividing them
#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Check),
    Split(Split),
    Stats(Stats),
}

impl Data {
    pub fn run(self, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        match self.command {
            Command::Check(command) => command.run(global, out),
            Command::Split(command) => command.run(global, out),
            Command::Stats(command) => command.run(global, out),
        }
    }
}

/// How files are read.
#[derive(Debug, Clone, Args)]
pub struct Reading {
    /// The field of the query, if none of the usual ones (query, anchor, question, sentence1, text)
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    query_field: Option<String>,
    /// The field of the positives (pos, positive, positives, text_pos, sentence2, answer)
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    positive_field: Option<String>,
    /// The field of the negatives (neg, negative, negatives, text_neg, negative_1, …)
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    negative_field: Option<String>,
    /// The field of the label (label, score)
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    label_field: Option<String>,
    /// Smallest and largest label; others are errors
    #[arg(long, value_name = "MIN,MAX", value_delimiter = ',', num_args = 1, allow_negative_numbers = true)]
    #[arg(help_heading = "Reading")]
    labels: Vec<f32>,
    /// Of BEIR folders: qrels/SPLIT.tsv
    #[arg(long, value_name = "SPLIT", default_value = "train", help_heading = "Reading")]
    split: String,
    /// The longest row
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20, help_heading = "Reading")]
    max_line_bytes: usize,
}

impl Reading {
    /// Opens a file; bad rows are counted if `skip_bad`.
    pub fn open(&self, path: &PathBuf, skip_bad: bool) -> anyhow::Result<DataSet> {
        let range = match self.labels[..] {
            [] => None,
            [low, high] if low < high => Some((low, high)),
            _ => return usage("--labels takes a smaller and a larger number, as in --labels 0,2"),
        };
        let options = ReadOptions {
            max_line_bytes: self.max_line_bytes,
            skip_bad,
            fields: Fields {
                query: self.query_field.clone(),
                positive: self.positive_field.clone(),
                negative: self.negative_field.clone(),
                label: self.label_field.clone(),
            },
            scale: Scale { range },
            split: self.split.clone(),
        };
        Ok(DataSet::open(path, &options)?)
    }
}

/// How lengths are measured.
#[derive(Debug, Clone, Args)]
pub struct Measuring {
    /// A tokenizer.json or model directory; without it, tokens are estimated
    #[arg(long, value_name = "PATH", help_heading = "Lengths")]
    tokenizer: Option<PathBuf>,
    /// Tokens at which queries are cut
    #[arg(long, value_name = "TOKENS", default_value_t = 128, help_heading = "Lengths")]
    query_max_tokens: usize,
    /// Tokens at which documents are cut
    #[arg(long, value_name = "TOKENS", default_value_t = 512, help_heading = "Lengths")]
    document_max_tokens: usize,
    /// Records whose texts are measured at most
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, help_heading = "Lengths")]
    sample: usize,
}

impl Measuring {
    /// The tokenizer, if one is named.
    pub fn tokenizer(&self) -> anyhow::Result<Option<TextTokenizer>> {
        let open = |path| TextTokenizer::open(path, PaddingSide::Right);
        self.tokenizer.as_ref().map(open).transpose().context("opening the tokenizer")
    }

    /// What a survey is told.
    pub fn options<'a>(&self, tokenizer: Option<&'a TextTokenizer>) -> SurveyOptions<'a> {
        let max_tokens = (self.query_max_tokens, self.document_max_tokens);
        SurveyOptions { tokenizer, max_tokens, sample: self.sample, ..SurveyOptions::default() }
    }
}

/// Writes one JSON document on a line of its own.
pub fn document<T: Serialize>(out: &mut impl Write, kind: &str, body: &T) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        v: u32,
        kind: &'a str,
        #[serde(flatten)]
        body: &'a T,
    }
    serde_json::to_writer(&mut *out, &Envelope { v: 1, kind, body })?;
    out.write_all(b"\n")?;
    Ok(())
}

/// A number with its thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
