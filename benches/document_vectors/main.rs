//! One vector per document as a source of candidates for late interaction, against centroid accumulation.
//!
//! ```text
//! cargo bench --bench document_vectors -- --encoded DIR [--queries 300] [--json FILE] [--commit REV]
//! ```
//!
//! `DIR` is what the example `encode_collection` writes. For each source the best `N` documents are taken, and counted
//! is how many of the best 10 and of the best 100 by exact MaxSim over `f32` tokens are among them. Vectors are stored
//! in bytes with a scale each, queries are not rounded; all vectors are compared, so that a source's recall is its own and not
//! that of a graph. Times are of the processor, on one thread, per query, from token vectors to candidates.
//!
//! * `mean`: the mean of a text's token vectors.
//! * `fde r k d`: fixed-dimensional encodings (Jayaram, Dhulipala et al., "MUVERA", NeurIPS 2024, arXiv:2405.19504): `r` times, space
//!   is divided by `k` random hyperplanes, tokens are projected to `d` dimensions by random signs; a query adds up the tokens of
//!   a part, a document takes their mean, and fills an empty part with the token of the nearest one. Of tokens less their mean.
//! * `lemur d`: `Σᵢ φ(qᵢ) · w` for `d` random features `φ`; `w` of each document is the least-squares fit of
//!   `maxⱼ ⟨x, dⱼ⟩` over sampled tokens `x` (Jääsaari et al., "LEMUR", arXiv:2601.21853, with features that are not learned).
//! * `accumulation p`: the first stage of the two-stage plan, with `p` centroids per query token.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use lateen::format::{DenseStorage, IndexSettings, ModelIdentity, TokenStorage};
use lateen::index::{Index, NewDocument, Snapshot, WriterOptions};
use lateen::kernel::{Isa, QueryI16};
use lateen::search::{Effort, PlanChoice, SearchOptions, search_tokens};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

mod fde;
mod lemur;
#[path = "../support/mod.rs"]
mod support;
use fde::Fde;
use lemur::{Lemur, Maxima};
use support::encoded::Encoded;

/// Candidates taken.
const TAKEN: [usize; 3] = [200, 500, 1000];

fn main() -> anyhow::Result<()> {
    let Some(arguments) = Arguments::parse()? else {
        println!(
            "usage: cargo bench --bench document_vectors -- --encoded DIR [--queries 300] [--json FILE]"
        );
        return Ok(());
    };
    let mut data = Encoded::open(&arguments.encoded, usize::MAX)?;
    data.queries.truncate(arguments.queries);
    let folder = tempfile::tempdir()?;
    let exact = Index::create(&folder.path().join("f32"), &settings(&data, TokenStorage::F32), &model())?;
    let exact = committed(exact, &data)?;
    let search = |query: usize| -> anyhow::Result<Vec<u32>> {
        let options = SearchOptions { plan: PlanChoice::Exact, ..SearchOptions::top(100) };
        let outcome = search_tokens(&exact, data.queries[query].view(), &options)?;
        Ok(outcome.hits.iter().map(|hit| hit.doc.0).collect())
    };
    let truth = (0..data.queries.len()).map(search).collect::<anyhow::Result<Vec<_>>>()?;
    drop(exact);
    let mut rows = accumulation(&data, &truth, folder.path())?;
    rows.push(measure("mean", &(data.dim, Mean), &data, &truth)?);
    for (repetitions, planes, dims) in [(5, 4, 8), (20, 4, 8), (20, 5, 8), (40, 5, 16)] {
        let source = Fde::new(&data, (repetitions, planes, dims));
        rows.push(measure(&format!("fde {repetitions} {planes} {dims}"), &source, &data, &truth)?);
    }
    let maxima = Maxima::of(&data);
    for dims in [256, 1024, 2048] {
        rows.push(measure(&format!("lemur {dims}"), &Lemur::fit(&data, &maxima, dims)?, &data, &truth)?);
    }
    support::print_table(&rows, &COLUMNS);
    if let Some(file) = &arguments.json {
        let record = json!({
            "bench": "document_vectors", "collection": arguments.encoded.file_name().map(|name| name.to_string_lossy()),
            "commit": arguments.commit, "cpu": support::machine::cpu(), "documents": data.documents.len(),
            "tokens": data.tokens(), "queries": data.queries.len(), "rows": rows,
        });
        std::fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(())
}

const COLUMNS: [&str; 9] = [
    "source",
    "10 in 200",
    "10 in 500",
    "10 in 1000",
    "100 in 200",
    "100 in 500",
    "100 in 1000",
    "bytes_per_document",
    "microseconds",
];

struct Arguments {
    encoded: PathBuf,
    queries: usize,
    json: Option<PathBuf>,
    commit: Option<String>,
}

impl Arguments {
    fn parse() -> anyhow::Result<Option<Self>> {
        let (mut encoded, mut queries, mut json, mut commit) = (None, 300, None, None);
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--encoded" => encoded = Some(PathBuf::from(value()?)),
                "--queries" => queries = value()?.parse()?,
                "--json" => json = Some(value()?.into()),
                "--commit" => commit = Some(value()?),
                "--bench" => {}
                other => anyhow::bail!("unknown argument {other}"),
            }
        }
        Ok(encoded.map(|encoded| Self { encoded, queries, json, commit }))
    }
}

