//! Time and memory.

use super::collection::Query;
use super::config::LatencySpec;
use super::ranker::Ranker;
use crate::output::Output;
use crate::progress::Progress;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

/// From text to hits, one query after another, encoding included: searches on one thread, models on all cores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Timed searches.
    pub samples: usize,
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Latency {
    pub fn of(mut seconds: Vec<f64>) -> Option<Self> {
        if seconds.is_empty() {
            return None;
        }
        seconds.sort_by(f64::total_cmp);
        let round = |seconds: f64| (seconds * 1e6).round() / 1e3;
        let at = |share: f64| {
            let rank = (share * seconds.len() as f64).ceil() as usize;
            round(seconds[rank.clamp(1, seconds.len()) - 1])
        };
        Some(Self {
            samples: seconds.len(),
            mean_ms: round(seconds.iter().sum::<f64>() / seconds.len() as f64),
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            max_ms: at(1.0),
        })
    }
}

/// Times all rankers on the same queries, in turns: each query to each ranker, whoever begins changing every time, the whole several
/// times over, so that a busy moment of the machine hits all alike.
pub fn in_turns(
    output: &mut Output,
    rankers: &[Rc<dyn Ranker>],
    queries: &[Query],
    (spec, depth): (&LatencySpec, usize),
) -> anyhow::Result<Vec<Option<Latency>>> {
    let mut seconds: Vec<Vec<f64>> = vec![Vec::new(); rankers.len()];
    let mut spent = vec![0.0; rankers.len()];
    let total = (queries.len() * spec.repeats) as u64;
    let progress = Progress::start(output, Some(total));
    // The first round only warms.
    for round in 0..=spec.repeats {
        for (asked, query) in queries.iter().enumerate() {
            for turn in 0..rankers.len() {
                let at = (turn + asked + round) % rankers.len();
                if spent[at] >= spec.seconds || (round == 0 && asked > 0) {
                    continue;
                }
                let start = Instant::now();
                rankers[at].rank_afresh(query, depth)?;
                let took = start.elapsed().as_secs_f64();
                spent[at] += took;
                if round > 0 {
                    seconds[at].push(took);
                }
            }
            progress.set((round.saturating_sub(1) * queries.len() + asked) as u64, 0, "query");
        }
    }
    Ok(seconds.into_iter().map(Latency::of).collect())
}

/// The most memory that this process has held since [`PeakMemory::begin`].
#[derive(Debug)]
pub struct PeakMemory(());

impl PeakMemory {
    /// Begins anew, where the system can do that.
    pub fn begin() -> Option<Self> {
        // Linux: 5 resets the peak of the resident set.
        std::fs::write("/proc/self/clear_refs", "5").is_ok().then_some(Self(()))
    }

    /// Bytes of the resident set at its largest, mapped files included.
    pub fn end(self) -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }
}

/// Asks the system to forget what it has read of the files in `folder`. Returns whether it was asked.
pub fn drop_pages(folder: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        let Ok(entries) = std::fs::read_dir(folder) else { return false };
        entries
            .flatten()
            .filter_map(|entry| std::fs::File::open(entry.path()).ok())
            .all(|file| rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).is_ok())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        false
    }
}

/// Bytes of all files in a folder.
pub fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|it| it.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let latency = Latency::of((1..=100).rev().map(|ms| f64::from(ms) / 1e3).collect()).unwrap();
        let Latency { samples, mean_ms, p50_ms, p95_ms, p99_ms, max_ms } = latency;
        assert_eq!((samples, mean_ms, p50_ms, p95_ms, p99_ms, max_ms), (100, 50.5, 50.0, 95.0, 99.0, 100.0));
        assert_eq!(Latency::of(Vec::new()), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_is_of_what_came_since() {
        let Some(peak) = PeakMemory::begin() else {
            println!("skipped: the peak cannot be reset here");
            return;
        };
        let held = vec![1_u8; 64 << 20];
        assert!(held.iter().map(|x| u64::from(*x)).sum::<u64>() > 0);
        assert!(peak.end().unwrap() > 64 << 20);
    }
}
