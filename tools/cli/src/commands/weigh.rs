//! `lateen model weigh`.

use super::input::{Documents, Input};
use crate::exit::Outcome;
use crate::output::Output;
use crate::progress::Progress;
use crate::size;
use anyhow::Context as _;
use clap::Args;
use lateen::encode::distil::weigh;
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Example:
  lateen model weigh models/my-colbert --corpus docs.jsonl";

/// Tell a late-interaction model how much each word of a query counts: rare ones much, those that every text has little
///
/// Writes token_weights.safetensors into the model's folder: inverse document frequencies of the corpus. Small models are helped
/// most. Indexes that were made with the model before have to be made again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct Weigh {
    /// The model directory, whose tokenizer marks texts at both ends as BERT's does
    model: PathBuf,
    /// Documents to count in, like those that will be searched; may be repeated
    #[arg(long, required = true, value_name = "DIR_OR_FILE")]
    corpus: Vec<PathBuf>,
    /// More than 1 makes frequent words count less still; 0 leaves out marks and punctuation and nothing else
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    power: f32,
    #[command(flatten)]
    input: Input,
}

#[derive(Serialize)]
struct Weighed<'a> {
    file: &'a Path,
    texts: u64,
    seen: u64,
    pieces: u64,
}

impl Weigh {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let documents: Documents = self.input.open(&self.corpus)?;
        let progress = Progress::start(output, None);
        let texts = documents.zip(1..).map(|(document, at)| {
            progress.set(at, at, "text");
            Ok::<_, anyhow::Error>(document?.full_text().into_owned())
        });
        let made = weigh(&self.model, texts, self.power);
        drop(progress);
        let made = made.with_context(|| format!("weighing {}", self.model.display()))?;
        if output.json {
            let (file, texts) = (made.path.as_path(), made.texts);
            output.document("weighed", &Weighed { file, texts, seen: made.seen, pieces: made.pieces })?;
        } else {
            let (texts, pieces) = (size::count(made.texts, "text"), size::count(made.pieces, "token"));
            output.note(format_args!("{}: {pieces}, {} of them in {texts}", made.path.display(), made.seen));
        }
        Ok(Outcome::Done)
    }
}
