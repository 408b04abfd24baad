//! What can be evaluated: an index, or the baseline.

use crate::commands::index::Bits;
use crate::commands::model_choice::ModelChoice;
use crate::exit::bad_data;
use crate::interrupt;
use crate::output::Output;
use crate::progress::Progress;
use anyhow::Context as _;
use lateen::corpus::{Queries, ReadOptions, Source};
use lateen::encode::Model;
use lateen::eval::beir::Collection;
use lateen::eval::{Qrels, Run};
use lateen::lexical::{Analyzer, Bm25Index};
use lateen::retriever::{CreateOptions, Flow, ModelSource, Retriever, WriteOptions};
use lateen::search::{SearchOptions, SearchOutcome, search_dense, search_tokens};
use lateen::types::{EncodedTokens, Hit};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// Ranks documents for a query.
pub trait System {
    fn name(&self) -> String;
    /// Ids and scores, best first.
    fn rank(&self, query: &str, k: usize) -> anyhow::Result<Vec<(String, f32)>>;
}

/// An index, searched without fetching texts.
pub struct Lateen {
    retriever: Retriever,
    options: SearchOptions,
    /// The folder of an index made for this evaluation.
    _folder: Option<tempfile::TempDir>,
}

impl Lateen {
    pub fn open(index: &Path, model: ModelSource, options: SearchOptions) -> anyhow::Result<Self> {
        Ok(Self { retriever: Retriever::open(index, model)?, options, _folder: None })
    }

    /// Indexes the collection into a temporary folder.
    pub fn build(
        output: &mut Output,
        collection: &Collection,
        model: &ModelChoice,
        bits: Option<Bits>,
        options: SearchOptions,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a temporary folder")?;
        let token_storage = bits.map(Bits::storage);
        let create = CreateOptions { token_storage, store_documents: false, ..CreateOptions::default() };
        let retriever = Retriever::create(&folder.path().join("index"), model.load()?, &create)?;
        let start = Instant::now();
        let mut documents = Source::open(&collection.corpus, ReadOptions::default())?;
        let total = documents.position().total;
        let mut writer = retriever.writer(&WriteOptions::default())?;
        let progress = Progress::start(output, total);
        let step = total.unwrap_or(0);
        writer.add_all(documents.by_ref(), &mut |state| {
            progress.set(step.min(state.read), state.read, "document");
            if interrupt::requested() { Flow::Stop } else { Flow::Continue }
        })?;
        writer.commit()?;
        drop(progress);
        output.detail(format_args!("indexed in {:.2} s", start.elapsed().as_secs_f64()));
        drop(writer);
        Ok(Self { retriever, options, _folder: Some(folder) })
    }

    pub fn model(&self) -> &Model {
        self.retriever.model()
    }

    /// How searches are made unless told otherwise.
    pub fn options(&self) -> &SearchOptions {
        &self.options
    }

    pub fn encode(&self, query: &str) -> anyhow::Result<EncodedQuery> {
        let model = self.retriever.model();
        if self.retriever.snapshot().settings().token_dim > 0 {
            return Ok(EncodedQuery::Tokens(model.encode_query_tokens(query)?));
        }
        let mut vectors = model.encode_queries_dense(&[query])?;
        Ok(EncodedQuery::Vector(vectors.pop().unwrap_or_default()))
    }

    pub fn search(&self, query: &EncodedQuery, options: &SearchOptions) -> anyhow::Result<SearchOutcome> {
        let snapshot = self.retriever.snapshot();
        Ok(match query {
            EncodedQuery::Tokens(tokens) => search_tokens(&snapshot, tokens.matrix.view(), options)?,
            EncodedQuery::Vector(vector) => search_dense(&snapshot, vector, options)?,
        })
    }

    /// The hits by external id.
    pub fn name_hits(&self, outcome: &SearchOutcome) -> anyhow::Result<Vec<(String, f32)>> {
        let snapshot = self.retriever.snapshot();
        let row = |hit: &Hit| Ok((snapshot.external_id(hit.doc)?.to_owned(), hit.score.get()));
        outcome.hits.iter().map(row).collect()
    }
}

/// A query as the index needs it.
pub enum EncodedQuery {
    Tokens(EncodedTokens),
    Vector(Vec<f32>),
}

impl System for Lateen {
    fn name(&self) -> String {
        format!("lateen with {}", self.retriever.model().name())
    }

