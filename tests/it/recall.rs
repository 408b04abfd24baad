//! Indexes measure themselves, and searches say what is known.

use std::sync::{Arc, OnceLock};

use lateen::corpus::Document;
use lateen::encode::Model;
use lateen::format::QuerySource;
use lateen::index::WriterOptions;
use lateen::retriever::{AdviseSample, CreateOptions, Retriever, VectorSource, WriteOptions};
use lateen::search::{
    AdviseOptions, EffortSource, PlanChoice, PseudoQueries, Recall, SearchOptions, TuneOptions, TuningState,
};

const WORDS: [&str; 40] = [
    "moon", "tide", "sea", "harbour", "bread", "yeast", "dough", "oven", "bee", "flower", "honey", "garden",
    "river", "bridge", "stone", "castle", "king", "letter", "paper", "ink", "school", "teacher", "music",
    "piano", "winter", "snow", "mountain", "wolf", "forest", "fire", "iron", "hammer", "ship", "sail",
    "wind", "storm", "doctor", "fever", "market", "coin",
];

/// Short texts, each of four words that no other has together.
fn documents(range: std::ops::Range<usize>) -> impl Iterator<Item = Document> {
    range.map(|number| {
        let word = |step: usize| WORDS[(number * step + number / 40 * (step + 2)) % WORDS.len()];
        let text = format!("{} {} {} {} {}", word(1), word(3), word(7), word(11), WORDS[number / 60 % 40]);
        Document::new(format!("d{number}"), text)
    })
}

fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    MODEL.get_or_init(|| Arc::new(Model::bundled().unwrap())).clone()
}

/// However few the documents, they are coded.
fn options() -> WriteOptions {
    let index = WriterOptions { code_from_tokens: 0, ..WriterOptions::default() };
    WriteOptions { index, ..WriteOptions::default() }
}

fn write(retriever: &Retriever, range: std::ops::Range<usize>, options: &WriteOptions) -> bool {
    let mut writer = retriever.writer(options).unwrap();
    documents(range).for_each(|document| writer.add(document).unwrap());
    let info = writer.commit().unwrap();
    assert_eq!(info.generation, retriever.snapshot().generation());
    writer.report().tuned
}

fn source(retriever: &Retriever) -> EffortSource {
    let options = SearchOptions { plan: PlanChoice::TwoStage, ..SearchOptions::top(10) };
    retriever.search("the tide of the sea", &options).unwrap().report.search.effort_source
}

#[test]
fn an_index_is_measured_when_it_is_large_enough_and_again_when_it_has_grown() {
    let folder = tempfile::tempdir().unwrap();
    let create = CreateOptions { store_documents: false, ..CreateOptions::default() };
    let retriever = Retriever::create(&folder.path().join("ix"), model(), &create).unwrap();
    let options = options();
    assert!(!write(&retriever, 0..300, &options), "a scan of so few is as fast");
    assert!(!write(&retriever, 300..2100, &WriteOptions { tune: false, ..options.clone() }));
    assert_eq!(source(&retriever), EffortSource::NotTuned);
    assert!(write(&retriever, 2100..2150, &options));
    let tuning = retriever.snapshot().tuning().cloned().unwrap();
    assert_eq!((tuning.documents, tuning.source), (2150, QuerySource::Sampled));
    assert!(matches!(source(&retriever), EffortSource::Measured(_) | EffortSource::NotReached));
    assert!(!write(&retriever, 2150..2200, &options), "it has not grown enough");
    assert_eq!(retriever.snapshot().tuning(), Some(&tuning));
    assert!(!write(&retriever, 2200..4400, &WriteOptions { tune: false, ..options.clone() }));
    assert_eq!(TuningState::of(&retriever.snapshot()), TuningState::Outdated);
    let reopened = Retriever::open(&folder.path().join("ix"), Default::default()).unwrap();
    assert!(write(&reopened, 4400..4401, &options));
    assert_eq!(reopened.snapshot().tuning().unwrap().documents, 4401);
}

#[test]
fn the_users_queries_are_measured_with() {
    let folder = tempfile::tempdir().unwrap();
    let retriever = Retriever::create(&folder.path().join("ix"), model(), &CreateOptions::default()).unwrap();
    write(&retriever, 0..600, &options());
    let options =
        TuneOptions { ks: vec![3], targets: vec![Recall::at_least(0.8).unwrap()], ..TuneOptions::default() };
    let queries = ["tide of the sea", "bread in the oven", "a storm and a ship", "", "fever doctor"];
    let tuning =
        retriever.tune(&queries, &PseudoQueries::default(), &options, &mut |_| true).unwrap().unwrap();
    assert_eq!((tuning.queries, tuning.source), (4, QuerySource::Given));
    assert_eq!(retriever.snapshot().tuning(), Some(&tuning));
    let generation = retriever.snapshot().generation();
    let stopped = retriever.tune(&[], &PseudoQueries::default(), &options, &mut |_| false).unwrap();
    assert_eq!((stopped, retriever.snapshot().generation()), (None, generation));
}

#[test]
fn advice_rests_on_the_model_where_texts_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for (name, store_documents, vectors) in
        [("texts", true, VectorSource::Model), ("none", false, VectorSource::Index)]
    {
        let create = CreateOptions { store_documents, ..CreateOptions::default() };
        let retriever = Retriever::create(&folder.path().join(name), model(), &create).unwrap();
        write(&retriever, 0..400, &options());
        let sample = AdviseSample { documents: 300, ..AdviseSample::default() };
        let options = AdviseOptions { poolings: vec![1], dims: vec![32], ..AdviseOptions::default() };
        let report = retriever.advise(&["tide of the sea"], &sample, &options, &mut |_, _| true);
        let report = report.unwrap().unwrap();
        assert_eq!((report.documents, report.queries, report.vector_source), (300, 1, vectors));
        assert_eq!(report.advice.len(), 9);
        let halves = report.advice.last().unwrap();
        assert!(halves.recall_10.mean >= 0.9, "{halves:?}");
    }
}
