//! Whether recall that an index measured on queries of its own making holds for people's queries.
//!
//! ```text
//! cargo bench --bench recall -- FOLDER... [--queries N] [--json FILE] [--commit REV] [--curves]
//! ```
//!
//! A folder is a collection as token vectors (`cargo run --release --example encode_collection`). Each is indexed with 4 and
//! with 2 bits and tuned on pseudo-queries; then the collection's own queries, which tuning has not seen, are searched
//! with each recall target. The two-stage plan is demanded, also where a scan would be cheaper. The command fails if a
//! measured recall is more than 0.01 below its target. `--curves` shows, for some efforts, what both kinds of queries find.
//! Without folders it says how to use it and ends well.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use lateen::format::{DenseStorage, IndexSettings, ModelIdentity, TokenStorage, Tuning};
use lateen::index::{Index, IndexOptions, MemoryDirectory, NewDocument, WriterOptions};
use lateen::search::{
    Effort, ExactAnswers, MeasuredRecall, PlanChoice, PseudoQueries, Recall, SearchOptions, TuneOptions, tune,
};
use lateen::types::TokenMatrixBuf;
use serde_json::{Value, json};

#[path = "support/mod.rs"]
mod support;
use support::encoded::Encoded;
use support::machine;

const KS: [usize; 2] = [10, 100];
const STORAGES: [TokenStorage; 2] = [TokenStorage::Residual4, TokenStorage::Residual2];
/// What a promise may be broken by.
const TOLERANCE: f64 = 0.01;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse()?;
    if arguments.folders.is_empty() {
        println!("usage: cargo bench --bench recall -- FOLDER... [--queries N] [--json FILE] [--commit REV]");
        return Ok(());
    }
    let mut rows = Vec::new();
    for folder in &arguments.folders {
        let data = Encoded::open(folder, usize::MAX)?;
        let queries = spread(&data.queries, arguments.queries);
        for storage in STORAGES {
            let index = build(&data, storage)?;
            if arguments.curves {
                curves(&index, &queries, &name(folder))?;
            } else {
                rows.extend(kept(&index, &queries, (&data, storage, &name(folder)))?);
            }
        }
    }
    if let Some(file) = &arguments.json {
        let record = json!({
            "bench": "recall", "commit": arguments.commit, "cpu": machine::cpu(),
            "kernel": SearchOptions::default().isa.name(), "tolerance": TOLERANCE, "rows": rows,
        });
        std::fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    let broken = rows.iter().filter(|row| row["kept"] == false).count();
    anyhow::ensure!(broken == 0, "{broken} of {} promises are broken", rows.len());
    Ok(())
}

#[derive(Default)]
struct Arguments {
    folders: Vec<PathBuf>,
    queries: usize,
    json: Option<PathBuf>,
    commit: Option<String>,
    curves: bool,
}

impl Arguments {
    fn parse() -> anyhow::Result<Self> {
        let mut parsed = Self { queries: 1000, ..Self::default() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--queries" => parsed.queries = value()?.parse()?,
                "--json" => parsed.json = Some(value()?.into()),
                "--commit" => parsed.commit = Some(value()?),
                "--curves" => parsed.curves = true,
                "--bench" => {}
                folder if !folder.starts_with('-') => parsed.folders.push(folder.into()),
                other => anyhow::bail!("unknown argument {other}"),
            }
        }
        Ok(parsed)
    }
}

/// At most `most` of `queries`, evenly spread.
fn spread(queries: &[TokenMatrixBuf], most: usize) -> Vec<TokenMatrixBuf> {
    let step = queries.len().div_ceil(most.max(1)).max(1);
    queries.iter().step_by(step).filter(|query| !query.view().is_empty()).cloned().collect()
}

fn build(data: &Encoded, token_storage: TokenStorage) -> anyhow::Result<Index> {
    let settings = IndexSettings {
        token_dim: u32::try_from(data.dim)?,
        token_storage,
        dense_dim: 0,
        dense_storage: DenseStorage::None,
        store_documents: false,
        seed: 42,
        ..IndexSettings::default()
    };
    let directory = Arc::new(MemoryDirectory::new());
    let index = Index::create_in(directory, &settings, &ModelIdentity::default(), IndexOptions::default())?;
    let mut writer =
        index.writer(WriterOptions { memory_budget_bytes: 4 << 30, ..WriterOptions::default() })?;
    for (id, tokens) in data.ids.iter().zip(&data.documents) {
        let (id, tokens) = (id.clone(), Some(tokens.clone()));
        writer.add(NewDocument { id, tokens, dense: None, stored: None, content_hash: 0 })?;
    }
    writer.commit()?;
    drop(writer);
    Ok(index)
}