fn settings(data: &Encoded, token_storage: TokenStorage) -> IndexSettings {
    IndexSettings {
        token_dim: data.dim as u32,
        token_storage,
        dense_dim: 0,
        dense_storage: DenseStorage::None,
        store_documents: false,
        seed: 42,
        ..IndexSettings::default()
    }
}

fn model() -> ModelIdentity {
    ModelIdentity {
        name: "tokens".to_owned(),
        location: String::new(),
        fingerprint: [0; 16],
        description: String::new(),
    }
}

fn committed(index: Index, data: &Encoded) -> anyhow::Result<std::sync::Arc<Snapshot>> {
    let options = WriterOptions { memory_budget_bytes: 16 << 30, threads: 1, ..WriterOptions::default() };
    let mut writer = index.writer(options)?;
    for (id, tokens) in data.ids.iter().zip(&data.documents) {
        let (id, tokens) = (id.clone(), Some(tokens.clone()));
        writer.add(NewDocument { id, tokens, dense: None, stored: None, content_hash: 0 })?;
    }
    writer.commit()?;
    Ok(index.snapshot())
}

/// How many of `wanted` are among the first `taken` of `found`, over all queries.
fn recall(found: &[Vec<u32>], truth: &[Vec<u32>], (best, taken): (usize, usize)) -> f64 {
    let (mut met, mut of) = (0, 0);
    for (found, truth) in found.iter().zip(truth) {
        let found: std::collections::HashSet<u32> = found.iter().take(taken).copied().collect();
        let wanted = &truth[..best.min(truth.len())];
        met += wanted.iter().filter(|doc| found.contains(doc)).count();
        of += wanted.len();
    }
    met as f64 / of.max(1) as f64
}

fn row(
    source: &str,
    found: impl Fn(usize) -> anyhow::Result<Vec<Vec<u32>>>,
    truth: &[Vec<u32>],
) -> anyhow::Result<Value> {
    let mut row = json!({ "source": source });
    for taken in TAKEN {
        let found = found(taken)?;
        for best in [10, 100] {
            row[format!("{best} in {taken}")] = recall(&found, truth, (best, taken)).into();
        }
    }
    Ok(row)
}

