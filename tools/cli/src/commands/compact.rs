use crate::exit::Outcome;
use crate::output::Output;
use crate::{interrupt, size};
use clap::Args;
use lateen::index::{CompactOptions, Index, IndexError, MergePolicy, WriterOptions};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen compact my.lateen                  drop deleted documents, code new ones, join segments
  lateen compact my.lateen --full           make one segment of all
  lateen compact my.lateen --budget 1G      only what can be done by reading 1 GiB at a time

Search goes on meanwhile. Interrupted, what was merged stays merged.";

/// Merge segments: drop deleted documents and make search as fast as in an index built at once
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Compact {
    /// The index
    index: PathBuf,
    /// Make one segment of all
    #[arg(long)]
    full: bool,
    /// Train the codec anew on what is there now and code everything with it; implies --full
    #[arg(long)]
    retrain: bool,
    /// Merge no segments that take more than this together
    #[arg(long, value_name = "SIZE", value_parser = size::parse_bytes)]
    budget: Option<usize>,
    /// Threads; 0: one per core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

#[derive(Serialize)]
struct Compacted<'a> {
    index: &'a Path,
    generation: u64,
    documents: u64,
    merges: u64,
    dropped: u64,
    segments_before: u64,
    segments: u64,
    bytes_before: u64,
    bytes: u64,
    seconds: f64,
    interrupted: bool,
}

impl Compact {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let start = std::time::Instant::now();
        let index = Index::open(&self.index)?;
        let before = index.stats();
        let options =
            WriterOptions { threads: self.threads, merge: MergePolicy::manual(), ..WriterOptions::default() };
        let mut writer = index.writer(options)?;
        let graceful = interrupt::Graceful::begin();
        let watch = interrupt::Watch::begin(writer.cancel_token());
        let options = CompactOptions {
            full: self.full,
            retrain: self.retrain,
            rewrite: false,
            budget_bytes: self.budget.map(|bytes| bytes as u64),
        };
        let result = writer.compact(&options, &mut |bytes| {
            if bytes > 0 {
                output.note(format_args!("merging {}", size::bytes(bytes)));
            }
        });
        drop(watch);
        drop(graceful);
        let interrupted = matches!(result, Err(IndexError::Cancelled));
        let merges = match result {
            Ok(info) => info.merges as u64,
            Err(IndexError::Cancelled) => 0,
            Err(error) => return Err(error.into()),
        };
        let after = index.stats();
        let body = Compacted {
            index: &self.index,
            generation: after.generation,
            documents: after.documents,
            merges,
            dropped: before.deleted - after.deleted,
            segments_before: before.segments.len() as u64,
            segments: after.segments.len() as u64,
            bytes_before: before.bytes,
            bytes: after.bytes,
            seconds: start.elapsed().as_secs_f64(),
            interrupted,
        };
        if output.json {
            output.document("compact", &body)?;
        } else {
            output.note(body.summary());
        }
        Ok(if interrupted { Outcome::Interrupted } else { Outcome::Done })
    }
}

impl Compacted<'_> {
    fn summary(&self) -> String {
        let state = if self.interrupted { "stopped; " } else { "" };
        format!(
            "{state}{}: {} → {}, {} → {}, {} dropped, in {:.2} s",
            self.index.display(),
            size::count(self.segments_before, "segment"),
            self.segments,
            size::bytes(self.bytes_before),
            size::bytes(self.bytes),
            size::count(self.dropped, "deleted document"),
            self.seconds
        )
    }
}
