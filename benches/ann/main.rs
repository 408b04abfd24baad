//! Dense search: seconds to build, bytes, queries per second and recall of the graph, for each storage of the vectors;
//! postings per second of the accumulator.
//!
//! ```text
//! cargo bench --bench ann -- [--vectors FILE.npy --queries FILE.npy] [--storage f32,f16,i8] [--ef 16,24,32,64,128]
//!                            [--rounds 3] [--threads 1] [--isa NAME] [--wait] [--json FILE] [--commit REV]
//! ```
//!
//! The files are NumPy's, `f32`, `[rows, dim]`. Without them, 20,000 clustered vectors are made. Each row of the result is
//! measured twice: `snapshot` is `search_dense` on a mapped index in a temporary directory, `graph` the same links and
//! `f32` vectors in memory without an index around them. Recall is that of the ten nearest by exact `f32` products. Times are of the
//! processor, on one thread, the best of the rounds, which go over all settings in turn. `--wait` reads a line from
//! standard input before each round, so that a script can measure another library in between.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use lateen::ann::hnsw::{Graph, HnswOptions, SearchScratch, beam_search, build};
use lateen::ann::{Accumulator, invert};
use lateen::format::{DenseStorage, IndexSettings, ModelIdentity, TokenStorage};
use lateen::index::{Index, NewDocument, Snapshot, WriterOptions};
use lateen::kernel::Isa;
use lateen::search::{PlanChoice, SearchOptions, search_dense};
use serde_json::{Value, json};

#[path = "../support/mod.rs"]
mod support;
mod vectors;
use vectors::{Products, Query, Vectors, nearest, random, synthetic};

/// Hits asked for.
const K: usize = 10;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse()?;
    let (base, queries) = match (&arguments.vectors, &arguments.queries) {
        (Some(vectors), Some(queries)) => (Vectors::read(vectors)?, Vectors::read(queries)?),
        (None, None) => synthetic(20_000, 500, 128),
        _ => anyhow::bail!("--vectors and --queries belong together"),
    };
    anyhow::ensure!(
        base.dim == queries.dim,
        "vectors of {}, queries of {} dimensions",
        base.dim,
        queries.dim
    );
    let exact = nearest(&base, &queries, arguments.isa);
    let folder = tempfile::tempdir()?;
    let mut systems = Vec::new();
    for storage in &arguments.storages {
        systems.push(System::index(&base, storage, folder.path(), &arguments)?);
    }
    systems.push(System::graph(&base, &arguments)?);
    for _ in 0..arguments.rounds {
        if arguments.wait {
            std::io::stdin().read_line(&mut String::new())?;
        }
        for system in &mut systems {
            system.round(&base, &queries, &exact, &arguments)?;
        }
    }
    let rows: Vec<Value> = systems.iter().flat_map(System::rows).collect();
    support::print_table(
        &rows,
        &["path", "storage", "ef", "recall@10", "qps", "build_seconds", "bytes_per_vector"],
    );
    let accumulator = accumulate()?;
    if let Some(file) = &arguments.json {
        let record = json!({
            "bench": "ann", "commit": arguments.commit, "cpu": support::machine::cpu(), "kernel": arguments.isa.name(),
            "nodes": base.rows().len(), "dim": base.dim, "queries": queries.rows().len(), "k": K, "rounds": arguments.rounds,
            "build_threads": arguments.threads, "rows": rows, "accumulator": accumulator,
        });
        std::fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(())
}

struct Arguments {
    vectors: Option<PathBuf>,
    queries: Option<PathBuf>,
    storages: Vec<String>,
    efs: Vec<usize>,
    rounds: usize,
    threads: usize,
    isa: Isa,
    wait: bool,
    json: Option<PathBuf>,
    commit: Option<String>,
}

impl Arguments {
    fn parse() -> anyhow::Result<Self> {
        let list = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let mut parsed = Self {
            vectors: None,
            queries: None,
            storages: list("f32,f16,i8".to_owned()),
            efs: vec![16, 24, 32, 64, 128],
            rounds: 3,
            threads: 1,
            isa: Isa::detect(),
            wait: false,
            json: None,
            commit: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--vectors" => parsed.vectors = Some(value()?.into()),
                "--queries" => parsed.queries = Some(value()?.into()),
                "--storage" => parsed.storages = list(value()?),
                "--ef" => {
                    parsed.efs = list(value()?).iter().map(|ef| ef.parse()).collect::<Result<_, _>>()?
                }
                "--rounds" => parsed.rounds = value()?.parse()?,
                "--threads" => parsed.threads = value()?.parse()?,
                "--isa" => parsed.isa = Isa::named(&value()?)?,
                "--wait" => parsed.wait = true,
                "--json" => parsed.json = Some(value()?.into()),
                "--commit" => parsed.commit = Some(value()?),
                "--bench" => {}
                other => anyhow::bail!("unknown argument {other}"),
            }
        }
        Ok(parsed)
    }
}

