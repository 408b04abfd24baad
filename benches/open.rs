//! Time and memory of opening an index.
//!
//! ```text
//! cargo bench --bench open -- --index DIR [--json FILE] [--commit REV]
//! ```
//!
//! Opens the index many times and prints the fastest and the median time, and by how much the process's
//! own memory (`RssAnon`: heap and stacks, without mapped files) and its whole resident memory (`VmRSS`)
//! grow while one snapshot is held. Linux only; elsewhere memory is reported as unknown.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use lateen::index::Index;
use serde_json::json;

#[path = "support/machine.rs"]
mod machine;

const ROUNDS: usize = 200;

fn main() -> anyhow::Result<()> {
    let (mut index, mut json_file, mut commit) = (None::<PathBuf>, None::<PathBuf>, None::<String>);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--index" => index = Some(value()?.into()),
            "--json" => json_file = Some(value()?.into()),
            "--commit" => commit = Some(value()?),
            "--bench" => {}
            other => anyhow::bail!("unknown argument {other}"),
        }
    }
    let Some(path) = index else {
        println!("usage: cargo bench --bench open -- --index DIR [--json FILE]");
        return Ok(());
    };
    let before = (status_kib("RssAnon:"), status_kib("VmRSS:"));
    let held = Index::open(&path)?;
    let after = (status_kib("RssAnon:"), status_kib("VmRSS:"));
    let mut seconds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let opened = Index::open(&path)?;
        seconds.push(start.elapsed().as_secs_f64());
        drop(opened);
    }
    seconds.sort_by(f64::total_cmp);
    let snapshot = held.snapshot();
    let grown = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
    let record = json!({
        "bench": "open", "commit": commit, "cpu": machine::cpu(), "rounds": ROUNDS,
        "documents": snapshot.documents(), "tokens": snapshot.tokens(), "segments": snapshot.segments().len(),
        "bytes": held.stats().bytes,
        "open_ms_min": seconds[0] * 1e3, "open_ms_median": seconds[ROUNDS / 2] * 1e3,
        "own_memory_grown_kib": grown(before.0, after.0), "resident_memory_grown_kib": grown(before.1, after.1),
    });
    println!("{}", serde_json::to_string_pretty(&record)?);
    if let Some(file) = json_file {
        std::fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(())
}

fn status_kib(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(field))?.split_whitespace().next()?.parse().ok()
}