/// Tunes on pseudo-queries, then measures every promise on the collection's queries.
fn kept(
    index: &Index,
    queries: &[TokenMatrixBuf],
    (data, storage, name): (&Encoded, TokenStorage, &str),
) -> anyhow::Result<Vec<Value>> {
    let start = Instant::now();
    let tuning = tuned(index)?;
    let seconds = start.elapsed().as_secs_f64();
    let snapshot = index.snapshot();
    let mut rows = Vec::new();
    println!("{name}, {storage:?}: tuned in {seconds:.1} s; {} queries", queries.len());
    println!("| k | target | recall | 95 % | of a scan's work | effort |\n|---|---|---|---|---|---|");
    for k in KS {
        let options = SearchOptions { plan: PlanChoice::TwoStage, ..SearchOptions::top(k) };
        let truth = ExactAnswers::find(&snapshot, queries, &options)?;
        for recall in Recall::USUAL {
            let options = SearchOptions { recall, ..options.clone() };
            let MeasuredRecall { recall: found, work, exact_work, .. } = truth.recall_of(&options)?;
            let effort = lateen::search::search_tokens(&snapshot, queries[0].view(), &options)?.report.effort;
            let kept = found.mean >= recall.share() - TOLERANCE;
            let mark = if kept { "" } else { " BROKEN" };
            println!(
                "| {k} | {recall} | {:.4}{mark} | {:.4}–{:.4} | {:.3} | {effort:?} |",
                found.mean,
                found.lower,
                found.upper,
                work / exact_work
            );
            rows.push(json!({
                "collection": name, "storage": storage.name(), "documents": data.documents.len(),
                "tokens": data.tokens(), "queries": queries.len(), "pseudo_queries": tuning.queries,
                "k": k, "target": recall.share(), "recall": found.mean, "lower": found.lower,
                "upper": found.upper, "work_of_scan": work / exact_work, "kept": kept,
                "effort": effort.map(|effort| format!("{effort:?}")),
                "tuning_seconds": seconds,
            }));
        }
    }
    Ok(rows)
}

fn tuned(index: &Index) -> anyhow::Result<Tuning> {
    let snapshot = index.snapshot();
    let queries = PseudoQueries::default().sample(&snapshot)?;
    let options = TuneOptions::default();
    let tuning = tune(&snapshot, &queries, &options, &mut |_| true)?.context("stopped")?;
    let mut writer = index.writer(WriterOptions::default())?;
    writer.set_tuning(Some(tuning.clone()))?;
    writer.commit()?;
    Ok(tuning)
}

/// What pseudo-queries of several kinds and the collection's own find with the same efforts.
fn curves(index: &Index, queries: &[TokenMatrixBuf], name: &str) -> anyhow::Result<()> {
    let snapshot = index.snapshot();
    let mut kinds = vec![("real".to_owned(), queries.to_vec())];
    for (longest, noise) in
        [(10, 0.0), (10, 0.5), (20, 0.5), (10, 0.75), (20, 0.75), (10, 1.0), (20, 1.0), (20, 1.5)]
    {
        let made = PseudoQueries { longest, noise, ..PseudoQueries::default() }.sample(&snapshot)?;
        kinds.push((format!("≤ {longest}, noise {noise}"), made));
    }
    println!("{name}: {} real queries", queries.len());
    for k in KS {
        for (kind, queries) in &kinds {
            let options = SearchOptions { plan: PlanChoice::TwoStage, ..SearchOptions::top(k) };
            let truth = ExactAnswers::find(&snapshot, queries, &options)?;
            let mut line = String::new();
            for (nprobe, multiple) in
                [(4, 4), (8, 2), (8, 4), (16, 2), (16, 4), (32, 2), (32, 4), (32, 8), (64, 8)]
            {
                let effort = Effort { margin: f32::INFINITY, ..Effort::with(nprobe, k * multiple) };
                let options = SearchOptions { effort: Some(effort), ..options.clone() };
                let found = truth.recall_of(&options)?;
                line += &format!(" {nprobe}/{multiple}: {:.4}", found.recall.mean);
            }
            println!("k {k:>3} {kind:<18}{line}");
        }
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
