//! A reranker against a judged collection: what BM25 finds, reordered.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use lateen::corpus::{Queries, ReadOptions, Source};
use lateen::eval::Run;
use lateen::eval::beir::Collection;
use lateen::lexical::{Analyzer, Bm25Index};
use lateen::rerank::{Reranker, RerankerOptions, Scale};

use super::error::RunError;
use super::measure::{DEPTH, Failure, metrics};
use super::session::Metrics;

/// Pairs that are judged at once.
const BATCH: usize = 256;

/// The values of BM25's ranking on a collection, by metric, and of the same with its best `depth` documents reordered.
///
/// Documents beyond `depth` stay behind in their order. A query that is itself a document is no answer to itself. Texts are
/// cut into words as English, or into pairs of characters where most queries are Chinese, Japanese or Korean.
///
/// * `model`: a directory that [`Reranker`] loads.
/// * `split`: judgements to take; `None`: `test`, `dev`, or the first.
///
/// Cost: the corpus in memory, and the judge on `queries · depth` pairs.
///
/// # Errors
/// [`RunError::Evaluation`].
pub fn measure_reranker(
    model: &Path,
    collection: &Path,
    split: Option<&str>,
    depth: usize,
) -> Result<(Metrics, Metrics), RunError> {
    values(model, collection, split, depth)
        .map_err(|source| RunError::Evaluation { collection: collection.to_owned(), source })
}

fn values(
    model: &Path,
    folder: &Path,
    split: Option<&str>,
    depth: usize,
) -> Result<(Metrics, Metrics), Failure> {
    let collection = Collection::open(folder)?;
    let qrels = collection.qrels(split.unwrap_or(collection.default_split()))?;
    let judge = Reranker::load(model, &RerankerOptions::default())?;
    let judged: HashSet<&str> = qrels.queries().collect();
    let mut queries = Queries::open(&collection.queries, ReadOptions::default())?.read_all()?;
    queries.retain(|(id, _)| judged.contains(id.as_str()));
    let texts = texts(&collection.corpus)?;
    let index = Bm25Index::build(texts.clone(), analyzer(&queries))?;
    let texts: HashMap<String, String> = texts.into_iter().collect();

    let (mut first, mut reranked) = (Run::new(), Run::new());
    for (id, query) in &queries {
        let mut hits = index.search(query, depth.max(DEPTH) + 1)?;
        hits.retain(|(document, _)| document != id);
        first.insert_ranked(id, hits.iter().take(DEPTH).cloned().collect::<Vec<_>>())?;
        let behind = hits.split_off(depth.min(hits.len()));
        let text = |document: &String| texts.get(document).map_or("", String::as_str);
        let mut scored = Vec::with_capacity(hits.len());
        for hits in hits.chunks(BATCH) {
            let pairs: Vec<_> = hits.iter().map(|(document, _)| (query.as_str(), text(document))).collect();
            let scores = judge.compute_score(&pairs, Scale::Raw)?;
            scored.extend(hits.iter().map(|(document, _)| document.clone()).zip(scores));
        }
        // Equal scores keep the first stage's order.
        scored.sort_by(|a, b| b.1.total_cmp(&a.1));
        let lowest = scored.last().map_or(0.0, |(_, score)| *score);
        let behind = behind.into_iter().map(|(document, _)| document).zip((1..).map(|at| lowest - at as f32));
        reranked.insert_ranked(id, scored.into_iter().chain(behind).take(DEPTH).collect::<Vec<_>>())?;
    }
    Ok((metrics(&first, &qrels), metrics(&reranked, &qrels)))
}

/// Ids and texts of a corpus, title and text together.
fn texts(corpus: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut texts = Vec::new();
    for document in Source::open(corpus, ReadOptions::default())? {
        let document = document?;
        texts.push((document.id.clone(), document.full_text().into_owned()));
    }
    Ok(texts)
}

/// How most of the queries are cut into words.
fn analyzer(queries: &[(String, String)]) -> Analyzer {
    let wide = |text: &str| text.chars().any(|character| character >= '\u{2e80}');
    let count = queries.iter().filter(|(_, query)| wide(query)).count();
    if count * 2 > queries.len() { Analyzer::CjkBigrams } else { Analyzer::English }
}
