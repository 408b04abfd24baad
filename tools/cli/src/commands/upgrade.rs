use crate::exit::{Outcome, bad_data};
use crate::output::Output;
use crate::size;
use clap::Args;
use lateen::format::VERSION;
use lateen::index::{CompactOptions, Index, MergePolicy, VerifyLevel, WriterOptions, verify};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Example:
  lateen upgrade my.lateen

Files of older versions are read as they are; upgrading writes them anew in the newest version, as
one commit, while readers go on with the old one. An index of a version too new for this program is
left alone.";

/// Bring an index to the newest version of its format
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Upgrade {
    /// The index
    index: PathBuf,
}

#[derive(Serialize)]
struct Body<'a> {
    index: &'a Path,
    from: u16,
    to: u16,
    changed: bool,
    generation: u64,
    files: u64,
}

impl Upgrade {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        // Reads every file, so that no damage is carried over; a version too new or too old is an error here.
        let report = verify(&self.index, VerifyLevel::Full)?;
        if let Some(finding) = report.findings.first() {
            return bad_data(format!(
                "{}: {}; repair the index before it is upgraded",
                finding.file.display(),
                finding.problem
            ));
        }
        let index = Index::open(&self.index)?;
        let from = index.snapshot().oldest_version();
        let changed = from < VERSION;
        if changed {
            let options = WriterOptions { merge: MergePolicy::manual(), ..WriterOptions::default() };
            let all = CompactOptions { full: true, rewrite: true, ..CompactOptions::default() };
            index.writer(options)?.compact(&all, &mut |_| {})?;
        }
        let body = Body {
            index: &self.index,
            from,
            to: VERSION,
            changed,
            generation: index.snapshot().generation(),
            files: report.files,
        };
        if output.json {
            output.document("upgrade", &body)?;
        } else if changed {
            output.note(format_args!("{}: version {from} → {VERSION}", self.index.display()));
        } else {
            output.note(format_args!(
                "{}: {} checked; version {from} is the newest, nothing to do",
                self.index.display(),
                size::count(body.files, "file")
            ));
        }
        Ok(Outcome::Done)
    }
}