/// Something that is searched, and what was measured.
struct System {
    kind: Kind,
    storage: String,
    build_seconds: f64,
    bytes: u64,
    measured: Vec<Measured>,
}

enum Kind {
    Snapshot(std::sync::Arc<Snapshot>),
    Graph(Graph),
}

struct Measured {
    ef: usize,
    queries_per_second: f64,
    recall: f64,
    /// Distances per query.
    distances: f64,
}

impl System {
    /// A committed index of one segment, opened anew.
    fn index(base: &Vectors, storage: &str, folder: &Path, arguments: &Arguments) -> anyhow::Result<Self> {
        let dense_storage = match storage {
            "f32" => DenseStorage::F32,
            "f16" => DenseStorage::F16,
            "i8" => DenseStorage::I8,
            other => anyhow::bail!("no storage {other}"),
        };
        let path = folder.join(storage);
        let settings = IndexSettings {
            token_dim: 0,
            token_storage: TokenStorage::None,
            dense_dim: u32::try_from(base.dim)?,
            dense_storage,
            store_documents: false,
            seed: 42,
            ..IndexSettings::default()
        };
        let model = ModelIdentity {
            name: "vectors".to_owned(),
            location: String::new(),
            fingerprint: [0; 16],
            description: String::new(),
        };
        let clock = Clock::process();
        let index = Index::create(&path, &settings, &model)?;
        let options = WriterOptions {
            memory_budget_bytes: 4 << 30,
            threads: arguments.threads,
            ..WriterOptions::default()
        };
        let mut writer = index.writer(options)?;
        for (number, row) in base.rows().enumerate() {
            let (id, dense) = (number.to_string(), Some(row.to_vec()));
            writer.add(NewDocument { id, tokens: None, dense, stored: None, content_hash: 0 })?;
        }
        writer.commit()?;
        let build_seconds = clock.seconds();
        let snapshot = Index::open(&path)?.snapshot();
        let bytes = snapshot.segments().iter().map(|segment| segment.reader().bytes()).sum();
        let (kind, storage) = (Kind::Snapshot(snapshot), storage.to_owned());
        Ok(Self { kind, storage, build_seconds, bytes, measured: Vec::new() })
    }

    /// Links and vectors in memory.
    fn graph(base: &Vectors, arguments: &Arguments) -> anyhow::Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?;
        let clock = Clock::process();
        let graph = pool.install(|| build(&Products(base, arguments.isa), &HnswOptions::default()))?;
        let build_seconds = clock.seconds();
        let links = graph.level0.len() + graph.upper.len() + graph.upper_starts.len();
        let bytes = size_of_val(base.data.as_slice()) + links * size_of::<u32>();
        let (kind, storage) = (Kind::Graph(graph), "f32".to_owned());
        Ok(Self { kind, storage, build_seconds, bytes: bytes as u64, measured: Vec::new() })
    }

    fn round(
        &mut self,
        base: &Vectors,
        queries: &Vectors,
        exact: &[Vec<u32>],
        arguments: &Arguments,
    ) -> anyhow::Result<()> {
        let mut scratch = SearchScratch::new();
        let products = Products(base, arguments.isa);
        for &ef in &arguments.efs {
            let mut answers: Vec<Vec<u32>> = Vec::with_capacity(exact.len());
            let mut distances = 0;
            let clock = Clock::thread();
            for query in queries.rows() {
                answers.push(match &self.kind {
                    Kind::Graph(graph) => {
                        let found =
                            beam_search(graph, ef.max(K), Query(query, &products), None, &mut scratch)?;
                        distances += scratch.distances();
                        found.into_iter().take(K).map(|(node, _)| node).collect()
                    }
                    Kind::Snapshot(snapshot) => {
                        let options = SearchOptions {
                            plan: PlanChoice::Auto,
                            ef_search: Some(ef),
                            isa: arguments.isa,
                            ..SearchOptions::top(K)
                        };
                        let outcome = search_dense(snapshot, query, &options)?;
                        distances += outcome.report.stages.first().map_or(0, |stage| stage.examined);
                        outcome.hits.iter().map(|hit| hit.doc.0).collect()
                    }
                });
            }
            let seconds = clock.seconds();
            let met = |(answer, exact): (&Vec<u32>, &Vec<u32>)| {
                answer.iter().filter(|node| exact.contains(node)).count()
            };
            let found: usize = answers.iter().zip(exact).map(met).sum();
            let recall = found as f64 / exact.iter().map(Vec::len).sum::<usize>().max(1) as f64;
            let count = exact.len() as f64;
            let (queries_per_second, distances) = (count / seconds, distances as f64 / count);
            self.record(Measured { ef, queries_per_second, recall, distances });
        }
        Ok(())
    }

    /// Keeps the fastest round of each setting.
    fn record(&mut self, new: Measured) {
        match self.measured.iter_mut().find(|old| old.ef == new.ef) {
            Some(old) => old.queries_per_second = old.queries_per_second.max(new.queries_per_second),
            None => self.measured.push(new),
        }
    }

    fn rows(&self) -> Vec<Value> {
        let (path, nodes) = match &self.kind {
            Kind::Snapshot(snapshot) => ("snapshot", snapshot.documents()),
            Kind::Graph(graph) => ("graph", graph.levels.len() as u64),
        };
        let row = |measured: &Measured| {
            json!({
                "engine": "lateen", "path": path, "storage": self.storage, "ef": measured.ef, "recall@10": measured.recall,
                "qps": measured.queries_per_second, "distances": measured.distances, "build_seconds": self.build_seconds,
                "bytes": self.bytes, "bytes_per_vector": self.bytes as f64 / nodes.max(1) as f64,
            })
        };
        self.measured.iter().map(row).collect()
    }
}

