use crate::exit::Outcome;
use crate::output::Output;
use crate::progress::Progress;
use crate::size;
use crate::text::plain;
use clap::Args;
use lateen::index::{Index, backup};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen backup my.lateen /backups/my-monday.lateen

The copy is an index of its own. Writers may go on meanwhile; exactly one commit is copied, and the
copy is read back in full.";

/// Copy one commit of an index to another folder, and verify the copy
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Backup {
    /// The index
    index: PathBuf,
    /// A folder that holds no index yet
    destination: PathBuf,
}

#[derive(Serialize)]
struct Body<'a> {
    index: &'a Path,
    destination: &'a Path,
    generation: u64,
    documents: u64,
    files: u64,
    bytes: u64,
    sound: bool,
}

impl Backup {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let total = Index::open(&self.index)?.stats().bytes;
        let progress = Progress::start(output, Some(total));
        let report = backup(&self.index, &self.destination, &mut |bytes| progress.set(bytes, bytes, "byte"))?;
        drop(progress);
        let body = Body {
            index: &self.index,
            destination: &self.destination,
            generation: report.generation,
            documents: report.documents,
            files: report.files,
            bytes: report.bytes,
            sound: report.verified.is_whole(),
        };
        for finding in &report.verified.findings {
            output.warn(plain(&format!("{}: {}", finding.file.display(), finding.problem)));
        }
        if output.json {
            output.document("backup", &body)?;
        } else {
            output.note(format_args!(
                "{}: {} in {}, {}",
                self.destination.display(),
                size::count(body.documents, "document"),
                size::bytes(body.bytes),
                if body.sound { "verified" } else { "DAMAGED: so is the index that was copied, or the disk" }
            ));
        }
        Ok(if body.sound { Outcome::Done } else { Outcome::Nothing })
    }
}
