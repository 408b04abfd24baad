//! A writer is killed at a random moment, over and over; three readers go on all the while.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use lateen::index::{Index, MergeMode, VerifyLevel, verify};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use crate::child::writer_options;
use crate::ledger;
use crate::process::{Writing, again, end_readers};

/// Rounds after which a new index is begun, so that it stays small.
const ROUNDS_PER_INDEX: u64 = 10;

#[derive(Debug, Args)]
pub struct Kill {
    /// How often the writer is killed
    #[arg(long, default_value_t = 50)]
    rounds: u64,
    /// Chooses the moments
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The longest time a writer lives, in milliseconds
    #[arg(long, default_value_t = 500)]
    longest_ms: u64,
}

#[derive(Debug, Default)]
struct Totals {
    promised: u64,
    unpromised: u64,
    readings: u64,
    slowest_lock_ms: f64,
}

impl Kill {
    pub fn run(self) -> anyhow::Result<()> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut totals = Totals::default();
        let mut left = self.rounds;
        while left > 0 {
            let rounds = left.min(ROUNDS_PER_INDEX);
            let folder = tempfile::tempdir()?;
            self.one_index(&folder.path().join("index"), rounds, &mut random, &mut totals)
                .with_context(|| format!("seed {}, {left} rounds before the end", self.seed))?;
            left -= rounds;
        }
        let Totals { promised, unpromised, readings, slowest_lock_ms } = totals;
        println!(
            "{}",
            json!({
                "trial": "kill", "seed": self.seed, "kills": self.rounds, "commits_promised": promised,
                "commits_lost": 0, "commits_there_without_promise": unpromised, "readings": readings,
                "readings_failed": 0, "slowest_lock_ms": slowest_lock_ms,
            })
        );
        Ok(())
    }

    fn one_index(
        &self,
        index: &Path,
        rounds: u64,
        random: &mut StdRng,
        totals: &mut Totals,
    ) -> anyhow::Result<()> {
        Index::create(index, &ledger::settings(), &ledger::model())?;
        let readers: Vec<Child> = [&["read"][..], &["read"], &["read", "--reopen"]]
            .iter()
            .map(|arguments| again(arguments, index)?.spawn().context("starting a reader"))
            .collect::<anyhow::Result<_>>()?;
        let mut before = 0;
        for round in 0..rounds {
            let more: &[&str] = if round % 2 == 0 { &[] } else { &["--background"] };
            let mut writing = Writing::start(index, more)?;
            std::thread::sleep(Duration::from_millis(random.random_range(1..=self.longest_ms)));
            let ended = writing.kill()?;
            ensure!(ended.status.code().is_none(), "a writer failed by itself: {}", ended.told);
            let found = self.look(index, ended.promised, totals)?;
            totals.promised += ended.promised.saturating_sub(before);
            totals.unpromised += found - ended.promised;
            before = found;
        }
        totals.readings += end_readers(readers)?;
        Ok(())
    }

    /// The lock is free at once, and nothing promised is lost.
    fn look(&self, index: &Path, promised: u64, totals: &mut Totals) -> anyhow::Result<u64> {
        let start = Instant::now();
        let opened = Index::open(index)?;
        let writer =
            opened.writer(writer_options(MergeMode::OnCommit)).context("the lock of the killed writer")?;
        totals.slowest_lock_ms = totals.slowest_lock_ms.max(start.elapsed().as_secs_f64() * 1e3);
        let found = ledger::check(&opened.snapshot())?;
        ensure!(found >= promised, "commit {promised} was promised, {found} is there");
        ensure!(found <= promised + 1, "commit {found} is there, {promised} was promised");
        drop(writer);
        let report = verify(index, VerifyLevel::Full)?;
        ensure!(report.is_whole(), "{:?}", report.findings);
        Ok(found)
    }
}
