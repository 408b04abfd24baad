//! BM25 on real collections against the numbers known for them.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::path::PathBuf;

use lateen::corpus::{Queries, ReadOptions, Source};
use lateen::eval::{Metric, Run, beir::Collection, evaluate};
use lateen::lexical::{Analyzer, Bm25Index};

fn collection(name: &str) -> Option<Collection> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("LATEEN_DATA").map_or_else(default, PathBuf::from);
    let folder = data.join("collections").join(name);
    if !folder.is_dir() {
        println!("skipped: {} is not there; set LATEEN_DATA", folder.display());
        return None;
    }
    Some(Collection::open(folder).unwrap())
}

fn ndcg_at_10(collection: &Collection, split: &str, analyzer: Analyzer) -> f64 {
    let documents = Source::open(&collection.corpus, ReadOptions::default()).unwrap();
    let texts = documents.map(|document| {
        let document = document.unwrap();
        (document.id.clone(), document.full_text().into_owned())
    });
    let index = Bm25Index::build(texts, analyzer).unwrap();
    let qrels = collection.qrels(split).unwrap();
    let mut run = Run::new();
    // cmrc2018 has one query without text, in a split that is not looked at here.
    let options = ReadOptions { skip_bad: true, ..ReadOptions::default() };
    for query in Queries::open(&collection.queries, options).unwrap() {
        let query = query.unwrap();
        if qrels.judgements(&query.id).len() > 0 {
            run.insert_ranked(&query.id, index.search(&query.text, 100).unwrap()).unwrap();
        }
    }
    let report = evaluate(&run, &qrels, &Metric::USUAL);
    assert_eq!(report.counts.missing_from_run, 0);
    for metric in Metric::USUAL {
        println!("{metric} {:.4}", report.mean(metric).unwrap());
    }
    report.mean("ndcg@10".parse().unwrap()).unwrap()
}

#[test]
fn lexical_scifact_is_as_known() {
    let Some(collection) = collection("scifact") else { return };
    let ndcg = ndcg_at_10(&collection, "test", Analyzer::English);
    assert!((ndcg - 0.677).abs() <= 0.01, "{ndcg}");
}

#[test]
fn lexical_cmrc2018_is_as_known() {
    let Some(collection) = collection("cmrc2018") else { return };
    let ndcg = ndcg_at_10(&collection, "dev", Analyzer::CjkBigrams);
    assert!((ndcg - 0.976).abs() <= 0.01, "{ndcg}");
}

#[test]
fn lexical_samples_are_judged_and_found() {
    let samples = Collection::open(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples")).unwrap();
    let documents = Source::open(&samples.corpus, ReadOptions::default()).unwrap();
    let ids: HashSet<String> = documents.map(|document| document.unwrap().id).collect();
    let qrels = samples.qrels("test").unwrap();
    for query in qrels.queries() {
        for (document, _) in qrels.judgements(query) {
            assert!(ids.contains(document), "{query}: {document}");
        }
    }
    let ndcg = ndcg_at_10(&samples, "test", Analyzer::English);
    assert!(ndcg > 0.5, "{ndcg}");
}

#[cfg(feature = "jieba")]
#[test]
fn lexical_cmrc2018_is_found_by_words_too() {
    let Some(collection) = collection("cmrc2018") else { return };
    let ndcg = ndcg_at_10(&collection, "dev", Analyzer::Jieba);
    assert!(ndcg > 0.93, "{ndcg}");
}

#[test]
fn lexical_words_of_an_index_rank_as_known() {
    use lateen::format::{IndexSettings, ModelIdentity, StoredDocument, Words};
    use lateen::index::{Index, IndexOptions, MemoryDirectory, NewDocument, WriterOptions};
    use lateen::lexical::TermCounter;
    use lateen::search::{SearchOptions, search_words};

    let Some(collection) = collection("scifact") else { return };
    let settings = IndexSettings {
        dense_dim: 1,
        dense_storage: lateen::format::DenseStorage::I8,
        store_documents: true,
        words: Words::English,
        ..IndexSettings::default()
    };
    let directory = std::sync::Arc::new(MemoryDirectory::new());
    let index =
        Index::create_in(directory, &settings, &ModelIdentity::default(), IndexOptions::default()).unwrap();
    let mut writer = index.writer(WriterOptions::default()).unwrap();
    for document in Source::open(&collection.corpus, ReadOptions::default()).unwrap() {
        let document = document.unwrap();
        let content_hash = document.content_hash();
        let stored =
            Some(StoredDocument { title: document.title, text: document.text, ..StoredDocument::default() });
        writer
            .add(NewDocument { id: document.id, tokens: None, dense: Some(vec![1.0]), stored, content_hash })
            .unwrap();
    }
    writer.commit().unwrap();
    let (snapshot, qrels) = (index.snapshot(), collection.qrels("test").unwrap());
    let mut counter = TermCounter::new(Analyzer::English);
    let mut run = Run::new();
    for query in Queries::open(&collection.queries, ReadOptions::default()).unwrap() {
        let query = query.unwrap();
        if qrels.judgements(&query.id).len() > 0 {
            let outcome =
                search_words(&snapshot, &counter.count(&query.text), &SearchOptions::top(100)).unwrap();
            let hits = outcome
                .hits
                .iter()
                .map(|hit| (snapshot.external_id(hit.doc).unwrap().to_owned(), hit.score.get()));
            run.insert_ranked(&query.id, hits.collect::<Vec<_>>()).unwrap();
        }
    }
    let ndcg = evaluate(&run, &qrels, &Metric::USUAL).mean("ndcg@10".parse().unwrap()).unwrap();
    assert!((ndcg - 0.677).abs() <= 0.01, "{ndcg}");
}