/// 32 query tokens with 8 lists each, over 100,000 documents of 100 tokens.
fn accumulate() -> anyhow::Result<Value> {
    let (documents, centroids) = (100_000u32, 20_000usize);
    let mut random = random();
    let ids: Vec<u32> =
        (0..documents * 100).map(|_| (random() * random() * centroids as f32) as u32).collect();
    let ends: Vec<u32> = (1..=documents).map(|document| document * 100).collect();
    let start = Instant::now();
    let lists = invert(&ids, &ends, centroids)?;
    let invert_seconds = start.elapsed().as_secs_f64();
    let mut scores = Accumulator::new(documents as usize);
    let (mut postings, mut queries) = (0, 0);
    let start = Clock::thread();
    while queries < 300 {
        scores.start_query();
        for token in 0..32 {
            scores.start_token(0.4);
            for list in 0..8 {
                let list = lists.list((queries * 97 + token * 613 + list * 31 + 200) % centroids);
                postings += list.len();
                scores.walk(list.iter().copied(), 0.9, |_| true)?;
            }
        }
        black_box(scores.best(1000));
        queries += 1;
    }
    let seconds = start.seconds();
    let result = json!({
        "invert_tokens_per_second": ids.len() as f64 / invert_seconds, "postings_per_second": postings as f64 / seconds,
        "postings_per_query": postings / queries, "microseconds_per_query": seconds / queries as f64 * 1e6,
    });
    println!("{result}");
    Ok(result)
}

/// Time that a thread, or the process, has run: on a busy machine it says more than time on the wall. Where the system does not
/// tell it, time on the wall.
struct Clock {
    wall: Instant,
    thread: bool,
    start: Option<f64>,
}

impl Clock {
    fn thread() -> Self {
        Self { wall: Instant::now(), thread: true, start: Self::now(true) }
    }

    fn process() -> Self {
        Self { wall: Instant::now(), thread: false, start: Self::now(false) }
    }

    fn now(thread: bool) -> Option<f64> {
        if thread {
            let times = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
            return times.split(' ').next()?.parse().ok().map(|nanoseconds: f64| nanoseconds * 1e-9);
        }
        // Of all threads, also those that have ended; in hundredths of a second, in user mode and in the kernel.
        let status = std::fs::read_to_string("/proc/self/stat").ok()?;
        let mut ticks = status.rsplit_once(')')?.1.split_whitespace().skip(11).map(str::parse::<f64>);
        Some((ticks.next()?.ok()? + ticks.next()?.ok()?) * 0.01)
    }

    fn seconds(&self) -> f64 {
        match (self.start, Self::now(self.thread)) {
            (Some(start), Some(end)) => end - start,
            _ => self.wall.elapsed().as_secs_f64(),
        }
    }
}