    fn rank(&self, query: &str, k: usize) -> anyhow::Result<Vec<(String, f32)>> {
        let options = SearchOptions { k, ..self.options.clone() };
        self.name_hits(&self.search(&self.encode(query)?, &options)?)
    }
}

/// The lexical baseline.
pub struct Bm25(Bm25Index);

impl Bm25 {
    pub fn build(output: &mut Output, collection: &Collection) -> anyhow::Result<Self> {
        let start = Instant::now();
        let documents = Source::open(&collection.corpus, ReadOptions::default())?;
        let mut texts = Vec::new();
        for document in documents {
            let document = document?;
            texts.push((document.id.clone(), document.full_text().into_owned()));
        }
        let index = Bm25Index::build(texts, Analyzer::default())?;
        output.detail(format_args!("indexed in {:.2} s", start.elapsed().as_secs_f64()));
        Ok(Self(index))
    }
}

impl System for Bm25 {
    fn name(&self) -> String {
        "BM25".to_owned()
    }

    fn rank(&self, query: &str, k: usize) -> anyhow::Result<Vec<(String, f32)>> {
        Ok(self.0.search(query, k)?)
    }
}

/// How long queries took, one after another, encoding included.
#[derive(Debug, Clone, Serialize)]
pub struct Latencies {
    queries_per_second: f64,
    mean_ms: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Latencies {
    pub fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let sum: f64 = seconds.iter().sum();
        let count = seconds.len().max(1) as f64;
        let at = |share: f64| {
            let rank = (share * seconds.len() as f64).ceil() as usize;
            round(seconds.get(rank.saturating_sub(1)).copied().unwrap_or(0.0) * 1e3)
        };
        Self {
            queries_per_second: round(count / sum.max(1e-9)),
            mean_ms: round(sum / count * 1e3),
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            max_ms: at(1.0),
        }
    }

    pub fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        output.line(format_args!("latency      {}", self.percentiles()))?;
        let rate = self.queries_per_second;
        output.line(format_args!("throughput   {rate:.1} queries/s, one after another"))?;
        Ok(())
    }

    /// In words.
    pub fn percentiles(&self) -> String {
        let Self { mean_ms, p50_ms, p95_ms, p99_ms, max_ms, .. } = self;
        format!("mean {mean_ms:.2} ms, p50 {p50_ms:.2}, p95 {p95_ms:.2}, p99 {p99_ms:.2}, max {max_ms:.2}")
    }
}

fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Ranks for every judged query of the collection.
pub fn rank(
    output: &mut Output,
    system: &dyn System,
    collection: &Collection,
    qrels: &Qrels,
    k: usize,
) -> anyhow::Result<(Run, Latencies)> {
    let judged: std::collections::HashSet<&str> = qrels.queries().collect();
    let queries = Queries::open(&collection.queries, ReadOptions::default())?.read_all()?;
    let queries: Vec<_> = queries.into_iter().filter(|(id, _)| judged.contains(id.as_str())).collect();
    if queries.is_empty() {
        return bad_data(format!("no query of {} is judged in this split", collection.queries.display()));
    }
    let progress = Progress::start(output, Some(queries.len() as u64));
    let (mut run, mut seconds) = (Run::new(), Vec::with_capacity(queries.len()));
    for (done, (id, text)) in queries.iter().enumerate() {
        let start = Instant::now();
        let mut hits = system.rank(text, k + 1)?;
        seconds.push(start.elapsed().as_secs_f64());
        // A query that is itself a document of the collection is no answer to itself (as BEIR evaluates).
        hits.retain(|(document, _)| document != id);
        hits.truncate(k);
        run.insert_ranked(id.as_str(), hits)?;
        progress.set(done as u64 + 1, done as u64 + 1, "query");
    }
    Ok((run, Latencies::of(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let latencies = Latencies::of((1..=100).rev().map(|ms| f64::from(ms) / 1e3).collect());
        let Latencies { p50_ms, p95_ms, p99_ms, max_ms, mean_ms, .. } = latencies;
        assert_eq!((p50_ms, p95_ms, p99_ms, max_ms, mean_ms), (50.0, 95.0, 99.0, 100.0, 50.5));
        assert_eq!(Latencies::of(Vec::new()).p50_ms, 0.0);
    }
}
