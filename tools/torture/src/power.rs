//! The power of a file system is cut under the writer at a random moment, over and over.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use lateen::index::{Index, MergeMode, VerifyLevel, verify};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use crate::child::writer_options;
use crate::image::{FileSystem, Image, skipped};
use crate::ledger;
use crate::process::Writing;

/// The smallest that mkfs.xfs makes is 300 MiB; the file has holes.
const MIB: u64 = 320;
/// Cuts after which a new index is begun.
const CUTS_PER_INDEX: u64 = 10;

#[derive(Debug, Args)]
pub struct Power {
    /// Which file system
    #[arg(long, value_enum, default_value_t = FileSystem::Ext4)]
    fs: FileSystem,
    /// How often the power is cut
    #[arg(long, default_value_t = 20)]
    cuts: u64,
    /// Chooses the moments
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The longest time between two cuts, in milliseconds
    #[arg(long, default_value_t = 400)]
    longest_ms: u64,
}

impl Power {
    pub fn run(self) -> anyhow::Result<()> {
        let mut image = match Image::new(self.fs, MIB)? {
            Ok(image) => image,
            Err(why) => {
                skipped("power", &std::env::temp_dir(), &why);
                return Ok(());
            }
        };
        let mut random = StdRng::seed_from_u64(self.seed);
        let (mut promised, mut unpromised, mut before, mut refused) = (0, 0, 0, 0);
        for cut in 0..self.cuts {
            if cut % CUTS_PER_INDEX == 0 {
                before = 0;
            }
            let index = image.path().join(format!("index-{}", cut / CUTS_PER_INDEX));
            let more: &[&str] = if cut % 2 == 0 { &[] } else { &["--background"] };
            let mut writing = Writing::start(&index, more)?;
            std::thread::sleep(Duration::from_millis(random.random_range(1..=self.longest_ms)));
            image.cut_power()?;
            let ended = writing.kill()?;
            // It ended by itself where a call failed: with an error, never with a panic.
            ensure!(!ended.told.contains("panicked"), "a writer panicked: {}", ended.told);
            refused += u64::from(ended.status.code().is_some());
            image.unmount()?;
            image.mount()?;
            let found =
                look(&index, ended.promised).with_context(|| format!("seed {}, cut {cut}", self.seed))?;
            promised += ended.promised.saturating_sub(before);
            unpromised += found - ended.promised;
            before = found;
        }
        println!(
            "{}",
            json!({
                "trial": "power", "fs": self.fs.name(), "seed": self.seed, "cuts": self.cuts,
                "commits_promised": promised, "commits_lost": 0, "commits_there_without_promise": unpromised,
                "writers_that_ended_with_an_error": refused,
            })
        );
        Ok(())
    }
}

fn look(index: &std::path::Path, promised: u64) -> anyhow::Result<u64> {
    // A cut before the first commit may leave no index at all.
    let opened = match Index::open(index) {
        Err(lateen::index::IndexError::NoIndex { .. }) if promised == 0 => return Ok(0),
        opened => opened?,
    };
    let found = ledger::check(&opened.snapshot())?;
    ensure!(found >= promised, "commit {promised} was promised, {found} is there");
    ensure!(found <= promised + 1, "commit {found} is there, {promised} was promised");
    let report = verify(index, VerifyLevel::Full)?;
    ensure!(report.is_whole(), "{:?}", report.findings);
    // Whatever was half written is swept up by the next writer.
    drop(opened.writer(writer_options(MergeMode::OnCommit)).context("the next writer")?);
    let left = std::fs::read_dir(index)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let left: Vec<String> = left.filter(|name| name.ends_with(".tmp")).collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(found)
}
