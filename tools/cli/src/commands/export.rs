use super::portable::{Header, Line};
use crate::exit::{Outcome, usage};
use crate::output::Output;
use crate::progress::Progress;
use crate::{interrupt, size};
use anyhow::Context as _;
use clap::Args;
use lateen::index::{Index, Snapshot};
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen export my.lateen > my.jsonl
  lateen export my.lateen --out my.jsonl --no-vectors
  lateen export my.lateen --beir my-collection

One JSON object per line: `_id`, `title`, `text`, `metadata`, `content_hash`, and the vectors as they
are stored: `tokens`, a list of rows, and `vector`. The first line tells settings and model; `lateen
import` makes an index of it. With --beir the lines are the `corpus.jsonl` of a folder.";

/// Write the documents of an index, with their vectors, as JSON lines
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Export {
    /// The index
    index: PathBuf,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE", conflicts_with = "beir")]
    out: Option<PathBuf>,
    /// Write a BEIR folder: corpus.jsonl, and lateen.json for settings and model
    #[arg(long, value_name = "DIR")]
    beir: Option<PathBuf>,
    /// Leave the vectors out: texts only
    #[arg(long)]
    no_vectors: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    index: &'a Path,
    generation: u64,
    documents: u64,
    interrupted: bool,
}

impl Export {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let snapshot = Index::open(&self.index)?.snapshot();
        if self.no_vectors && !snapshot.settings().store_documents {
            return usage("the index stores no texts: without vectors there is nothing to export");
        }
        let header = Header::of(&snapshot);
        let written = if let Some(folder) = &self.beir {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            let path = folder.join("lateen.json");
            std::fs::write(&path, serde_json::to_string_pretty(&header)? + "\n")
                .with_context(|| path.display().to_string())?;
            self.write_file(&snapshot, None, &folder.join("corpus.jsonl"), output)?
        } else if let Some(file) = &self.out {
            self.write_file(&snapshot, Some(&header), file, output)?
        } else {
            let progress = Progress::start(output, Some(snapshot.documents()));
            self.write(&snapshot, Some(&header), output.raw(), &progress)?
        };
        let interrupted = written < snapshot.documents();
        if self.out.is_some() || self.beir.is_some() {
            let body = Body {
                index: &self.index,
                generation: snapshot.generation(),
                documents: written,
                interrupted,
            };
            if output.json {
                output.document("export", &body)?;
            } else {
                output.note(format_args!("{} exported", size::count(written, "document")));
            }
        }
        Ok(if interrupted { Outcome::Interrupted } else { Outcome::Done })
    }

    fn write_file(
        &self,
        snapshot: &Snapshot,
        header: Option<&Header>,
        path: &Path,
        output: &Output,
    ) -> anyhow::Result<u64> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let mut file = BufWriter::new(file);
        let progress = Progress::start(output, Some(snapshot.documents()));
        let written = self.write(snapshot, header, &mut file, &progress)?;
        file.flush().with_context(|| path.display().to_string())?;
        Ok(written)
    }

    fn write(
        &self,
        snapshot: &Snapshot,
        header: Option<&Header>,
        out: &mut dyn Write,
        progress: &Progress,
    ) -> anyhow::Result<u64> {
        let _graceful = interrupt::Graceful::begin();
        if let Some(header) = header {
            writeln!(out, "{}", serde_json::to_string(header)?)?;
        }
        let mut written = 0;
        for doc in snapshot.live() {
            if interrupt::requested() {
                break;
            }
            let line = Line::of(snapshot.document(doc)?, !self.no_vectors)?;
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
            written += 1;
            progress.set(written, written, "document");
        }
        Ok(written)
    }
}
