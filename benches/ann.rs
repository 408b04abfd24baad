//! Build time, queries per second and recall of the graph; postings per second of the accumulator.
//!
//! ```text
//! cargo bench --bench ann -- [--vectors DIR] [--ef 32,48,64,96,128] [--rounds 3] [--threads 1] [--wait] [--json FILE]
//! ```
//!
//! `DIR` holds `base.npy` and `queries.npy` (f32, `[rows, dim]`). Without it, 20,000 clustered vectors are made.
//! Searches run on one thread. `--wait` reads a line from standard input before each round, so that a script can
//! measure another library in between.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use lateen::ann::hnsw::{Graph, HnswOptions, Metric, SearchScratch, beam_search, build};
use lateen::ann::{Accumulator, invert};
use rayon::prelude::*;
use serde_json::{Value, json};
use simsimd::SpatialSimilarity;

type AnyError = Box<dyn std::error::Error>;

struct Vectors {
    data: Vec<f32>,
    dim: usize,
}

impl Vectors {
    fn row(&self, row: u32) -> &[f32] {
        &self.data[row as usize * self.dim..][..self.dim]
    }

    #[inline]
    fn to(&self, query: &[f32], row: u32) -> f32 {
        f32::sqeuclidean(query, self.row(row)).unwrap_or(f64::INFINITY) as f32
    }
}

impl Metric for Vectors {
    fn len(&self) -> usize {
        self.data.len() / self.dim
    }
    #[inline]
    fn distance(&self, a: u32, b: u32) -> f32 {
        self.to(self.row(a), b)
    }
}

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let (base, queries) = match option("--vectors") {
        Some(directory) => {
            let read = |name: &str| read_npy(&Path::new(&directory).join(name));
            (read("base.npy")?, read("queries.npy")?)
        }
        None => synthetic(20_000, 500, 128),
    };
    let efs: Vec<usize> = option("--ef")
        .unwrap_or_else(|| "32,48,64,96,128".into())
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let rounds: usize = option("--rounds").map_or(Ok(3), |rounds| rounds.parse())?;
    let one_thread = option("--threads").is_some_and(|threads| threads == "1");
    let (graph, seconds) = timed_build(&base, one_thread)?;
    println!("{}", json!({"nodes": base.len(), "build_seconds": seconds, "one_thread": one_thread}));
    let exact = nearest(&base, &queries);
    let mut results = Vec::new();
    for _ in 0..rounds {
        if arguments.iter().any(|argument| argument == "--wait") {
            std::io::stdin().read_line(&mut String::new())?;
        }
        for &ef in &efs {
            results.push(search(&base, &queries, &graph, ef, &exact)?);
        }
    }
    let accumulator = accumulate()?;
    if let Some(file) = option("--json") {
        let record = json!({
            "nodes": base.len(), "dim": base.dim, "build_seconds": seconds,
            "threads": rayon::current_num_threads(), "one_thread": one_thread, "search": results, "accumulator": accumulator,
        });
        std::fs::write(file, serde_json::to_vec_pretty(&record)?)?;
    }
    Ok(())
}

/// The graph, and the time on the wall that it took; on one thread, the time of that thread.
fn timed_build(base: &Vectors, one_thread: bool) -> Result<(Graph, f64), AnyError> {
    let options = HnswOptions::default();
    if !one_thread {
        let start = Instant::now();
        let graph = build(base, &options)?;
        return Ok((graph, start.elapsed().as_secs_f64()));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let timed = pool.install(|| {
        let start = Clock::start();
        build(base, &options).map(|graph| (graph, start.seconds()))
    });
    Ok(timed?)
}

fn search(
    base: &Vectors,
    queries: &Vectors,
    graph: &Graph,
    ef: usize,
    exact: &[Vec<u32>],
) -> Result<Value, AnyError> {
    let mut scratch = SearchScratch::new();
    let (mut found, mut distances) = (0, 0);
    let mut answers = Vec::with_capacity(exact.len());
    let start = Clock::start();
    for query in 0..queries.len() as u32 {
        let query = queries.row(query);
        answers.push(beam_search(graph, ef, |node| base.to(query, node), None, &mut scratch)?);
        distances += scratch.distances();
    }
    let seconds = start.seconds();
    for (answer, exact) in answers.iter().zip(exact) {
        let best = &answer[..exact.len().min(answer.len())];
        found += best.iter().filter(|(node, _)| exact.contains(node)).count();
    }
    let count = queries.len() as f64;
    let result = json!({
        "ef": ef, "qps": count / seconds, "recall_10": found as f64 / exact.iter().map(Vec::len).sum::<usize>() as f64,
        "distances": distances as f64 / count,
    });
    println!("{result}");
    Ok(result)
}

/// The ten nearest of each query by looking at all.
fn nearest(base: &Vectors, queries: &Vectors) -> Vec<Vec<u32>> {
    (0..queries.len() as u32)
        .into_par_iter()
        .map(|query| {
            let query = queries.row(query);
            let mut all: Vec<(f32, u32)> =
                (0..base.len() as u32).map(|at| (base.to(query, at), at)).collect();
            let k = 10.min(all.len());
            all.select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0));
            all[..k].iter().map(|&(_, at)| at).collect()
        })
        .collect()
}

/// 32 query tokens with 8 lists each, over 100,000 documents of 100 tokens.
fn accumulate() -> Result<Value, AnyError> {
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
    let start = Clock::start();
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

/// Time that this thread has run: on a busy machine it says more than time on the wall. Where the system does not tell
/// it, time on the wall.
struct Clock(Instant, Option<u64>);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), Self::nanoseconds())
    }

    fn nanoseconds() -> Option<u64> {
        std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
    }

    fn seconds(&self) -> f64 {
        match (self.1, Self::nanoseconds()) {
            (Some(start), Some(end)) => (end - start) as f64 * 1e-9,
            _ => self.0.elapsed().as_secs_f64(),
        }
    }
}

/// Numbers from 0 to 1.
fn random() -> impl FnMut() -> f32 {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    }
}

fn synthetic(base: usize, queries: usize, dim: usize) -> (Vectors, Vectors) {
    let mut random = random();
    let clusters = 200;
    let centres: Vec<f32> = (0..clusters * dim).map(|_| random() - 0.5).collect();
    let mut rows = |count: usize| {
        let data = (0..count * dim)
            .map(|at| centres[at / dim % clusters * dim + at % dim] + random() - 0.5)
            .collect();
        Vectors { data, dim }
    };
    (rows(base), rows(queries))
}

/// A matrix in NumPy's format.
fn read_npy(path: &Path) -> Result<Vectors, AnyError> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..10 + length]).into_owned();
    assert!(header.contains("<f4"), "{}: not f32", path.display());
    let shape = header.split("'shape': (").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_default();
    let dim = shape.split(',').nth(1).and_then(|number| number.trim().parse().ok()).unwrap_or(1);
    let numbers = bytes[10 + length..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    Ok(Vectors { data: numbers.collect(), dim })
}
