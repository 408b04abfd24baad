//! Quality, size and speed of late-interaction search on a real collection.
//!
//! ```text
//! cargo bench --bench search -- --collection DIR --model DIR [--split test]
//! cargo bench --bench search -- --encoded DIR [--encoded DIR …]
//!     [--storage f32|4|2 …] [--effort NPROBE,CANDIDATES,MARGIN …] [--k N] [--queries N] [--json FILE] [--commit REV]
//! ```
//!
//! Encodes a BEIR folder once, or takes folders that the example `encode_collection` wrote (the queries and judgements of
//! the first, the documents of all), builds one index per storage from the same token vectors, and compares each plan with exact
//! scores on uncompressed f32 tokens and with an exhaustive scan of the same codes.
//! Times are per query on one thread: the minimum of the rounds, which go over all systems in turn; stages are medians over queries.
//! Without a collection it says how to use it and ends well, so that `cargo bench` over all benches does.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use lateen::corpus::{Document, ReadOptions, Source};
use lateen::encode::{Model, ModelOptions};
use lateen::eval::Qrels;
use lateen::format::{DenseStorage, IndexSettings, ModelIdentity, StoredDocument, TokenStorage};
use lateen::index::{Index, NewDocument, Snapshot, WriterOptions};
use lateen::search::{Effort, PlanChoice, SearchOptions, SearchReport, StageReport, search_tokens};
use lateen::types::{EncodedTokens, TokenMatrixBuf};
use serde_json::json;

#[path = "support/mod.rs"]
mod support;
use support::Quality;
use support::encoded::Encoded;

const ROUNDS: usize = 5;
const COLUMNS: [&str; 17] = [
    "storage",
    "plan",
    "effort",
    "ndcg@10",
    "recall@10_vs_float",
    "recall@100_vs_float",
    "recall@10_vs_scan",
    "recall@100_vs_scan",
    "ms_p50",
    "ms_p95",
    "centroids_ms",
    "lists_ms",
    "refine_ms",
    "rescore_ms",
    "scored",
    "bytes_per_token",
    "build_seconds",
];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse()?;
    let data = match (&arguments.collection, &arguments.encoded[..]) {
        (Some(collection), _) => Data::encode(collection, &arguments)?,
        (None, [_, ..]) => Data::read(&arguments)?,
        (None, []) => {
            println!(
                "usage: cargo bench --bench search -- --collection DIR --model DIR | --encoded DIR [--json FILE]"
            );
            return Ok(());
        }
    };
    let folder = tempfile::tempdir()?;
    let built = arguments.storages.iter().map(|&storage| Built::new(&data, storage, folder.path()));
    let built = built.collect::<anyhow::Result<Vec<_>>>()?;
    let mut systems = Vec::new();
    for index in &built {
        systems.push(System::new(index, PlanChoice::Exact, None, &data));
        if index.storage != TokenStorage::F32 {
            let efforts = std::iter::once(None).chain(arguments.efforts.iter().copied().map(Some));
            systems.extend(efforts.map(|effort| System::new(index, PlanChoice::TwoStage, effort, &data)));
        }
    }
    for _ in 0..ROUNDS {
        for system in &mut systems {
            system.round(&data)?;
        }
    }
    let rows = (0..systems.len()).map(|at| row(&systems, at, &data));
    let rows = rows.collect::<anyhow::Result<Vec<_>>>()?;
    support::print_table(&rows, &COLUMNS);
    if let Some(file) = &arguments.json {
        let record = json!({
            "bench": "search", "collection": data.name, "model": data.model, "k": data.k,
            "commit": arguments.commit, "cpu": support::machine::cpu(), "kernel": SearchOptions::default().isa.name(),
            "documents": data.documents.len(), "tokens": data.tokens, "dim": data.dim,
            "queries": data.queries.len(), "rounds": ROUNDS, "rows": rows,
        });
        std::fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(())
}

