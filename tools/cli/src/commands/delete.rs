use crate::exit::{Outcome, usage};
use crate::output::Output;
use crate::{interrupt, size};
use anyhow::Context as _;
use clap::Args;
use lateen::index::{Index, WriterOptions};
use serde::Serialize;
use std::io::Read as _;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen delete my.lateen doc-17 doc-18
  lateen delete my.lateen --from ids.txt";

/// Delete documents by id
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Delete {
    /// The index
    index: PathBuf,
    /// Ids of documents
    #[arg(required_unless_present = "from")]
    ids: Vec<String>,
    /// A file with one id per line, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

#[derive(Serialize)]
struct Deleted<'a> {
    index: &'a Path,
    generation: u64,
    documents: u64,
    deleted: u64,
    not_found: &'a [String],
}

impl Delete {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let ids = self.ids()?;
        // All or nothing: one commit, so an interruption before it changes nothing.
        let index = Index::open(&self.index)?;
        let mut writer = index.writer(WriterOptions::default())?;
        let (mut deleted, mut not_found) = (0, Vec::new());
        for id in ids {
            if writer.delete(&id)? {
                deleted += 1;
            } else {
                not_found.push(id);
            }
        }
        let graceful = interrupt::Graceful::begin();
        if deleted > 0 {
            writer.commit()?;
        }
        drop(graceful);
        let snapshot = index.snapshot();
        let (generation, documents) = (snapshot.generation(), snapshot.documents());
        if output.json {
            let not_found = &not_found;
            output.document(
                "delete",
                &Deleted { index: &self.index, generation, documents, deleted, not_found },
            )?;
        } else {
            let left = size::count(documents, "document");
            output.note(format_args!(
                "{}: {} deleted, {left} left",
                self.index.display(),
                size::grouped(deleted)
            ));
        }
        if !not_found.is_empty() {
            let first = not_found.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
            let count = size::count(not_found.len() as u64, "id");
            output.note(format_args!("{count} not in the index: {}", crate::text::plain(&first)));
        }
        Ok(if deleted > 0 { Outcome::Done } else { Outcome::Nothing })
    }

    fn ids(&self) -> anyhow::Result<Vec<String>> {
        let mut ids = self.ids.clone();
        if let Some(path) = &self.from {
            let text = if path == Path::new("-") {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("reading ids from standard input")?;
                text
            } else {
                std::fs::read_to_string(path)
                    .with_context(|| format!("reading ids from {}", path.display()))?
            };
            ids.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        }
        if ids.is_empty() {
            return usage("no ids to delete: the file is empty");
        }
        Ok(ids)
    }
}
