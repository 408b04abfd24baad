//! Words in an index: scores by the formula whatever the history, alone and beside vectors.

use std::collections::BTreeMap;
use std::sync::Arc;

use lateen::corpus::Document;
use lateen::encode::Model;
use lateen::format::{IndexSettings, ModelIdentity, StoredDocument, TokenStorage, Words};
use lateen::index::{
    CompactOptions, Index, IndexOptions, MemoryDirectory, NewDocument, Snapshot, VerifyLevel, WriterOptions,
    verify_in,
};
use lateen::lexical::{Analyzer, TermCounter};
use lateen::retriever::{CreateOptions, Retriever, SearchBy, WriteOptions};
use lateen::search::{Filter, Fusion, Plan, SearchError, SearchOptions, search_words};
use lateen::types::EncodedTokens;

type Texts = BTreeMap<String, String>;

fn counts(text: &str) -> BTreeMap<String, u32> {
    TermCounter::new(Analyzer::English).count(text).into_iter().collect()
}

/// BM25 by its definition, over documents that are all alive.
fn naive(texts: &Texts, query: &str) -> Vec<(String, f64)> {
    let documents: Vec<(&String, BTreeMap<String, u32>)> =
        texts.iter().map(|(id, text)| (id, counts(text))).collect();
    let length = |counts: &BTreeMap<String, u32>| f64::from(counts.values().sum::<u32>());
    let mean = documents.iter().map(|(_, counts)| length(counts)).sum::<f64>() / documents.len() as f64;
    let mut scored: Vec<(String, f64)> = Vec::new();
    for (id, own) in &documents {
        let mut score = 0.0;
        for (term, repeated) in counts(query) {
            let Some(&tf) = own.get(&term) else { continue };
            let n = documents.iter().filter(|(_, counts)| counts.contains_key(&term)).count() as f64;
            let idf = (1.0 + (documents.len() as f64 - n + 0.5) / (n + 0.5)).ln();
            let tf = f64::from(tf);
            score += f64::from(repeated) * idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length(own) / mean));
        }
        if score > 0.0 {
            scored.push(((*id).clone(), score));
        }
    }
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored
}

const VOCABULARY: [&str; 12] =
    ["sail", "sails", "wind", "the", "mast", "yard", "tide", "moon", "hull", "keel", "rope", "anchor"];

fn text(number: u64, version: u64) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ version.wrapping_mul(0xd134_2543_de82_ef95);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words: Vec<&str> =
        (0..3 + next() % 20).map(|_| VOCABULARY[(next() % VOCABULARY.len() as u64) as usize]).collect();
    words.join(" ")
}

fn settings() -> IndexSettings {
    IndexSettings {
        token_dim: 4,
        token_storage: TokenStorage::Residual4,
        store_documents: true,
        words: Words::English,
        ..IndexSettings::default()
    }
}

fn document(id: &str, text: &str) -> NewDocument {
    let tokens = EncodedTokens {
        matrix: lateen::types::TokenMatrixBuf::new(vec![1.0, 0.0, 0.0, 0.0], 4).expect("finite"),
        token_ids: Vec::new(),
        spans: Vec::new(),
    };
    let stored = StoredDocument { text: text.to_owned(), ..StoredDocument::default() };
    let content_hash = text.len() as u64;
    NewDocument { id: id.to_owned(), tokens: Some(tokens), dense: None, stored: Some(stored), content_hash }
}

fn found(snapshot: &Snapshot, query: &str, options: &SearchOptions) -> Vec<(String, f64)> {
    let terms = TermCounter::new(Analyzer::English).count(query);
    let outcome = search_words(snapshot, &terms, options).expect("searched");
    assert_eq!(outcome.report.plan, Plan::Words);
    let id = |doc| snapshot.external_id(doc).expect("an id").to_owned();
    outcome.hits.iter().map(|hit| (id(hit.doc), f64::from(hit.score.get()))).collect()
}

#[track_caller]
fn assert_alike(found: &[(String, f64)], expected: &[(String, f64)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}\n{expected:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found.1 - expected.1).abs() < 1e-5, "{found:?} {expected:?}");
    }
    let ids = |hits: &[(String, f64)]| {
        let mut ids: Vec<String> = hits.iter().map(|hit| hit.0.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(found), ids(expected));
}

