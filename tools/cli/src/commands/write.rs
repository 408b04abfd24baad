//! Putting documents into an index: what `index` and `add` share.

use super::input::Documents;
use crate::exit::Outcome;
use crate::output::Output;
use crate::progress::Progress;
use crate::text::plain;
use crate::{interrupt, size};
use clap::Args;
use lateen::encode::cache::EncodingCache;
use lateen::index::Snapshot;
use lateen::retriever::{AddReport, Flow, Retriever, WriteOptions};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Writing")]
pub struct Write {
    /// Commit after this many documents, so that an interrupted run loses no more than these
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub commit_every: u64,
    /// Memory for documents that are not yet on disk
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = size::parse_bytes)]
    pub memory_budget: usize,
    /// Do not measure afterwards which settings find how much (`lateen tune` does at any time)
    #[arg(long)]
    pub no_tune: bool,
    /// Store one vector for about N similar tokens of a document [default: as the index has it, 1 at first]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub pool: Option<u8>,
    /// Keep encodings in this folder, and use those that are there: indexing the same texts another way needs no model then
    #[arg(long, value_name = "DIR")]
    pub encodings: Option<PathBuf>,
}

#[derive(Serialize)]
struct Written<'a> {
    index: &'a Path,
    generation: u64,
    documents: u64,
    added: u64,
    updated: u64,
    unchanged: u64,
    skipped: u64,
    truncated: u64,
    tokens: u64,
    tuned: bool,
    seconds: f64,
    interrupted: bool,
}

/// Puts `documents` into the index.
pub fn write(
    output: &mut Output,
    retriever: &Retriever,
    mut documents: Documents,
    options: &WriteOptions,
) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let graceful = interrupt::Graceful::begin();
    let mut writer = retriever.writer(options)?;
    let progress = Progress::start(output, documents.total());
    let place = documents.place();
    let result = writer.add_all(documents.by_ref(), &mut |state| {
        progress.set(place.get(), state.read, "document");
        if interrupt::requested() { Flow::Stop } else { Flow::Continue }
    });
    drop(progress);
    // What was complete before a bad record is kept: the next run need not encode it again.
    let progress = Progress::start(output, None);
    let committed = writer.commit_watched(&mut |state| {
        progress.set(0, state.tried, "setting");
        !interrupt::requested()
    });
    drop(progress);
    let tuned = writer.report().tuned;
    drop(graceful);
    retriever.refresh()?;
    let mut report = result.inspect_err(|_| {
        if committed.is_ok() {
            let kept = size::count(retriever.snapshot().documents(), "document");
            output.note(format_args!(
                "{}: {kept} committed before the error",
                retriever.index().path().display()
            ));
        }
    })?;
    committed?;
    report.tuned = tuned;
    let skipped = tell_skipped(output, &documents);
    say(output, retriever, &report, skipped, start)
}

/// Shows the first bad records and counts all.
fn tell_skipped(output: &mut Output, documents: &Documents) -> u64 {
    let mut skipped = 0;
    for source in documents.skipped() {
        skipped += source.records;
        for error in &source.first {
            output.warn(format_args!("left out: {}", plain(&error.to_string())));
        }
    }
    skipped
}

fn say(
    output: &mut Output,
    retriever: &Retriever,
    report: &AddReport,
    skipped: u64,
    start: Instant,
) -> anyhow::Result<Outcome> {
    let snapshot = retriever.snapshot();
    let written = Written {
        index: retriever.index().path(),
        generation: snapshot.generation(),
        documents: snapshot.documents(),
        added: report.added,
        updated: report.updated,
        unchanged: report.unchanged,
        skipped,
        truncated: retriever.model().statistics().truncated,
        tokens: report.tokens,
        tuned: report.tuned,
        seconds: start.elapsed().as_secs_f64(),
        interrupted: interrupt::requested(),
    };
    if output.json {
        output.document("write", &written)?;
    } else {
        output.note(summary(&written));
    }
    Ok(if written.interrupted { Outcome::Interrupted } else { Outcome::Done })
}

fn summary(written: &Written) -> String {
    let mut parts = Vec::new();
    for (count, word) in [
        (written.added, "added"),
        (written.updated, "updated"),
        (written.unchanged, "unchanged"),
        (written.skipped, "left out"),
    ] {
        if count > 0 {
            parts.push(format!("{} {word}", size::grouped(count)));
        }
    }
    let what = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") };
    let cut = match written.truncated {
        0 => String::new(),
        count => format!("; {} longer than the model reads", size::count(count, "document")),
    };
    let state = if written.interrupted { "stopped; " } else { "" };
    format!(
        "{state}{}: {} ({what}{cut}) in {:.2} s",
        written.index.display(),
        size::count(written.documents, "document"),
        written.seconds
    )
}

impl Write {
    /// The library's options; those that were not given as the newest segment of the index has them.
    pub fn options(&self, threads: usize, snapshot: &Snapshot) -> anyhow::Result<WriteOptions> {
        let mut options = WriteOptions::default();
        if let Some(segment) = snapshot.segments().last() {
            options.index.pooling = segment.reader().pooling();
        }
        if let Some(factor) = self.pool {
            options.index.pooling.factor = factor.into();
        }
        options.index.memory_budget_bytes = self.memory_budget;
        options.index.threads = threads;
        options.commit_every = Some(self.commit_every);
        options.tune = !self.no_tune;
        if let Some(folder) = &self.encodings {
            options.cache = Some(Arc::new(EncodingCache::open(folder, EncodingCache::DEFAULT_LIMIT)?));
        }
        Ok(options)
    }
}
