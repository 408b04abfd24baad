//! A file system of 8 MiB fills up under the writer.

use anyhow::{Context as _, ensure};
use clap::Args;
use lateen::index::{Index, VerifyLevel, verify};
use serde_json::json;

use crate::child::writer_options;
use crate::image::{FileSystem, Image, skipped};
use crate::ledger;
use crate::process::Writing;

/// Left free at first, taken away and given back.
const BALLAST: u64 = 2 << 20;

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
            let (index, ballast) = (image.path().join(format!("index-{round}")), image.path().join("ballast"));
            std::fs::write(&ballast, vec![1; BALLAST as usize])?;
            let ended = Writing::start(&index, &[])?.wait()?;
            ensure!(ended.status.code() == Some(1), "a writer ended with {}: {}", ended.status, ended.told);
            ensure!(!ended.told.contains("panicked"), "a writer panicked: {}", ended.told);
            ensure!(ended.told.contains("No space left"), "the error does not say why: {}", ended.told);
            let opened = Index::open(&index).context("reading on the full file system")?;
            let found = ledger::check(&opened.snapshot())?;
            ensure!(found >= ended.promised, "commit {} was promised, {found} is there", ended.promised);
            ensure!(verify(&index, VerifyLevel::Full)?.is_whole());
            // With room again, the next writer goes on where the last one stopped.
            std::fs::remove_file(&ballast)?;
            let index_writer = opened.writer(writer_options());
            ledger::commit(&mut index_writer.context("a writer with room")?, found + 1)?;
            ensure!(ledger::check(&opened.snapshot())? == found + 1);
            commits += found + 1;
            std::fs::remove_dir_all(&index)?;
        }
        println!("{}", json!({ "trial": "full", "rounds": self.rounds, "commits": commits, "commits_lost": 0 }));
        Ok(())
    }
}
