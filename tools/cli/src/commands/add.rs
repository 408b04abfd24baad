use super::input::Input;
use super::model_choice::{ModelChoice, tell};
use super::write::{Write, write};
use crate::exit::Outcome;
use crate::output::Output;
use clap::Args;
use lateen::retriever::Retriever;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  lateen add my.lateen more.jsonl
  echo '{\"_id\": \"n1\", \"text\": \"Ebb and flow.\"}' | lateen add my.lateen -";

/// Add documents to an index; one with the same id is replaced
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Add {
    /// The index
    index: PathBuf,
    /// Files, folders, or `-` for standard input
    #[arg(required = true, value_name = "DIR_OR_FILE")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    write: Write,
    #[command(flatten)]
    model: ModelChoice,
}

impl Add {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let documents = self.input.open(&self.inputs)?;
        let retriever = Retriever::open(&self.index, self.model.source()?)?;
        tell(output, retriever.model());
        let options = self.write.options(self.model.engine.threads, &retriever.snapshot())?;
        write(output, &retriever, documents, &options)
    }
}
