//! Speed of the rooms that work on text: reading a corpus, BM25, metrics.
//!
//! ```text
//! cargo bench --bench text -- --collection DIR [--split test] [--json FILE] [--commit REV]
//! ```
//!
//! Reads a BEIR folder, builds a BM25 index of it, answers the judged queries and evaluates the run; the
//! fastest of several rounds counts. nDCG@10 stands beside, so that a faster wrong answer shows.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use lateen::corpus::{Document, ReadOptions, Source};
use lateen::lexical::{Analyzer, Bm25Index};
use serde_json::json;

#[path = "support/mod.rs"]
mod support;
use support::Quality;

const ROUNDS: usize = 3;
const K: usize = 100;
const COLUMNS: [&str; 5] = [
    "corpus_documents_per_second",
    "bm25_documents_per_second",
    "bm25_queries_per_second",
    "evaluated_queries_per_second",
    "bm25_ndcg@10",
];

fn main() -> anyhow::Result<()> {
    let mut named = std::collections::HashMap::new();
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        named.insert(word.clone(), words.next().with_context(|| format!("{word} needs a value"))?);
    }
    let Some(collection) = named.get("--collection").map(Path::new) else {
        println!("usage: cargo bench --bench text -- --collection DIR [--split test] [--json FILE]");
        return Ok(());
    };
    let quality = Quality::open(collection, named.get("--split").map_or("test", String::as_str))?;
    let queries = quality.judged_queries(collection)?;
    let mut fastest = [f64::INFINITY; 4];
    let (mut documents, mut measured) = (0, [None; 2]);
    for _ in 0..ROUNDS {
        let read = timed(&mut fastest[0], || {
            Source::open(collection, ReadOptions::default())?
                .collect::<Result<Vec<_>, _>>()
                .map_err(Into::into)
        })?;
        documents = read.len();
        let texts =
            read.iter().map(|document| (document.id.clone(), Document::full_text(document).into_owned()));
        let index = timed(&mut fastest[1], || Ok(Bm25Index::build(texts, Analyzer::English)?))?;
        let run = timed(&mut fastest[2], || {
            let answers = queries.iter().map(|(id, text)| Ok((id.clone(), index.search(text, K)?)));
            answers.collect::<anyhow::Result<Vec<support::Ranking>>>()
        })?;
        measured = timed(&mut fastest[3], || quality.measure(run))?;
    }
    let record = json!({
        "bench": "text", "collection": collection.file_name().map(|name| name.to_string_lossy()),
        "commit": named.get("--commit"), "cpu": support::machine::cpu(), "rounds": ROUNDS,
        "documents": documents, "queries": queries.len(),
        "corpus_documents_per_second": documents as f64 / fastest[0],
        "bm25_documents_per_second": documents as f64 / fastest[1],
        "bm25_queries_per_second": queries.len() as f64 / fastest[2],
        "evaluated_queries_per_second": queries.len() as f64 / fastest[3],
        "bm25_ndcg@10": measured[0], "bm25_recall@100": measured[1],
    });
    support::print_table(std::slice::from_ref(&record), &COLUMNS);
    if let Some(file) = named.get("--json") {
        std::fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(())
}

fn timed<T>(fastest: &mut f64, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let start = Instant::now();
    let result = work()?;
    *fastest = fastest.min(start.elapsed().as_secs_f64());
    Ok(result)
}