struct Arguments {
    collection: Option<PathBuf>,
    encoded: Vec<PathBuf>,
    model: Option<PathBuf>,
    split: Option<String>,
    storages: Vec<TokenStorage>,
    efforts: Vec<Effort>,
    k: usize,
    queries: usize,
    json: Option<PathBuf>,
    commit: Option<String>,
}

impl Arguments {
    fn parse() -> anyhow::Result<Self> {
        let mut parsed = Self {
            collection: None,
            encoded: Vec::new(),
            model: None,
            split: None,
            storages: Vec::new(),
            efforts: Vec::new(),
            k: 100,
            queries: usize::MAX,
            json: None,
            commit: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--collection" => parsed.collection = Some(value()?.into()),
                "--encoded" => parsed.encoded.push(value()?.into()),
                "--model" => parsed.model = Some(value()?.into()),
                "--split" => parsed.split = Some(value()?),
                "--storage" => parsed.storages.push(storage(&value()?)?),
                "--effort" => parsed.efforts.push(effort(&value()?)?),
                "--k" => parsed.k = value()?.parse()?,
                "--queries" => parsed.queries = value()?.parse()?,
                "--json" => parsed.json = Some(value()?.into()),
                "--commit" => parsed.commit = Some(value()?),
                "--bench" => {}
                other => anyhow::bail!("unknown argument {other}"),
            }
        }
        if parsed.storages.is_empty() {
            parsed.storages = vec![TokenStorage::F32, TokenStorage::Residual4, TokenStorage::Residual2];
        }
        Ok(parsed)
    }
}

fn storage(name: &str) -> anyhow::Result<TokenStorage> {
    Ok(match name {
        "f32" => TokenStorage::F32,
        "4" => TokenStorage::Residual4,
        "2" => TokenStorage::Residual2,
        _ => anyhow::bail!("no storage {name}; there are f32, 4 and 2"),
    })
}

fn effort(text: &str) -> anyhow::Result<Effort> {
    let mut parts = text.split(',');
    let mut part = || parts.next().context("an effort is NPROBE,CANDIDATES,MARGIN");
    let (nprobe, candidates, margin) = (part()?.parse()?, part()?.parse()?, part()?.parse()?);
    Ok(Effort { margin, ..Effort::with(nprobe, candidates) })
}

/// A collection as token vectors.
struct Data {
    name: String,
    model: String,
    documents: Vec<(Document, EncodedTokens)>,
    queries: Vec<(String, TokenMatrixBuf)>,
    quality: Quality,
    tokens: usize,
    dim: usize,
    k: usize,
}

impl Data {
    fn read(arguments: &Arguments) -> anyhow::Result<Self> {
        let names: Vec<String> = arguments.encoded.iter().map(|folder| name(folder)).collect();
        let quality = Quality::from(Qrels::open(arguments.encoded[0].join("qrels.tsv"))?);
        let mut all = Encoded::open(&arguments.encoded[0], usize::MAX)?;
        for (folder, name) in arguments.encoded.iter().zip(&names).skip(1) {
            let more = Encoded::open(folder, usize::MAX)?;
            all.ids.extend(more.ids.iter().map(|id| format!("{name}/{id}")));
            all.documents.extend(more.documents);
        }
        let tokens = all.tokens();
        let documents = all.ids.into_iter().map(|id| Document::new(id, "")).zip(all.documents).collect();
        let queries = all.query_ids.into_iter().zip(all.queries).take(arguments.queries).collect();
        let model = "minilm-tokens128".to_owned();
        Ok(Self {
            name: names.join("+"),
            model,
            documents,
            queries,
            quality,
            tokens,
            dim: all.dim,
            k: arguments.k,
        })
    }