/// The first stage that is there: hits of a search that keeps its whole shortlist.
fn accumulation(data: &Encoded, truth: &[Vec<u32>], folder: &std::path::Path) -> anyhow::Result<Vec<Value>> {
    let index = Index::create(&folder.join("codes"), &settings(data, TokenStorage::Residual4), &model())?;
    let snapshot = committed(index, data)?;
    let mut rows = Vec::new();
    for nprobe in [16, 32, 64] {
        let search = |query: usize, taken: usize| {
            let effort = Effort { margin: f32::INFINITY, ..Effort::with(nprobe, taken) };
            let options = SearchOptions {
                plan: PlanChoice::TwoStage,
                effort: Some(effort),
                ..SearchOptions::top(taken)
            };
            search_tokens(&snapshot, data.queries[query].view(), &options)
        };
        let (mut microseconds, queries) = (0.0, data.queries.len());
        for query in 0..queries {
            let report = search(query, TAKEN[1])?.report;
            let first =
                report.stages.iter().filter(|stage| stage.name == "centroids" || stage.name == "lists");
            microseconds += first.map(|stage| stage.nanos).sum::<u64>() as f64 / 1e3 / queries as f64;
        }
        let found = |taken| -> anyhow::Result<Vec<Vec<u32>>> {
            let hits = |query| Ok(search(query, taken)?.hits.iter().map(|hit| hit.doc.0).collect());
            (0..queries).map(hits).collect()
        };
        let mut row = row(&format!("accumulation {nprobe}"), found, truth)?;
        let lists = snapshot.segments().iter().flat_map(|segment| segment.reader().entries());
        let lists = lists.filter(|entry| entry.kind() == lateen::format::SectionKind::InvertedLists);
        let bytes: u64 = lists.map(|entry| entry.range().len() as u64).sum();
        row["bytes_per_document"] = (bytes as f64 / data.documents.len() as f64).into();
        row["microseconds"] = microseconds.into();
        rows.push(row);
    }
    Ok(rows)
}

/// A way to one vector per text, such that products of queries' and documents' vectors stand for MaxSim.
trait Source {
    fn document(&self, number: usize, tokens: &[f32]) -> Vec<f32>;
    fn query(&self, tokens: &[f32]) -> Vec<f32>;
}

fn measure(name: &str, source: &impl Source, data: &Encoded, truth: &[Vec<u32>]) -> anyhow::Result<Value> {
    let (mut codes, mut scales, mut dims) = (Vec::new(), Vec::new(), 0);
    for (number, document) in data.documents.iter().enumerate() {
        let vector = source.document(number, document.matrix.view().as_slice());
        let scale = vector.iter().fold(f32::MIN_POSITIVE, |largest, x| largest.max(x.abs())) / 127.0;
        codes.extend(vector.iter().map(|x| (x / scale).round() as i8));
        scales.push(scale);
        dims = vector.len();
    }
    let all: Vec<u32> = (0..data.documents.len() as u32).collect();
    let mut products = vec![0; all.len()];
    let start = Instant::now();
    let found: Vec<Vec<u32>> = data
        .queries
        .iter()
        .map(|query| {
            let vector = QueryI16::new(&source.query(query.view().as_slice()));
            vector.dots(Isa::detect(), &codes, &all, &mut products);
            let mut scored: Vec<(f32, u32)> = products
                .iter()
                .zip(&scales)
                .zip(&all)
                .map(|((&product, scale), &doc)| (product as f32 * scale, doc))
                .collect();
            let taken = TAKEN[TAKEN.len() - 1].min(scored.len());
            scored.select_nth_unstable_by(taken - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            scored.truncate(taken);
            scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            scored.into_iter().map(|(_, doc)| doc).collect()
        })
        .collect();
    let microseconds = start.elapsed().as_secs_f64() * 1e6 / data.queries.len() as f64;
    let mut row = row(name, |_| Ok(found.clone()), truth)?;
    row["bytes_per_document"] = (dims + size_of::<f32>()).into();
    row["microseconds"] = microseconds.into();
    Ok(row)
}

fn add(sum: &mut [f32], row: &[f32], factor: f32) {
    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    lateen::kernel::dot(Isa::detect(), a, b)
}

struct Mean;

impl Mean {
    fn of(tokens: &[f32], dim: usize) -> Vec<f32> {
        let mut sum = vec![0.0; dim];
        let rows = (tokens.len() / dim).max(1) as f32;
        tokens.chunks_exact(dim).for_each(|row| add(&mut sum, row, 1.0 / rows));
        sum
    }
}

impl Source for (usize, Mean) {
    fn document(&self, _: usize, tokens: &[f32]) -> Vec<f32> {
        let mut mean = Mean::of(tokens, self.0);
        let length = dot(&mean, &mean).sqrt().max(f32::MIN_POSITIVE);
        mean.iter_mut().for_each(|x| *x /= length);
        mean
    }
    fn query(&self, tokens: &[f32]) -> Vec<f32> {
        Mean::of(tokens, self.0)
    }
}

fn normal(random: &mut StdRng) -> f32 {
    // Box and Muller.
    let (u, v): (f32, f32) = (random.random_range(f32::MIN_POSITIVE..1.0), random.random());
    (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}