#[test]
fn scores_are_those_of_the_formula_whatever_the_history() {
    let directory = MemoryDirectory::new();
    let shared = Arc::new(directory.clone());
    let index = Index::create_in(shared, &settings(), &ModelIdentity::default(), IndexOptions::default());
    let index = index.expect("created");
    let mut writer = index.writer(WriterOptions::default()).expect("a writer");
    let mut texts = Texts::new();
    for commit in 0..12_u64 {
        for number in commit * 7..commit * 7 + 9 {
            let (id, text) = (format!("n{number:03}"), text(number, commit));
            writer.add(document(&id, &text)).expect("added");
            texts.insert(id, text);
        }
        let gone = format!("n{:03}", commit * 5);
        writer.delete(&gone).expect("deleted");
        texts.remove(&gone);
        writer.commit().expect("committed");
    }
    let queries = ["sails in the wind", "moon moon tide", "anchor", "keel rope hull yard", "nothing of that"];
    // Merged and without the deleted ones, the counts are those of what lives.
    writer
        .compact(&CompactOptions { full: true, ..CompactOptions::default() }, &mut |_| ())
        .expect("compacted");
    let snapshot = index.snapshot();
    assert_eq!(snapshot.documents(), texts.len() as u64);
    for query in queries {
        let expected = naive(&texts, query);
        assert_alike(&found(&snapshot, query, &SearchOptions::top(1000)), &expected);
        let few = found(&snapshot, query, &SearchOptions::top(5));
        for (few, expected) in few.iter().zip(&expected) {
            assert!((few.1 - expected.1).abs() < 1e-5, "{query}");
        }
    }
    let report = verify_in(&directory, VerifyLevel::Full).expect("verified");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[test]
fn many_segments_count_together_and_a_filter_leaves_out() {
    let directory = Arc::new(MemoryDirectory::new());
    let index = Index::create_in(directory, &settings(), &ModelIdentity::default(), IndexOptions::default());
    let index = index.expect("created");
    let mut writer = index.writer(WriterOptions::default()).expect("a writer");
    let mut texts = Texts::new();
    for number in 0..5_u64 {
        let (id, text) = (format!("n{number}"), text(number, 99));
        writer.add(document(&id, &text)).expect("added");
        texts.insert(id, text);
        writer.commit().expect("committed");
    }
    let snapshot = index.snapshot();
    assert!(snapshot.segments().len() > 1);
    let query = "sail wind mast tide";
    assert_alike(&found(&snapshot, query, &SearchOptions::top(10)), &naive(&texts, query));
    let only = SearchOptions { filter: Some(Filter::ids(["n1", "n3"])), ..SearchOptions::top(10) };
    let mut expected = naive(&texts, query);
    expected.retain(|(id, _)| id == "n1" || id == "n3");
    assert_alike(&found(&snapshot, query, &only), &expected);
}

#[test]
fn an_index_without_words_says_so() {
    let directory = Arc::new(MemoryDirectory::new());
    let settings = IndexSettings { words: Words::None, ..settings() };
    let index = Index::create_in(directory, &settings, &ModelIdentity::default(), IndexOptions::default());
    let index = index.expect("created");
    let mut writer = index.writer(WriterOptions::default()).expect("a writer");
    writer.add(document("a", "sail")).expect("added");
    writer.commit().expect("committed");
    let refused = search_words(&index.snapshot(), &[("sail".to_owned(), 1)], &SearchOptions::top(1));
    assert!(matches!(refused, Err(SearchError::NotStored { .. })), "{refused:?}");
}

#[test]
fn both_finds_what_either_finds() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Arc::new(Model::bundled().expect("the bundled model"));
    let retriever = Retriever::create(&folder.path().join("ix"), model, &CreateOptions::default());
    let retriever = retriever.expect("created");
    let mut writer = retriever.writer(&WriteOptions::default()).expect("a writer");
    for (id, text) in [
        ("bread", "Yeast breathes out gas, whose bubbles make the loaf rise."),
        ("part", "Order the gasket XK-4471 for the older pump."),
        ("tides", "The pull of the moon raises the sea twice a day."),
    ] {
        writer.add(Document::new(id, text)).expect("added");
    }
    writer.commit().expect("committed");
    let options = SearchOptions::top(3);
    let by = |by: SearchBy, query: &str| retriever.search_by(&by, query, &options).expect("searched");
    let words = by(SearchBy::Words, "xk 4471 pumps");
    assert_eq!(words.hits.iter().map(|hit| hit.id.as_str()).collect::<Vec<_>>(), ["part"]);
    let text = &words.hits[0].document.as_ref().expect("stored").text;
    let marked: Vec<&str> =
        words.hits[0].words.iter().map(|&(start, end)| &text[start as usize..end as usize]).collect();
    assert_eq!(marked, ["XK", "4471", "pump"]);
    let both = by(SearchBy::Both(Fusion::default()), "gasket 4471");
    assert_eq!((both.hits[0].id.as_str(), both.hits.len()), ("part", 3));
    assert_eq!(both.report.search.plan, Plan::Hybrid);
    assert!(both.report.search.stages.iter().any(|stage| stage.name == "postings"));
    let weighted = Fusion::Weighted { weights: vec![1.0] };
    let refused = retriever.search_by(&SearchBy::Both(weighted), "gasket", &options);
    assert!(refused.is_err(), "two rankings need two weights");
    let batch = retriever.search_batch_by(&SearchBy::Words, &["moon", "yeast"], &options).expect("searched");
    assert_eq!((batch[0].hits[0].id.as_str(), batch[1].hits[0].id.as_str()), ("tides", "bread"));
}
