//! What a history of small changes costs: in quality, bytes and time, against an index built at once.
//!
//! ```text
//! cargo bench --bench lifecycle -- [--encoded DIR] [--qrels FILE] [--queries N] [--documents N]
//!     [--json FILE] [--commit REV]
//! ```
//!
//! Two parts. *Latency*: an index of `N` documents (100,000) of 16 random tokens of 128 dimensions on the disk of the
//! temporary folder (0: not at all); then single documents are added, replaced and deleted, each with a commit, and each call is timed.
//! *History*, if a folder made by the example `encode_collection` is given: the collection is built at once, and grown by
//! commits of 1 to 40 documents of which every fourth is replaced or deleted and added again later; then quality against
//! exact scores, bytes and search time are compared, before and after compaction, and after codecs were trained again
//! and again on decoded vectors.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use lateen::eval::{Measure, Metric, Qrels, Run, evaluate};
use lateen::format::{DenseStorage, IndexSettings, ModelIdentity, TokenStorage};
use lateen::index::{
    CompactOptions, Index, MergeMode, MergePolicy, NewDocument, Writer, WriterOptions, backup,
};
use lateen::search::{PlanChoice, SearchOptions, search_tokens};
use lateen::types::{EncodedTokens, TokenMatrixBuf};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

#[path = "support/mod.rs"]
mod support;
use support::encoded::Encoded;

const DIM: usize = 128;
const TOKENS: usize = 16;
const CHANGES: usize = 200;
const ROUNDS: usize = 3;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse()?;
    let mut latency = Vec::new();
    if arguments.documents > 0 {
        latency = measure_latency(arguments.documents)?;
    }
    support::print_table(&latency, &["operation", "merging", "ms_p50", "ms_p99", "ms_max"]);
    let mut history = Vec::new();
    if let Some(folder) = &arguments.encoded {
        history = History::open(folder, &arguments)?.run()?;
        support::print_table(&history, &HISTORY);
    }
    if let Some(file) = &arguments.json {
        let record = json!({
            "bench": "lifecycle", "commit": arguments.commit, "cpu": support::machine::cpu(),
            "kernel": SearchOptions::default().isa.name(), "documents": arguments.documents, "tokens": TOKENS,
            "changes": CHANGES, "latency": latency, "history": history,
        });
        std::fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(())
}

struct Arguments {
    encoded: Option<PathBuf>,
    qrels: Option<PathBuf>,
    queries: usize,
    documents: usize,
    json: Option<PathBuf>,
    commit: Option<String>,
}

impl Arguments {
    fn parse() -> anyhow::Result<Self> {
        let mut parsed =
            Self { encoded: None, qrels: None, queries: 300, documents: 100_000, json: None, commit: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--encoded" => parsed.encoded = Some(value()?.into()),
                "--qrels" => parsed.qrels = Some(value()?.into()),
                "--queries" => parsed.queries = value()?.parse()?,
                "--documents" => parsed.documents = value()?.parse()?,
                "--json" => parsed.json = Some(value()?.into()),
                "--commit" => parsed.commit = Some(value()?),
                "--bench" => {}
                other => anyhow::bail!("unknown argument {other}"),
            }
        }
        Ok(parsed)
    }
}

fn create(path: &Path, dim: usize, storage: TokenStorage) -> anyhow::Result<Index> {
    let settings = IndexSettings {
        token_dim: dim as u32,
        token_storage: storage,
        dense_dim: 0,
        dense_storage: DenseStorage::None,
        store_documents: false,
        seed: 42,
        ..IndexSettings::default()
    };
    Ok(Index::create(path, &settings, &ModelIdentity::default())?)
}

fn random_document(id: String, random: &mut StdRng) -> NewDocument {
    let data = (0..TOKENS * DIM).map(|_| random.random_range(-1.0..1.0)).collect();
    let matrix = TokenMatrixBuf::new(data, DIM).expect("finite rows");
    let tokens = EncodedTokens { matrix, token_ids: Vec::new(), spans: Vec::new() };
    NewDocument { id, tokens: Some(tokens), dense: None, stored: None, content_hash: random.random() }
}

fn measure_latency(documents: usize) -> anyhow::Result<Vec<Value>> {
    let mut rows = Vec::new();
    let mut random = StdRng::seed_from_u64(1);
    let folder = tempfile::tempdir()?;
    let built = folder.path().join("built");
    let index = create(&built, DIM, TokenStorage::Residual4)?;
    let mut writer = index.writer(WriterOptions::default())?;
    for n in 0..documents {
        writer.add(random_document(format!("{n}"), &mut random))?;
    }
    writer.commit()?;
    drop(writer);
    for (name, mode) in [("on commit", MergeMode::OnCommit), ("in the background", MergeMode::Background)] {
        let copy = folder.path().join(name);
        backup(&built, &copy, &mut |_| {})?;
        let merge = MergePolicy { mode, ..MergePolicy::default() };
        let mut writer = Index::open(&copy)?.writer(WriterOptions { merge, ..WriterOptions::default() })?;
        let added: Vec<NewDocument> =
            (0..CHANGES).map(|n| random_document(format!("new {n}"), &mut random)).collect();
        let replaced: Vec<NewDocument> =
            (0..CHANGES).map(|n| random_document(format!("{}", n * 7), &mut random)).collect();
        rows.push(timed("add", name, added.into_iter(), &mut writer, |writer, document| {
            writer.add(document).map(drop)
        })?);
        rows.push(timed("replace", name, replaced.into_iter(), &mut writer, |writer, document| {
            writer.add(document).map(drop)
        })?);
        let ids = (0..CHANGES).map(|n| format!("{}", n * 11 + 1));
        rows.push(timed("delete", name, ids, &mut writer, |writer, id| writer.delete(&id).map(drop))?);
    }
    Ok(rows)
}

