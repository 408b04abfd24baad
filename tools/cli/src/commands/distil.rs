use super::input::{Documents, Input};
use crate::exit::{Outcome, bad_data};
use crate::output::Output;
use crate::progress::Progress;
use crate::size;
use anyhow::Context as _;
use clap::Args;
use lateen::encode::distil::{DistilOptions, OnnxStates, distil};
use lateen::encode::export::{ConvertOptions, Head, convert};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Boil a checkpoint's token vectors down to a static table, which needs no runtime
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lateen model distil all-MiniLM-L6-v2 models/mine --corpus docs.jsonl")]
pub struct Distil {
    /// The checkpoint's folder: config.json, model.safetensors, tokenizer.json
    source: PathBuf,
    /// The model directory to write
    target: PathBuf,
    /// Documents whose words the table is for; may be repeated
    #[arg(long, required = true, value_name = "DIR_OR_FILE")]
    corpus: Vec<PathBuf>,
    /// Dimensions of a vector
    #[arg(long, value_name = "N", default_value_t = 128)]
    dim: usize,
    /// How many tokens are run through the model in context
    #[arg(long, value_name = "N", default_value_t = DistilOptions::default().context_budget, hide_short_help = true)]
    context_budget: u64,
    /// Start of all random choices
    #[arg(long, value_name = "N", default_value_t = 0, hide_short_help = true)]
    seed: u64,
    #[command(flatten)]
    input: Input,
}

#[derive(Serialize)]
struct Distilled<'a> {
    model: &'a Path,
    dim: u64,
    vocabulary: u64,
    texts: u64,
}

impl Distil {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let documents: Documents = self.input.open(&self.corpus)?;
        let mut texts = Vec::new();
        for document in documents {
            texts.push(document?.full_text().into_owned());
        }
        // Corpora are often sorted by subject; contexts are to come from all of one.
        texts.shuffle(&mut StdRng::seed_from_u64(self.seed));
        let folder = tempfile::tempdir().context("making a temporary folder")?;
        let made = convert(&self.source, folder.path(), &ConvertOptions::new(Head::Tokens))?;
        let mut states = match OnnxStates::load(&made.onnx) {
            Ok(states) => states,
            Err(error) => return bad_data(format!("{}: {error}", made.onnx.display())),
        };
        let options = DistilOptions {
            dim: self.dim,
            context_budget: self.context_budget,
            seed: self.seed,
            ..DistilOptions::default()
        };
        let count = texts.len() as u64;
        let progress = Progress::start(output, Some(count));
        let counted = texts.into_iter().zip(1..).map(|(text, at)| {
            progress.set(at, at, "text");
            text
        });
        let table = distil(&self.source.join("tokenizer.json"), &mut states, counted, &options)?;
        drop(progress);
        table.write(&self.target)?;
        let (dim, vocabulary) = (table.dim() as u64, table.len() as u64);
        if output.json {
            output
                .document("distilled", &Distilled { model: &self.target, dim, vocabulary, texts: count })?;
        } else {
            let tokens = size::count(vocabulary, "token");
            output.note(format_args!("{}: {tokens}, {dim} dimensions", self.target.display()));
        }
        Ok(Outcome::Done)
    }
}
