//! What the harness and its workers say to each other: one JSON object a line.
//!
//! Each system runs in a process of its own, so that its memory is its own and nothing of one is warm for another. The
//! harness writes requests to a worker's standard input and reads replies from its standard output; a worker that is
//! not asked sleeps. `peers.py` speaks the same language.
//!
//! | request | reply |
//! |---|---|
//! | `{"do": "hello"}` | `{"version": …}` and what else is worth recording |
//! | `{"do": "build", "data", "index", "settings"}` | `{"wall_seconds", "cpu_seconds", "peak_mib", "input_mib"}` |
//! | `{"do": "open", "data", "index", "settings"}` | `{"milliseconds", "note"}` |
//! | `{"do": "search", "settings", "k", "queries", "hits"}` | `{"seconds": […], "hits": [[…], …], "peak_mib"}` |
//!
//! A reply `{"error": …}` says what failed. Documents are named by their position.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::machine::{self, cpu_seconds, peak_mib};

/// A request to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Request {
    Hello,
    Build(Job),
    Open(Job),
    Search(Search),
}

/// An index to be built or opened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// The folder of vectors.
    pub data: PathBuf,
    /// The folder of the index.
    pub index: PathBuf,
    /// What the system is to build: bits, threads, memory.
    pub settings: Value,
}

/// Queries to be answered one after another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Search {
    /// How to search.
    pub settings: Value,
    pub k: usize,
    /// Positions of the queries.
    pub queries: Vec<u32>,
    /// Whether the hits are wanted, or only the times.
    pub hits: bool,
}

/// What a build took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Built {
    pub wall_seconds: f64,
    pub cpu_seconds: f64,
    /// The process's largest resident memory, its input included.
    pub peak_mib: f64,
    /// How much of it were the vectors, where the system takes them all at once.
    pub input_mib: f64,
}

/// Answers and what they took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Searched {
    /// One per query, or one for all where the system answers them together.
    pub seconds: Vec<f64>,
    #[serde(default)]
    pub hits: Vec<Vec<u32>>,
    pub peak_mib: f64,
    /// What the system says of how it searched.
    #[serde(default)]
    pub note: Value,
}

/// A system that is part of this program.
pub trait Engine {
    fn about(&self) -> Value;
    /// Builds, and returns how many bytes of vectors were held in memory for it, and the seconds it took.
    fn build(&mut self, job: &Job) -> anyhow::Result<(usize, Watch)>;
    /// Opens what was built; returns the seconds that the index itself took.
    fn open(&mut self, job: &Job) -> anyhow::Result<f64>;
    /// Gets ready for queries under these settings; not timed.
    fn prepare(&mut self, settings: &Value, k: usize) -> anyhow::Result<()>;
    /// Answers one query.
    fn search(&mut self, query: usize) -> anyhow::Result<Vec<u32>>;
    /// How the last query was searched, or what opening took beside.
    fn note(&self) -> Value {
        Value::Null
    }
}

/// Time on the wall and of the processor since it was started.
pub struct Watch {
    pub wall: f64,
    pub cpu: f64,
}

impl Watch {
    pub fn of<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Self)> {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let value = work()?;
        Ok((value, Self { wall: start.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu }))
    }
}

/// Answers requests until the harness hangs up.
pub fn serve(engine: &mut dyn Engine) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let reply = answer(engine, &line?).unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        writeln!(out, "{reply}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(engine: &mut dyn Engine, line: &str) -> anyhow::Result<Value> {
    Ok(match serde_json::from_str(line)? {
        Request::Hello => engine.about(),
        Request::Build(job) => {
            let (input, watch) = engine.build(&job)?;
            serde_json::to_value(Built {
                wall_seconds: watch.wall,
                cpu_seconds: watch.cpu,
                peak_mib: peak_mib(),
                input_mib: machine::mib(input as u64),
            })?
        }
        Request::Open(job) => {
            let seconds = engine.open(&job)?;
            json!({ "milliseconds": seconds * 1e3, "note": engine.note() })
        }
        Request::Search(search) => serde_json::to_value(timed(engine, &search)?)?,
    })
}

fn timed(engine: &mut dyn Engine, search: &Search) -> anyhow::Result<Searched> {
    engine.prepare(&search.settings, search.k)?;
    let (mut seconds, mut hits) = (Vec::with_capacity(search.queries.len()), Vec::new());
    for &query in &search.queries {
        let start = Instant::now();
        let found = engine.search(query as usize)?;
        seconds.push(start.elapsed().as_secs_f64());
        if search.hits {
            hits.push(found);
        }
    }
    Ok(Searched { seconds, hits, peak_mib: peak_mib(), note: engine.note() })
}