fn timed<T>(
    operation: &str,
    merging: &str,
    items: impl Iterator<Item = T>,
    writer: &mut Writer,
    change: impl Fn(&mut Writer, T) -> Result<(), lateen::index::IndexError>,
) -> anyhow::Result<Value> {
    let mut times = Vec::new();
    for item in items {
        let start = Instant::now();
        change(writer, item)?;
        let info = writer.commit()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if let Some(failure) = info.merge_failure {
            anyhow::bail!("merging: {failure}");
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Ok(json!({
        "operation": operation, "merging": merging, "ms_p50": at(0.5), "ms_p99": at(0.99), "ms_max": at(1.0),
    }))
}

const HISTORY: [&str; 11] = [
    "storage",
    "index",
    "commits",
    "segments",
    "ndcg@10",
    "recall@10",
    "recall@10_of_scan",
    "bytes_per_token",
    "ms_p50",
    "seconds",
    "drift",
];

struct History {
    data: Encoded,
    qrels: Option<Qrels>,
    exact: Vec<HashSet<String>>,
}

impl History {
    fn open(folder: &Path, arguments: &Arguments) -> anyhow::Result<Self> {
        let mut data = Encoded::open(folder, usize::MAX)?;
        data.queries.truncate(arguments.queries);
        let qrels = arguments.qrels.as_deref().map(Qrels::open).transpose()?;
        let mut this = Self { data, qrels, exact: Vec::new() };
        let folder = tempfile::tempdir()?;
        let index = create(&folder.path().join("index"), this.data.dim, TokenStorage::F16)?;
        this.build_at_once(&index)?;
        let exact = SearchOptions { plan: PlanChoice::Exact, ..SearchOptions::top(10) };
        this.exact = this
            .search(&index, &exact)?
            .into_iter()
            .map(|hits| hits.into_iter().map(|hit| hit.0).collect())
            .collect();
        Ok(this)
    }

    fn run(&self) -> anyhow::Result<Vec<Value>> {
        let mut rows = Vec::new();
        for storage in [TokenStorage::Residual4, TokenStorage::Residual2] {
            let bits = if storage == TokenStorage::Residual4 { "4 bits" } else { "2 bits" };
            let folder = tempfile::tempdir()?;
            let start = Instant::now();
            let once = create(&folder.path().join("once"), self.data.dim, storage)?;
            self.build_at_once(&once)?;
            rows.push(self.row(bits, "built at once", 1, &once, start)?);
            for (name, budget_bytes) in [("grown", 256 << 20), ("grown within 16 MiB", 16 << 20)] {
                self.rows_of_grown(storage, (bits, name, budget_bytes), folder.path(), &mut rows)?;
            }
            for times in 1..=5 {
                let start = Instant::now();
                let options = CompactOptions { retrain: true, ..CompactOptions::default() };
                once.writer(WriterOptions::default())?.compact(&options, &mut |_| {})?;
                rows.push(self.row(
                    bits,
                    &format!("at once, trained again {times} times"),
                    1,
                    &once,
                    start,
                )?);
            }
        }
        Ok(rows)
    }

    /// An index with a history, as it is, compacted, and in one segment.
    fn rows_of_grown(
        &self,
        storage: TokenStorage,
        (bits, name, budget_bytes): (&str, &str, u64),
        folder: &Path,
        rows: &mut Vec<Value>,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let index = create(&folder.join(name), self.data.dim, storage)?;
        let merge = MergePolicy { budget_bytes, ..MergePolicy::default() };
        let commits = self.grow(&index, WriterOptions { merge, ..WriterOptions::default() })?;
        rows.push(self.row(bits, name, commits, &index, start)?);
        let steps = [
            ("compacted", CompactOptions::default()),
            ("one segment", CompactOptions { full: true, ..CompactOptions::default() }),
        ];
        for (step, options) in steps {
            let start = Instant::now();
            index.writer(WriterOptions::default())?.compact(&options, &mut |_| {})?;
            rows.push(self.row(bits, &format!("{name}, {step}"), commits, &index, start)?);
        }
        Ok(())
    }

    fn document(&self, at: usize, version: u64) -> NewDocument {
        NewDocument {
            id: self.data.ids[at].clone(),
            tokens: Some(self.data.documents[at].clone()),
            dense: None,
            stored: None,
            content_hash: version,
        }
    }

    fn build_at_once(&self, index: &Index) -> anyhow::Result<()> {
        // One segment, whatever the collection's size.
        let options = WriterOptions { memory_budget_bytes: usize::MAX, ..WriterOptions::default() };
        let mut writer = index.writer(options)?;
        for at in 0..self.data.documents.len() {
            writer.add(self.document(at, 0))?;
        }
        writer.commit()?;
        Ok(())
    }

    /// Ends with the same documents; returns how many commits it took.
    fn grow(&self, index: &Index, options: WriterOptions) -> anyhow::Result<usize> {
        let mut random = StdRng::seed_from_u64(7);
        let mut order: Vec<usize> = (0..self.data.documents.len()).collect();
        order.shuffle(&mut random);
        let mut writer = index.writer(options)?;
        let (mut commits, mut there, mut again) = (0, Vec::new(), Vec::new());
        let mut rest = order.as_slice();
        while !rest.is_empty() || !again.is_empty() {
            let (batch, more) = rest.split_at(random.random_range(1..=40).min(rest.len()));
            rest = more;
            let returning: Vec<usize> = if rest.is_empty() { std::mem::take(&mut again) } else { Vec::new() };
            for &at in batch.iter().chain(&returning) {
                writer.add(self.document(at, commits as u64))?;
                there.push(at);
            }
            for _ in 0..batch.len() / 4 {
                let at = random.random_range(0..there.len());
                if random.random_bool(0.5) {
                    writer.add(self.document(there[at], commits as u64))?;
                } else {
                    let gone = there.swap_remove(at);
                    writer.delete(&self.data.ids[gone])?;
                    again.push(gone);
                }
            }
            writer.commit()?;
            commits += 1;
        }
        anyhow::ensure!(
            index.snapshot().documents() == self.data.documents.len() as u64,
            "documents are missing"
        );
        Ok(commits)
    }

    fn row(
        &self,
        storage: &str,
        name: &str,
        commits: usize,
        index: &Index,
        start: Instant,
    ) -> anyhow::Result<Value> {
        let seconds = start.elapsed().as_secs_f64();
        let options = SearchOptions::top(10);
        let mut best = vec![f64::MAX; self.data.queries.len()];
        for _ in 0..ROUNDS {
            for (query, best) in self.data.queries.iter().zip(&mut best) {
                let start = Instant::now();
                search_tokens(&index.snapshot(), query.view(), &options)?;
                *best = best.min(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        best.sort_by(f64::total_cmp);
        let found = self.search(index, &options)?;
        let scan = self.search(index, &SearchOptions { plan: PlanChoice::Exact, ..options })?;
        let stats = index.stats();
        let live = self.data.tokens() as f64;
        let row = json!({
            "storage": storage, "index": name, "commits": commits, "segments": stats.segments.len(),
            "ndcg@10": self.ndcg(&found)?, "recall@10": self.recall(&found), "recall@10_of_scan": self.recall(&scan),

            "bytes_per_token": stats.bytes as f64 / live, "ms_p50": best[best.len() / 2], "seconds": seconds,
            "drift": stats.drift,
        });
        // It takes minutes: what is known is said at once.
        eprintln!("{row}");
        Ok(row)
    }

    fn search(&self, index: &Index, options: &SearchOptions) -> anyhow::Result<Vec<Vec<(String, f32)>>> {
        let snapshot = index.snapshot();
        let one = |query: &TokenMatrixBuf| {
            let hits = search_tokens(&snapshot, query.view(), options)?.hits;
            hits.iter()
                .map(|hit| Ok((snapshot.external_id(hit.doc)?.to_owned(), hit.score.get())))
                .collect::<anyhow::Result<Vec<_>>>()
        };
        self.data.queries.iter().map(one).collect()
    }

    /// The share of the best ten by exact scores that is among the hits.
    fn recall(&self, found: &[Vec<(String, f32)>]) -> f64 {
        let kept = found.iter().zip(&self.exact);
        let kept = kept.map(|(hits, exact)| hits.iter().filter(|hit| exact.contains(&hit.0)).count());
        kept.sum::<usize>() as f64 / (10 * found.len()) as f64
    }

    fn ndcg(&self, found: &[Vec<(String, f32)>]) -> anyhow::Result<Option<f64>> {
        let Some(qrels) = &self.qrels else { return Ok(None) };
        let mut run = Run::new();
        let judged: HashSet<&str> = qrels.queries().collect();
        for (query, hits) in self.data.query_ids.iter().zip(found) {
            if judged.contains(query.as_str()) {
                run.insert_ranked(query.clone(), hits.clone())?;
            }
        }
        let metric = Metric::at(Measure::Ndcg, 10);
        Ok(evaluate(&run, qrels, &[metric]).mean(metric))
    }
}
