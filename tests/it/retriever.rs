//! Text in, hits out, through every room.

use std::path::Path;
use std::sync::Arc;

use lateen::corpus::Document;
use lateen::encode::Model;
use lateen::format::{DenseStorage, TokenStorage};
use lateen::retriever::{CreateOptions, Error, Flow, ModelSource, Retriever, WriteOptions};
use lateen::search::{Fate, PlanChoice, SearchOptions};

const NOTES: [(&str, &str); 5] = [
    ("tides", "The pull of the moon raises the sea twice a day."),
    ("bread", "Yeast breathes out gas, whose bubbles make the loaf rise."),
    ("sails", "A lateen is a triangular sail on a slanting yard."),
    ("steel", "Quenching hot steel makes it hard; tempering gives toughness back."),
    ("bees", "A bee that found flowers dances to tell the hive where they are."),
];

fn model() -> Arc<Model> {
    Arc::new(Model::bundled().expect("the bundled model loads"))
}

fn documents() -> impl Iterator<Item = Document> {
    NOTES.into_iter().map(|(id, text)| Document::new(id, text))
}

fn create(path: &Path, options: &CreateOptions) -> Retriever {
    let retriever = Retriever::create(path, model(), options).expect("created");
    let mut writer = retriever.writer(&WriteOptions::default()).expect("a writer");
    for document in documents() {
        writer.add(document).expect("added");
    }
    writer.commit().expect("committed");
    retriever
}

fn best(retriever: &Retriever, query: &str) -> String {
    let answer = retriever.search(query, &SearchOptions::top(1)).expect("searched");
    answer.hits[0].id.clone()
}

#[test]
fn every_storage_finds_the_obvious_note() {
    for storage in [
        TokenStorage::Residual1,
        TokenStorage::ResidualTernary,
        TokenStorage::Residual2,
        TokenStorage::Residual4,
        TokenStorage::F16,
        TokenStorage::F32,
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let options = CreateOptions { token_storage: Some(storage), ..CreateOptions::default() };
        let retriever = create(&folder.path().join("index"), &options);
        assert_eq!(best(&retriever, "what makes a loaf rise"), "bread", "{storage:?}");
        assert_eq!(best(&retriever, "hard steel"), "steel", "{storage:?}");
    }
}

#[test]
fn an_index_is_found_again_with_its_model_texts_and_matching_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("index");
    drop(create(&path, &CreateOptions::default()));
    let retriever = Retriever::open(&path, ModelSource::default()).expect("opened");
    let query = "moon and sea";
    let answer = retriever.search(query, &SearchOptions::top(2)).expect("searched");
    let hit = &answer.hits[0];
    assert_eq!((hit.rank, hit.id.as_str()), (1, "tides"));
    let text = &hit.document.as_ref().expect("its text").text;
    let words: Vec<(&str, &str)> = hit
        .matches
        .iter()
        .map(|found| (slice(query, found.query_span), slice(text, found.document_span)))
        .collect();
    assert!(words.contains(&("moon", "moon")) && words.contains(&("sea", "sea")), "{words:?}");
    let sum: f32 = hit.matches.iter().map(|found| found.contribution).sum();
    assert!((sum - hit.score).abs() < 1e-3, "{sum} is not {}", hit.score);
    let explanation = retriever.explain(query, "tides").expect("explained");
    assert_eq!(explanation.matches, hit.matches);
    assert_eq!(answer.report.runtime.name, "native");
    assert!(answer.report.search.stages.iter().any(|stage| stage.name == "scan"));
}

#[test]
fn pooled_documents_are_found_and_point_at_the_words_that_answer() {
    for storage in [TokenStorage::Residual4, TokenStorage::Residual1, TokenStorage::F32] {
        let folder = tempfile::tempdir().expect("a folder");
        let options = CreateOptions { token_storage: Some(storage), ..CreateOptions::default() };
        let retriever = Retriever::create(&folder.path().join("index"), model(), &options).expect("created");
        let mut options = WriteOptions::default();
        options.index.pooling.factor = 2;
        let mut writer = retriever.writer(&options).expect("a writer");
        documents().for_each(|document| writer.add(document).expect("added"));
        let tokens = writer.commit().expect("committed").tokens;
        assert!(2 * tokens < writer.report().tokens + 2 * NOTES.len() as u64, "{tokens}");
        let query = "moon and sea";
        let answer = retriever.search(query, &SearchOptions::top(2)).expect("searched");
        let hit = &answer.hits[0];
        assert_eq!(hit.id, "tides", "{storage:?}");
        let text = &hit.document.as_ref().expect("its text").text;
        for found in &hit.matches {
            let (asked, answer) = (slice(query, found.query_span), slice(text, found.document_span));
            assert!(asked == "and" || asked == answer, "{storage:?}: {asked} is answered by {answer}");
        }
    }
}

fn slice(text: &str, (start, end): (u32, u32)) -> &str {
    &text[start as usize..end as usize]
}

#[test]
fn adding_again_changes_only_what_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let retriever = create(&folder.path().join("index"), &CreateOptions::default());
    let generation = retriever.snapshot().generation();
    let mut writer = retriever.writer(&WriteOptions::default()).expect("a writer");
    let report = writer.add_all(documents().map(Ok), &mut |_| Flow::Continue).expect("added");
    assert_eq!((report.unchanged, report.added, report.updated), (5, 0, 0));
    writer.commit().expect("nothing to commit");
    assert_eq!(retriever.snapshot().generation(), generation);
    writer.add(Document::new("bees", "Wasps build nests of chewed wood.")).expect("updated");
    writer.commit().expect("committed");
    assert_eq!(writer.report().updated, 1);
    assert!(retriever.snapshot().generation() > generation);
    assert_eq!(retriever.snapshot().documents(), 5);
    assert_eq!(best(&retriever, "chewed wood"), "bees");
}