    fn encode(collection: &Path, arguments: &Arguments) -> anyhow::Result<Self> {
        let model = match &arguments.model {
            Some(dir) => Model::load(dir, &ModelOptions::default())?,
            None => Model::bundled()?,
        };
        let dim = model.token_dim().context("the model makes no token vectors")?;
        let quality = Quality::open(collection, arguments.split.as_deref().unwrap_or("test"))?;
        let texts = Source::open(collection, ReadOptions::default())?;
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let start = Instant::now();
        let mut documents = Vec::with_capacity(texts.len());
        let mut tokens = 0;
        for batch in texts.chunks(512) {
            let full: Vec<_> = batch.iter().map(Document::full_text).collect();
            let full: Vec<&str> = full.iter().map(AsRef::as_ref).collect();
            let encoded = model.encode_document_tokens(&full)?;
            tokens += encoded.iter().map(|tokens| tokens.matrix.view().rows()).sum::<usize>();
            documents.extend(batch.iter().cloned().zip(encoded));
            eprint!("\rencoded {} of {} documents", documents.len(), texts.len());
        }
        eprintln!(", {tokens} tokens, in {:.1} s", start.elapsed().as_secs_f64());
        let queries = quality.judged_queries(collection)?.into_iter();
        let queries = queries.map(|(id, text)| Ok((id, model.encode_query_tokens(&text)?.matrix)));
        let queries = queries.collect::<anyhow::Result<Vec<_>>>()?;
        let queries = queries.into_iter().take(arguments.queries).collect();
        let (name, model) = (name(collection), model.name().to_owned());
        Ok(Self { name, model, documents, queries, quality, tokens, dim, k: arguments.k })
    }
}

/// An index of one storage, and what it took.
struct Built {
    storage: TokenStorage,
    snapshot: Arc<Snapshot>,
    bytes: u64,
    seconds: f64,
}

impl Built {
    fn new(data: &Data, storage: TokenStorage, folder: &Path) -> anyhow::Result<Self> {
        let dir = folder.join(format!("{storage:?}"));
        let settings = IndexSettings {
            token_dim: u32::try_from(data.dim)?,
            token_storage: storage,
            dense_dim: 0,
            dense_storage: DenseStorage::None,
            store_documents: true,
            seed: 42,
            ..IndexSettings::default()
        };
        let identity = ModelIdentity {
            name: data.model.clone(),
            location: String::new(),
            fingerprint: [0; 16],
            description: String::new(),
        };
        let start = Instant::now();
        let index = Index::create(&dir, &settings, &identity)?;
        let mut writer =
            index.writer(WriterOptions { memory_budget_bytes: 4 << 30, ..WriterOptions::default() })?;
        for (document, tokens) in &data.documents {
            writer.add(NewDocument {
                id: document.id.clone(),
                tokens: Some(tokens.clone()),
                dense: None,
                stored: Some(StoredDocument {
                    title: document.title.clone(),
                    text: document.text.clone(),
                    metadata: String::new(),
                }),
                content_hash: document.content_hash(),
            })?;
        }
        writer.commit()?;
        drop(writer);
        let seconds = start.elapsed().as_secs_f64();
        let files = std::fs::read_dir(&dir)?;
        let bytes = files.map(|file| Ok(file?.metadata()?.len())).sum::<std::io::Result<u64>>()?;
        eprintln!("built {storage:?} in {seconds:.1} s");
        Ok(Self { storage, snapshot: index.snapshot(), bytes, seconds })
    }
}

/// One index searched in one way.
struct System<'a> {
    built: &'a Built,
    options: SearchOptions,
    /// Fastest time per query, in seconds.
    best: Vec<f64>,
    found: Vec<Vec<(u32, f32)>>,
    /// Of the fastest time.
    reports: Vec<Option<SearchReport>>,
}

impl<'a> System<'a> {
    fn new(built: &'a Built, plan: PlanChoice, effort: Option<Effort>, data: &Data) -> Self {
        let options = SearchOptions { plan, effort, ..SearchOptions::top(data.k) };
        let queries = data.queries.len();
        let (best, found, reports) =
            (vec![f64::INFINITY; queries], vec![Vec::new(); queries], vec![None; queries]);
        Self { built, options, best, found, reports }
    }

