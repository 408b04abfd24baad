//! The processes that are killed, and those that go on.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, ensure};
use clap::Args;
use lateen::index::{CompactOptions, Index, IndexError, MergeMode, MergePolicy, Writer, WriterOptions};

use crate::ledger;

/// Options of every writer here: one thread, graphs even of small segments, codes after a few hundred tokens, and merges
/// all the time.
pub fn writer_options(mode: MergeMode) -> WriterOptions {
    let merge = MergePolicy { mode, segments_per_tier: 3, ..MergePolicy::default() };
    WriterOptions {
        threads: 1,
        graph_min_documents: 8,
        code_from_tokens: 300,
        merge,
        ..WriterOptions::default()
    }
}

/// Commits between two compactions.
const COMPACT_EVERY: u64 = 16;

/// Makes one segment of all that is there.
pub fn compact(writer: &mut Writer) -> Result<(), IndexError> {
    let options = CompactOptions { full: true, ..CompactOptions::default() };
    writer.compact(&options, &mut |_| {}).map(drop)
}

/// Commits until it is stopped; prints the number of each commit once it is promised.
#[derive(Debug, Args)]
pub struct Write {
    /// The index, made if it is not there
    index: PathBuf,
    /// Ends by itself after so many commits
    #[arg(long, default_value_t = u64::MAX)]
    commits: u64,
    /// Merges in a thread beside the writer instead of in the commit
    #[arg(long)]
    background: bool,
}

impl Write {
    pub fn run(self) -> anyhow::Result<()> {
        let index = match Index::open(&self.index) {
            Err(IndexError::NoIndex { .. }) => {
                Index::create(&self.index, &ledger::settings(), &ledger::model())?
            }
            opened => opened?,
        };
        let mode = if self.background { MergeMode::Background } else { MergeMode::OnCommit };
        let mut writer = index.writer(writer_options(mode))?;
        let done = ledger::check(&index.snapshot()).context("before writing")?;
        let mut out = std::io::stdout();
        // The parent now knows that this process has the lock.
        writeln!(out, "{done}")?;
        for commit in (done + 1..=u64::MAX).take(usize::try_from(self.commits).unwrap_or(usize::MAX)) {
            ledger::commit(&mut writer, commit)?;
            writeln!(out, "{commit}")?;
            out.flush()?;
            if commit % COMPACT_EVERY == 0 {
                compact(&mut writer)?;
            }
        }
        Ok(())
    }
}

/// Reads everything again and again until its input ends; prints how often, and the last commit it saw.
#[derive(Debug, Args)]
pub struct Read {
    index: PathBuf,
    /// Opens the index anew each time instead of refreshing it
    #[arg(long)]
    reopen: bool,
}

impl Read {
    pub fn run(self) -> anyhow::Result<()> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            seen.store(true, Ordering::Relaxed);
        });
        let mut index = Index::open(&self.index)?;
        let (mut times, mut last) = (0_u64, 0);
        while !stop.load(Ordering::Relaxed) {
            let kept = index.snapshot();
            if self.reopen {
                index = Index::open(&self.index)?;
            } else {
                index.refresh()?;
            }
            let commit = ledger::check(&index.snapshot())?;
            ensure!(commit >= last, "commit {commit} was seen after {last}");
            if times % 8 == 0 {
                ledger::check(&kept).context("a snapshot that was kept")?;
            }
            (times, last) = (times + 1, commit);
        }
        println!("{times} {last}");
        Ok(())
    }
}