#[test]
fn another_handle_sees_commits_after_a_refresh_and_deleted_notes_are_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("index");
    let writing = create(&path, &CreateOptions::default());
    let reading = Retriever::open(&path, ModelSource::Given(model())).expect("opened");
    let mut writer = writing.writer(&WriteOptions::default()).expect("a writer");
    assert!(writer.delete("sails").expect("deleted"));
    assert!(!writer.delete("no such note").expect("looked for"));
    writer.commit().expect("committed");
    assert_eq!(reading.snapshot().documents(), 5);
    assert!(reading.refresh().expect("refreshed"));
    assert!(!reading.refresh().expect("nothing newer"));
    assert_eq!(reading.snapshot().documents(), 4);
    let all = reading.search("triangular sail", &SearchOptions::top(10)).expect("searched");
    assert!(all.hits.iter().all(|hit| hit.id != "sails"));
    assert_eq!(all.hits.len(), 4);
}

#[test]
fn a_stopped_run_keeps_what_it_took() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("index");
    let retriever = Retriever::create(&path, model(), &CreateOptions::default()).expect("created");
    let options = WriteOptions { batch: 2, ..WriteOptions::default() };
    let mut writer = retriever.writer(&options).expect("a writer");
    let report = writer.add_all(documents().map(Ok), &mut |_| Flow::Stop).expect("stopped");
    writer.commit().expect("committed");
    assert_eq!(report.added, 2);
    assert_eq!(retriever.snapshot().documents(), 2);
}

#[test]
fn batches_answer_as_single_queries_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let retriever = create(&folder.path().join("index"), &CreateOptions::default());
    let queries = ["yeast gas", "hive of bees", "slanting yard"];
    let options = SearchOptions::top(3);
    let together = retriever.search_batch(&queries, &options).expect("searched");
    for (query, answer) in queries.iter().zip(together) {
        let alone = retriever.search(query, &options).expect("searched");
        let ids = |answer: &lateen::retriever::Answer| -> Vec<(String, f32)> {
            answer.hits.iter().map(|hit| (hit.id.clone(), hit.score)).collect()
        };
        assert_eq!(ids(&answer), ids(&alone));
    }
}

#[test]
fn refusals_are_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("index");
    let retriever = create(&path, &CreateOptions::default());
    assert!(matches!(retriever.search(" \n", &SearchOptions::top(1)), Err(Error::EmptyQuery)));
    assert!(matches!(retriever.explain("moon", "none"), Err(Error::NoSuchDocument { .. })));
    let staged = SearchOptions { plan: PlanChoice::TwoStage, ..SearchOptions::top(1) };
    assert_eq!(retriever.search("moon", &staged).expect("searched").hits[0].id, "tides");
    let again = Retriever::create(&path, model(), &CreateOptions::default());
    assert!(matches!(again, Err(Error::Index(lateen::index::IndexError::AlreadyExists { .. }))));
    let held = retriever.writer(&WriteOptions::default()).expect("a writer");
    let second = retriever.writer(&WriteOptions::default()).err();
    assert!(matches!(second, Some(Error::Index(lateen::index::IndexError::Locked { .. }))));
    drop(held);
    assert!(retriever.writer(&WriteOptions::default()).is_ok());
}

#[test]
fn a_standing_tells_how_far_a_document_came() {
    let dense = CreateOptions {
        token_storage: Some(TokenStorage::None),
        dense_storage: Some(DenseStorage::F16),
        ..CreateOptions::default()
    };
    for options in [CreateOptions::default(), dense] {
        let folder = tempfile::tempdir().expect("a folder");
        let retriever = create(&folder.path().join("index"), &options);
        let asked = SearchOptions::top(2);
        let query = "what makes a loaf rise";
        let answer = retriever.search(query, &SearchOptions::top(5)).expect("searched");
        for (at, hit) in answer.hits.iter().enumerate() {
            let standing = retriever.standing(query, &hit.id, &asked).expect("a standing");
            assert_eq!((standing.rank, standing.score, standing.ranked), (Some(at + 1), Some(hit.score), 5));
            match standing.fate {
                Fate::Hit { rank, .. } => assert!(at < 2 && rank == at + 1),
                Fate::Outscored { score, last } => {
                    assert!(at >= 2 && score == hit.score && last == answer.hits[1].score);
                }
                other => panic!("{}: {other:?}", hit.id),
            }
        }
        assert!(matches!(retriever.standing(query, "none", &asked), Err(Error::NoSuchDocument { .. })));
        assert!(matches!(retriever.standing(" ", "bread", &asked), Err(Error::EmptyQuery)));
    }
}

#[test]
fn a_token_map_holds_what_the_explanation_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let retriever = create(&folder.path().join("index"), &CreateOptions::default());
    let query = "moon and sea";
    let map = retriever.token_map(query, "tides").expect("a map");
    let hit = &retriever.search(query, &SearchOptions::top(1)).expect("searched").hits[0];
    assert_eq!((map.id.as_str(), map.explanation.score), ("tides", hit.score));
    assert_eq!(map.explanation, retriever.explain(query, "tides").expect("explained"));
    let rows = map.best.len();
    assert_eq!((map.query_spans.len(), map.products.len()), (rows, rows * map.document_spans.len()));
    for (row, (&best, found)) in map.best.iter().zip(&map.explanation.matches).enumerate() {
        assert_eq!(map.products[best * rows + row], found.contribution);
        assert!(map.document_spans[best].contains(&found.document_span));
    }
}