    fn round(&mut self, data: &Data) -> anyhow::Result<()> {
        for (at, (_, query)) in data.queries.iter().enumerate() {
            let start = Instant::now();
            let outcome = search_tokens(&self.built.snapshot, query.view(), &self.options)?;
            let seconds = start.elapsed().as_secs_f64();
            self.found[at] = outcome.hits.iter().map(|hit| (hit.doc.0, hit.score.get())).collect();
            if seconds < self.best[at] {
                self.best[at] = seconds;
                self.reports[at] = Some(outcome.report);
            }
        }
        Ok(())
    }
}

impl System<'_> {
    /// The median over queries of what `of` says of a stage.
    fn median(&self, stage: &str, of: impl Fn(&StageReport) -> f64) -> Option<f64> {
        let stages = self
            .reports
            .iter()
            .flatten()
            .filter_map(|report| report.stages.iter().find(|found| found.name == stage).map(&of));
        let mut values: Vec<f64> = stages.collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

fn row(systems: &[System<'_>], at: usize, data: &Data) -> anyhow::Result<serde_json::Value> {
    let system = &systems[at];
    let snapshot = &system.built.snapshot;
    let scan = systems.iter().find(|other| other.built.storage == system.built.storage);
    let float = systems.iter().find(|other| other.built.storage == TokenStorage::F32);
    let mut named = Vec::new();
    for ((id, _), found) in data.queries.iter().zip(&system.found) {
        let hits = found
            .iter()
            .map(|&(doc, score)| Ok((snapshot.external_id(lateen::types::DocId(doc))?.to_owned(), score)));
        named.push((id.clone(), hits.collect::<anyhow::Result<Vec<_>>>()?));
    }
    let [ndcg, recall] = data.quality.measure(named)?;
    let mut best = system.best.clone();
    best.sort_by(f64::total_cmp);
    let ms = |stage| system.median(stage, |report| report.nanos as f64 / 1e6);
    let effort = system.reports.iter().flatten().find_map(|report| report.effort);
    let effort = effort.map(|effort| format!("{},{},{}", effort.nprobe, effort.candidates, effort.margin));
    let against = |other: Option<&System<'_>>, k| other.map(|other| overlap(&system.found, &other.found, k));
    Ok(json!({
        "storage": format!("{:?}", system.built.storage), "plan": format!("{:?}", system.options.plan),
        "ndcg@10": ndcg, "qrels_recall@100": recall,
        "recall@10_vs_float": against(float, 10),
        "recall@100_vs_float": against(float, 100),
        "recall@10_vs_scan": against(scan, 10), "recall@100_vs_scan": against(scan, 100),
        "ms_p50": best[best.len() / 2] * 1e3, "ms_p95": best[best.len() * 95 / 100] * 1e3,
        "effort": effort, "centroids_ms": ms("centroids"), "lists_ms": ms("lists"), "refine_ms": ms("refine"), "rescore_ms": ms("rescore"),
        "scored": system.median("rescore", |report| report.kept as f64),
        "bytes_per_token": system.built.bytes as f64 / data.tokens as f64,
        "build_seconds": system.built.seconds,
    }))
}

/// The mean share of each query's best `k` true documents that were found among the best `k`.
fn overlap(found: &[Vec<(u32, f32)>], truth: &[Vec<(u32, f32)>], k: usize) -> f64 {
    let shares = found.iter().zip(truth).map(|(found, truth)| {
        let truth: HashSet<u32> = truth.iter().take(k).map(|hit| hit.0).collect();
        let met = found.iter().take(k).filter(|hit| truth.contains(&hit.0)).count();
        met as f64 / truth.len().max(1) as f64
    });
    shares.sum::<f64>() / found.len().max(1) as f64
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
