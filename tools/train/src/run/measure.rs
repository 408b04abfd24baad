//! A model directory against a judged collection, through Lateen's own index and metrics.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use lateen::corpus::{Queries, ReadOptions, Source};
use lateen::encode::{Model, ModelOptions};
use lateen::eval::beir::Collection;
use lateen::eval::{Metric, Qrels, Run, evaluate};
use lateen::format::TokenStorage;
use lateen::retriever::{CreateOptions, Flow, Retriever, WriteOptions};
use lateen::search::{PlanChoice, SearchOptions};

use super::error::RunError;

/// What is told of every model.
const METRICS: [&str; 4] = ["ndcg@10", "mrr@10", "recall@100", "map@100"];

/// How deep rankings go.
pub(super) const DEPTH: usize = 100;

/// The values of a model on a collection, by metric.
///
/// Documents are indexed into a temporary folder with vectors in full precision, and every document is scored for every
/// query: what is measured is the model, not the index. A query that is itself a document is no answer to itself.
///
/// * `model`: a directory that Lateen loads: `onnx/model.onnx` and the small files beside it.
/// * `split`: judgements to take; `None`: `test`, `dev`, or the first.
///
/// # Errors
/// [`RunError::Evaluation`].
pub fn measure(
    model: &Path,
    collection: &Path,
    split: Option<&str>,
) -> Result<BTreeMap<String, f64>, RunError> {
    values(model, collection, split)
        .map_err(|source| RunError::Evaluation { collection: collection.to_owned(), source })
}

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn values(model: &Path, folder: &Path, split: Option<&str>) -> Result<BTreeMap<String, f64>, Failure> {
    let collection = Collection::open(folder)?;
    let qrels = collection.qrels(split.unwrap_or(collection.default_split()))?;
    let model = Arc::new(Model::load(model, &ModelOptions::default())?);
    let place = tempfile::tempdir()?;
    let tokens = model.token_dim().is_some();
    let create = CreateOptions {
        token_storage: tokens.then_some(TokenStorage::F32),
        store_documents: false,
        ..CreateOptions::default()
    };
    let retriever = Retriever::create(&place.path().join("index"), model, &create)?;
    let mut writer = retriever.writer(&WriteOptions { tune: false, ..WriteOptions::default() })?;
    writer.add_all(Source::open(&collection.corpus, ReadOptions::default())?, &mut |_| Flow::Continue)?;
    writer.commit()?;
    drop(writer);
    retriever.refresh()?;

    let judged: HashSet<&str> = qrels.queries().collect();
    let queries = Queries::open(&collection.queries, ReadOptions::default())?.read_all()?;
    let options = SearchOptions { plan: PlanChoice::Exact, ..SearchOptions::top(DEPTH + 1) };
    let mut run = Run::new();
    for (id, text) in queries.iter().filter(|(id, _)| judged.contains(id.as_str())) {
        let found = retriever.search(text, &options)?;
        let hits =
            found.hits.into_iter().map(|hit| (hit.id, hit.score)).filter(|(document, _)| document != id);
        run.insert_ranked(id, hits.take(DEPTH).collect::<Vec<_>>())?;
    }
    Ok(metrics(&run, &qrels))
}

/// What is told of a run.
pub(super) fn metrics(run: &Run, qrels: &Qrels) -> BTreeMap<String, f64> {
    let metrics: Vec<Metric> = METRICS.iter().filter_map(|name| name.parse().ok()).collect();
    let report = evaluate(run, qrels, &metrics);
    metrics.iter().map(|metric| (metric.to_string(), report.mean(*metric).unwrap_or(0.0))).collect()
}
