//! A file system of 8 MiB fills up under the writer.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use clap::Args;
use lateen::index::{Index, MergeMode, VerifyLevel, verify};
use serde_json::json;

use crate::child::{self, writer_options};
use crate::image::{FileSystem, Image, skipped};
use crate::ledger;
use crate::process::Writing;

/// Left free beside the ballast: a few commits, less than what the writer's index takes while it is merged.
const ROOM: u64 = 64 << 10;

#[derive(Debug, Args)]
pub struct Full {
    /// How often it fills up and room is made
    #[arg(long, default_value_t = 3)]
    rounds: u64,
}

impl Full {
    pub fn run(self) -> anyhow::Result<()> {
        let image = match Image::new(FileSystem::Ext4, 8)? {
            Ok(image) => image,
            Err(why) => {
                skipped("full", &std::env::temp_dir(), &why);
                return Ok(());
            }
        };
        let mut commits = 0;
        for round in 0..self.rounds {
            let (index, ballast) =
                (image.path().join(format!("index-{round}")), image.path().join("ballast"));
            leave(ROOM, &ballast)?;
            let ended = Writing::start(&index, &[])?.wait()?;
            ensure!(ended.status.code() == Some(1), "a writer ended with {}: {}", ended.status, ended.told);
            ensure!(!ended.told.contains("panicked"), "a writer panicked: {}", ended.told);
            ensure!(ended.told.contains("No space left"), "the error does not say why: {}", ended.told);
            let opened = Index::open(&index).context("reading on the full file system")?;
            let found = ledger::check(&opened.snapshot())?;
            ensure!(found >= ended.promised, "commit {} was promised, {found} is there", ended.promised);
            ensure!(verify(&index, VerifyLevel::Full)?.is_whole());
            // Compaction needs room for a second copy: it says so, and leaves what is there.
            let mut writer =
                opened.writer(writer_options(MergeMode::Manual)).context("a writer without room")?;
            fill(&ballast);
            let compacted = child::compact(&mut writer);
            ensure!(compacted.is_err(), "there was room to compact");
            ensure!(
                ledger::check(&Index::open(&index)?.snapshot())? == found,
                "a failed compaction changed something"
            );
            drop(writer);
            // With room again, the next writer goes on where the last one stopped.
            std::fs::remove_file(&ballast)?;
            let mut writer =
                opened.writer(writer_options(MergeMode::Manual)).context("a writer with room")?;
            ledger::commit(&mut writer, found + 1)?;
            child::compact(&mut writer)?;
            ensure!(ledger::check(&opened.snapshot())? == found + 1);
            drop(writer);
            commits += found + 1;
            std::fs::remove_dir_all(&index)?;
        }
        println!(
            "{}",
            json!({ "trial": "full", "rounds": self.rounds, "commits": commits, "commits_lost": 0 })
        );
        Ok(())
    }
}

/// Takes all room but `bytes`.
fn leave(bytes: u64, ballast: &Path) -> anyhow::Result<()> {
    fill(ballast);
    let file = std::fs::OpenOptions::new().write(true).open(ballast)?;
    let taken = file.metadata()?.len();
    file.set_len(taken.checked_sub(bytes).context("the file system has less room than is to be left")?)?;
    Ok(file.sync_all()?)
}

/// Takes what room is left.
fn fill(ballast: &Path) {
    let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(ballast) else { return };
    while file.write_all(&[1; 4096]).is_ok() {}
}
