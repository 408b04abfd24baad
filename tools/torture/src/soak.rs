//! Reads and writes for minutes, at a steady rate; memory, descriptors, threads, disk and latency are watched.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use lateen::index::{Index, MergeMode};
use lateen::search::{PlanChoice, SearchOptions, search_dense, search_tokens};
use lateen::types::TokenMatrix;
use serde_json::{Value, json};

use crate::child::{compact, writer_options};
use crate::ledger;

/// Commits between two compactions.
const COMPACT_EVERY: u64 = 100;
const READERS: usize = 2;
const READS_PER_SECOND: u32 = 100;
const WRITES_PER_SECOND: u32 = 5;

#[derive(Debug, Args)]
pub struct Soak {
    /// How long, in minutes
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
}

/// What the process holds at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    seconds: f64,
    rss_kib: u64,
    descriptors: usize,
    threads: usize,
    disk_bytes: u64,
}

struct Load {
    index: Index,
    stop: AtomicBool,
    /// When a read began, in seconds since the start, and how long it took, in milliseconds.
    reads: Mutex<Vec<(f64, f64)>>,
    start: Instant,
}

impl Load {
    fn running(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

impl Soak {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let index = Index::create(&folder.path().join("index"), &ledger::settings(), &ledger::model())?;
        let load = Load {
            index,
            stop: AtomicBool::new(false),
            reads: Mutex::new(Vec::new()),
            start: Instant::now(),
        };
        let length = Duration::from_secs_f64(self.minutes * 60.0);
        let (samples, commits) = std::thread::scope(|scope| -> anyhow::Result<_> {
            let writer = scope.spawn(|| write(&load));
            let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| read(&load))).collect();
            let mut samples = Vec::new();
            while load.start.elapsed() < length && !writer.is_finished() {
                std::thread::sleep(Duration::from_millis(500).min(length / 20));
                samples.push(sample(&load, folder.path())?);
            }
            load.stop.store(true, Ordering::Relaxed);
            let commits = writer.join().ok().context("the writer panicked")??;
            for reader in readers {
                reader.join().ok().context("a reader panicked")??;
            }
            Ok((samples, commits))
        })?;
        let live = load.index.stats().bytes;
        let left = disk(folder.path());
        ensure!(left <= 2 * live + (256 << 10), "{left} bytes are left of {live} that live");
        let reads = load.reads.into_inner().unwrap_or_else(PoisonError::into_inner);
        let report = report(&samples, &reads, commits, self.minutes)?;
        println!("{report}");
        Ok(())
    }
}

fn write(load: &Load) -> anyhow::Result<u64> {
    let mut writer = load.index.writer(writer_options(MergeMode::Background))?;
    let mut commits = 0;
    while load.running() {
        let start = Instant::now();
        commits += 1;
        ledger::commit(&mut writer, commits)?;
        if commits % COMPACT_EVERY == 0 {
            compact(&mut writer)?;
        }
        std::thread::sleep(pause(start, WRITES_PER_SECOND));
    }
    // What is left once nobody reads old commits and all is one segment.
    compact(&mut writer)?;
    Ok(commits)
}

fn pause(start: Instant, per_second: u32) -> Duration {
    (Duration::from_secs(1) / per_second).saturating_sub(start.elapsed())
}

fn read(load: &Load) -> anyhow::Result<()> {
    let rows: Vec<f32> = (0..64).map(|at| (at as f32 * 0.7).sin()).collect();
    for round in 0_u64.. {
        if !load.running() {
            break;
        }
        let (start, began) = (Instant::now(), load.start.elapsed().as_secs_f64());
        let snapshot = load.index.snapshot();
        let query = TokenMatrix::new(&rows, 16)?;
        let plan = [PlanChoice::Auto, PlanChoice::Exact][(round % 2) as usize];
        let found = search_tokens(&snapshot, query, &SearchOptions { plan, ..SearchOptions::top(10) })?;
        search_dense(&snapshot, &rows[..8], &SearchOptions::top(10))?;
        for hit in &found.hits {
            snapshot.stored(hit.doc)?;
        }
        let took = start.elapsed().as_secs_f64() * 1e3;
        load.reads.lock().unwrap_or_else(PoisonError::into_inner).push((began, took));
        if round % 50 == 0 {
            ledger::check(&snapshot)?;
        }
        std::thread::sleep(pause(start, READS_PER_SECOND / READERS as u32));
    }
    Ok(())
}

fn sample(load: &Load, folder: &Path) -> anyhow::Result<Sample> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    Ok(Sample {
        seconds: load.start.elapsed().as_secs_f64(),
        rss_kib: field("RssAnon:"),
        descriptors: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
        threads: usize::try_from(field("Threads:"))?,
        disk_bytes: disk(folder),
    })
}

/// Bytes of all files; one that goes meanwhile is not counted.
fn disk(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let meta = entry.metadata().ok()?;
            Some(if meta.is_dir() { disk(&entry.path()) } else { meta.len() })
        })
        .sum()
}

fn report(samples: &[Sample], reads: &[(f64, f64)], commits: u64, minutes: f64) -> anyhow::Result<Value> {
    ensure!(samples.len() >= 6 && reads.len() >= 30, "too short to say anything");
    let length = samples.last().map_or(0.0, |sample| sample.seconds);
    // The first third warms up.
    let warm: Vec<Sample> = samples.iter().filter(|sample| sample.seconds > length / 3.0).copied().collect();
    let most = |value: fn(&Sample) -> usize, of: &[Sample]| of.iter().map(value).max().unwrap_or(0);
    let (early, late) = warm.split_at(warm.len() / 2);
    let p99 = |from: f64, to: f64| {
        let mut times: Vec<f64> =
            reads.iter().filter(|(began, _)| (from..to).contains(began)).map(|(_, took)| *took).collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(f64::NAN)
    };
    let descriptors = (most(|s| s.descriptors, early), most(|s| s.descriptors, late));
    let threads = (most(|s| s.threads, early), most(|s| s.threads, late));
    ensure!(descriptors.1 <= descriptors.0 + 2, "descriptors grow: {descriptors:?}");
    ensure!(threads.1 <= threads.0 + 1, "threads grow: {threads:?}");
    Ok(json!({
        "trial": "soak", "minutes": minutes, "commits": commits, "reads": reads.len(),
        "rss_slope_kib_per_minute": slope(&warm) * 60.0,
        "rss_kib": [warm.first().map(|s| s.rss_kib), warm.last().map(|s| s.rss_kib)],
        "descriptors": [descriptors.0, descriptors.1], "threads": [threads.0, threads.1],
        "disk_bytes_most": [most(|s| s.disk_bytes as usize, early), most(|s| s.disk_bytes as usize, late)],
        "p99_ms": [p99(length / 3.0, length * 2.0 / 3.0), p99(length * 2.0 / 3.0, length)],
    }))
}

/// Least squares: KiB per second.
fn slope(samples: &[Sample]) -> f64 {
    let n = samples.len() as f64;
    let mean = |value: fn(&Sample) -> f64| samples.iter().map(value).sum::<f64>() / n;
    let (x, y) = (mean(|s| s.seconds), mean(|s| s.rss_kib as f64));
    let over: f64 = samples.iter().map(|s| (s.seconds - x) * (s.rss_kib as f64 - y)).sum();
    over / samples.iter().map(|s| (s.seconds - x).powi(2)).sum::<f64>()
}
