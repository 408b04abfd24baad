//! Time and memory of building an index from texts, under a budget.
//!
//! ```text
//! cargo bench --bench build -- DIR_OR_FILE... [--budget MIB] [--bits 1|ternary|2|4] [--pool N] [--json FILE] [--commit REV]
//! ```
//!
//! Indexes the documents with the bundled model, into a temporary folder. Reports the largest memory of the process's own
//! (`RssAnon`: heap and stacks, without mapped files), looked at fifty times a second, before anything was added and while adding, and
//! what the token vectors would take in half precision: an index of more than the budget is built in pieces. Linux only;
//! elsewhere memory is reported as unknown.

#[path = "support/machine.rs"]
mod machine;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use lateen::corpus::{ReadOptions, Source};
use lateen::encode::Model;
use lateen::format::TokenStorage;
use lateen::retriever::{CreateOptions, Flow, Retriever, WriteOptions};
use serde_json::json;

struct Options {
    inputs: Vec<PathBuf>,
    budget_mib: usize,
    storage: TokenStorage,
    pool: usize,
    json: Option<PathBuf>,
    commit: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let options = options()?;
    if options.inputs.is_empty() {
        println!("usage: cargo bench --bench build -- DIR_OR_FILE... [--budget MIB]");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let model = Arc::new(Model::bundled()?);
    let create = CreateOptions { token_storage: Some(options.storage), ..CreateOptions::default() };
    let retriever = Retriever::create(&folder.path().join("index"), model, &create)?;
    let mut write = WriteOptions::default();
    write.index.memory_budget_bytes = options.budget_mib << 20;
    write.index.pooling.factor = options.pool;
    let before = status_kib("RssAnon:");
    let watch = Watch::start();
    let start = Instant::now();
    let mut writer = retriever.writer(&write)?;
    for path in &options.inputs {
        let documents = Source::open(path, ReadOptions::default())?;
        writer.add_all(documents, &mut |state| {
            if state.read % 16_384 == 0 {
                let (read, seconds) = (state.read, start.elapsed().as_secs_f64());
                eprintln!("{}: {read} documents, {seconds:.0} s", path.display());
            }
            Flow::Continue
        })?;
    }
    let tokens = writer.report().tokens;
    writer.commit()?;
    let seconds = start.elapsed().as_secs_f64();
    let peak = watch.stop();
    let stats = retriever.index().stats();
    let dim = u64::from(retriever.snapshot().settings().token_dim);
    let mib = |kib: Option<u64>| kib.map(|kib| kib as f64 / 1024.0);
    let record = json!({
        "bench": "build", "commit": options.commit, "cpu": machine::cpu(),
        "threads": rayon::current_num_threads(), "storage": options.storage.name(), "pool": options.pool,
        "documents": stats.documents, "tokens_encoded": tokens, "tokens": stats.tokens, "dim": dim,
        "segments": stats.segments.len(), "bytes": stats.bytes, "bytes_per_token": stats.bytes_per_token(),
        "seconds": seconds, "budget_mib": options.budget_mib,
        "vectors_f16_mib": (tokens * dim * 2) as f64 / f64::from(1 << 20),
        "own_memory_before_mib": mib(before), "own_memory_peak_mib": mib(peak),
    });
    println!("{}", serde_json::to_string_pretty(&record)?);
    if let Some(file) = options.json {
        std::fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(())
}

/// Looks at the process's memory from a thread of its own.
struct Watch {
    done: Arc<AtomicBool>,
    largest: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Watch {
    fn start() -> Self {
        let (done, largest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (is_done, seen) = (Arc::clone(&done), Arc::clone(&largest));
        let thread = std::thread::spawn(move || {
            while !is_done.load(Ordering::Relaxed) {
                seen.fetch_max(status_kib("RssAnon:").unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { done, largest, thread }
    }

    /// The most that was seen, in KiB.
    fn stop(self) -> Option<u64> {
        self.done.store(true, Ordering::Relaxed);
        self.thread.join().ok()?;
        Some(self.largest.load(Ordering::Relaxed)).filter(|&kib| kib > 0)
    }
}

fn status_kib(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(field))?.split_whitespace().next()?.parse().ok()
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options {
        inputs: Vec::new(),
        budget_mib: 256,
        storage: TokenStorage::Residual4,
        pool: 1,
        json: None,
        commit: None,
    };
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--budget" => options.budget_mib = value()?.parse()?,
            "--pool" => options.pool = value()?.parse()?,
            "--bits" => {
                options.storage = match value()?.as_str() {
                    "1" => TokenStorage::Residual1,
                    "ternary" => TokenStorage::ResidualTernary,
                    "2" => TokenStorage::Residual2,
                    "4" => TokenStorage::Residual4,
                    other => anyhow::bail!("no codes of {other} bits"),
                }
            }
            "--json" => options.json = Some(value()?.into()),
            "--commit" => options.commit = Some(value()?),
            _ => options.inputs.push(word.into()),
        }
    }
    Ok(options)
}
