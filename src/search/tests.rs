//! Searches against plain sums over the same vectors.

use std::sync::Arc;

use lateen_index_format::{DenseStorage, IndexSettings, ModelIdentity, TokenStorage};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::index::directory::MemoryDirectory;
use crate::index::{Index, IndexOptions, NewDocument, Snapshot, WriterOptions};
use crate::kernel::Isa;
use crate::types::{DocId, EncodedTokens, Hit, Score, TokenMatrix, TokenMatrixBuf, normalize};

mod edges;
mod filters;
mod tracing;

const DIM: usize = 32;

/// Documents whose tokens gather around a few directions, as real ones do.
struct World {
    random: StdRng,
    topics: Vec<Vec<f32>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let topics = (0..40).map(|_| unit(&mut random, &[0.0; DIM], 1.0)).collect();
        Self { random, topics }
    }

    fn tokens(&mut self, rows: usize) -> EncodedTokens {
        let mut data = Vec::new();
        let mut token_ids = Vec::new();
        for _ in 0..rows {
            let topic = self.random.random_range(0..self.topics.len());
            data.extend(unit(&mut self.random, &self.topics[topic].clone(), 0.08));
            token_ids.push(topic as u32);
        }
        EncodedTokens { matrix: TokenMatrixBuf::new(data, DIM).unwrap(), token_ids, spans: Vec::new() }
    }
}

fn unit(random: &mut StdRng, around: &[f32], spread: f32) -> Vec<f32> {
    let mut row: Vec<f32> = around.iter().map(|x| x + spread * random.random_range(-1.0_f32..1.0)).collect();
    assert!(normalize(&mut row));
    row
}

/// However few the documents, they are coded.
fn coded() -> WriterOptions {
    WriterOptions { code_from_tokens: 0, ..WriterOptions::default() }
}

fn settings(token_storage: TokenStorage, dense_storage: DenseStorage) -> IndexSettings {
    let dim = |stored: bool| if stored { DIM as u32 } else { 0 };
    IndexSettings {
        token_dim: dim(token_storage != TokenStorage::None),
        token_storage,
        dense_dim: dim(dense_storage != DenseStorage::None),
        dense_storage,
        store_documents: false,
        seed: 7,
        ..IndexSettings::default()
    }
}

fn create(settings: &IndexSettings) -> Index {
    let directory = Arc::new(MemoryDirectory::new());
    Index::create_in(directory, settings, &ModelIdentity::default(), IndexOptions::default()).unwrap()
}

fn document(id: &str, tokens: Option<EncodedTokens>, dense: Option<Vec<f32>>) -> NewDocument {
    NewDocument { id: id.to_owned(), tokens, dense, stored: None, content_hash: 0 }
}

/// An index of `documents`, in commits of at most `per_commit`.
fn token_index(storage: TokenStorage, documents: &[(String, EncodedTokens)], per_commit: usize) -> Index {
    let index = create(&settings(storage, DenseStorage::None));
    let mut writer = index.writer(coded()).unwrap();
    for part in documents.chunks(per_commit) {
        for (id, tokens) in part {
            writer.add(document(id, Some(tokens.clone()), None)).unwrap();
        }
        writer.commit().unwrap();
    }
    index
}

fn documents(world: &mut World, count: usize) -> Vec<(String, EncodedTokens)> {
    (0..count)
        .map(|number| {
            let rows = world.random.random_range(1..12);
            (format!("d{number:04}"), world.tokens(rows))
        })
        .collect()
}

fn maxsim(query: TokenMatrix<'_>, document: TokenMatrix<'_>) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    query.iter().map(|q| document.iter().map(|d| dot(q, d)).fold(f64::NEG_INFINITY, f64::max)).sum()
}

fn found(snapshot: &Snapshot, outcome: &SearchOutcome) -> Vec<(String, f32)> {
    let hits = outcome.hits.iter();
    hits.map(|hit| (snapshot.external_id(hit.doc).unwrap().to_owned(), hit.score.get())).collect()
}

fn options(k: usize, plan: PlanChoice) -> SearchOptions {
    SearchOptions { k, plan, ..SearchOptions::default() }
}

#[test]
fn a_scan_of_floats_equals_the_plain_sum_over_several_segments() {
    let mut world = World::new(1);
    let documents = documents(&mut world, 120);
    let query = world.tokens(9);
    let mut expected: Vec<(String, f64)> = documents
        .iter()
        .map(|(id, tokens)| (id.clone(), maxsim(query.matrix.view(), tokens.matrix.view())))
        .collect();
    expected.sort_by(|a, b| b.1.total_cmp(&a.1));
    let index = token_index(TokenStorage::F32, &documents, 50);
    let snapshot = index.snapshot();
    assert_eq!(snapshot.segments().len(), 3);
    for isa in Isa::available() {
        let asked = SearchOptions { isa, ..SearchOptions::top(30) };
        let outcome = search_tokens(&snapshot, query.matrix.view(), &asked).unwrap();
        assert_eq!(outcome.report.plan, Plan::ExactTokens);
        for ((id, score), (best, sum)) in found(&snapshot, &outcome).iter().zip(&expected) {
            assert_eq!(id, best);
            assert!((f64::from(*score) - sum).abs() < 1e-4, "{score} is not {sum}");
        }
    }
}

#[test]
fn two_stages_find_what_a_scan_of_the_same_codes_finds() {
    let mut world = World::new(2);
    let documents = documents(&mut world, 1500);
    for storage in [TokenStorage::Residual4, TokenStorage::Residual2] {
        let index = token_index(storage, &documents, 900);
        let snapshot = index.snapshot();
        let (mut met, mut of) = (0, 0);
        for _ in 0..20 {
            let query = world.tokens(8);
            let scan =
                search_tokens(&snapshot, query.matrix.view(), &options(10, PlanChoice::Exact)).unwrap();
            let staged = options(10, PlanChoice::TwoStage);
            let effort = Effort { nprobe: 8, candidates: 150, ..Effort::for_top(10) };
            let staged = SearchOptions { effort: Some(effort), ..staged };
            let staged = search_tokens(&snapshot, query.matrix.view(), &staged).unwrap();
            let (scan, staged) = (found(&snapshot, &scan), found(&snapshot, &staged));
            assert_eq!(staged.len(), 10);
            met += scan.iter().filter(|hit| staged.contains(hit)).count();
            of += scan.len();
        }
        assert!(met * 100 >= of * 95, "{storage:?}: {met} of {of}");
    }
}

#[test]
fn codes_order_documents_nearly_as_floats_do() {
    let mut world = World::new(3);
    let documents = documents(&mut world, 400);
    let floats = token_index(TokenStorage::F32, &documents, 1000);
    let halves = token_index(TokenStorage::F16, &documents, 1000);
    let codes = token_index(TokenStorage::Residual4, &documents, 1000);
    let query = world.tokens(8);
    let search = |index: &Index| {
        let snapshot = index.snapshot();
        let asked = options(400, PlanChoice::Exact);
        let outcome = search_tokens(&snapshot, query.matrix.view(), &asked).unwrap();
        let mut hits = found(&snapshot, &outcome);
        hits.sort_by(|a, b| a.0.cmp(&b.0));
        hits
    };
    let exact = search(&floats);
    for (other, bound) in [(search(&halves), 0.01), (search(&codes), 0.35)] {
        assert_eq!(other.len(), exact.len());
        for (a, b) in exact.iter().zip(&other) {
            assert!((a.1 - b.1).abs() < bound, "{a:?} against {b:?}");
        }
    }
}

#[test]
fn contributions_sum_to_the_score() {
    let mut world = World::new(6);
    let documents = documents(&mut world, 30);
    for storage in [
        TokenStorage::F32,
        TokenStorage::F16,
        TokenStorage::Residual4,
        TokenStorage::Residual2,
        TokenStorage::ResidualTernary,
        TokenStorage::Residual1,
    ] {
        let index = token_index(storage, &documents, 20);
        let snapshot = index.snapshot();
        let query = world.tokens(5);
        let outcome = search_tokens(&snapshot, query.matrix.view(), &SearchOptions::top(30)).unwrap();
        for hit in &outcome.hits {
            let matches = explain(&snapshot, query.matrix.view(), hit.doc, Isa::detect()).unwrap();
            assert_eq!(matches.len(), 5);
            let sum: f32 = matches.iter().map(|row| row.contribution).sum();
            assert!((sum - hit.score.get()).abs() < 1e-4, "{storage:?}: {sum} is not {}", hit.score);
        }
    }
}

#[test]
fn threads_change_nothing() {
    let mut world = World::new(10);
    let documents = documents(&mut world, 900);
    let index = token_index(TokenStorage::Residual4, &documents, 500);
    let snapshot = index.snapshot();
    let query = world.tokens(6);
    for plan in [PlanChoice::Auto, PlanChoice::Exact, PlanChoice::TwoStage] {
        for margin in [-1.0, 2.0, f32::INFINITY] {
            let effort = Some(Effort { margin, ..Effort::for_top(20) });
            let search = |threads| {
                let asked = SearchOptions { threads, effort, ..options(20, plan) };
                search_tokens(&snapshot, query.matrix.view(), &asked).unwrap()
            };
            let (alone, shared) = (search(1), search(3));
            assert_eq!(alone.hits, shared.hits);
            let counts = |outcome: &SearchOutcome| -> Vec<(u64, u64, u64)> {
                outcome
                    .report
                    .stages
                    .iter()
                    .map(|stage| (stage.examined, stage.kept, stage.skipped))
                    .collect()
            };
            assert_eq!(counts(&alone), counts(&shared));
        }
    }
}

#[test]
fn a_batch_finds_what_single_searches_find() {
    let mut world = World::new(15);
    let documents = documents(&mut world, 300);
    let index = token_index(TokenStorage::Residual2, &documents, 200);
    let snapshot = index.snapshot();
    let queries: Vec<EncodedTokens> = (1..20).map(|rows| world.tokens(rows)).collect();
    let queries: Vec<TokenMatrix<'_>> = queries.iter().map(|query| query.matrix.view()).collect();
    for threads in [1, 3] {
        let filter = Some(Filter::id(|id| id.ends_with('4')));
        let asked = SearchOptions { threads, filter, ..SearchOptions::top(7) };
        let batch = search_tokens_batch(&snapshot, &queries, &asked).unwrap();
        assert_eq!(batch.len(), queries.len());
        for (&query, outcome) in queries.iter().zip(batch) {
            assert_eq!(outcome.hits, search_tokens(&snapshot, query, &asked).unwrap().hits);
        }
    }
}

#[test]
fn a_document_scores_the_same_under_every_plan() {
    let mut world = World::new(16);
    let documents = documents(&mut world, 400);
    for storage in [TokenStorage::Residual4, TokenStorage::Residual2] {
        let index = token_index(storage, &documents, 400);
        let snapshot = index.snapshot();
        let query = world.tokens(5);
        let search = |filter, plan, isa| {
            let asked = SearchOptions { filter, isa, ..options(400, plan) };
            search_tokens(&snapshot, query.matrix.view(), &asked).unwrap()
        };
        let all = search(None, PlanChoice::Exact, Isa::detect());
        assert_eq!(all.report.plan, Plan::ExactCodes);
        let few = Filter::ids(["d0003", "d0250", "d0399"]);
        for isa in Isa::available() {
            assert_eq!(search(None, PlanChoice::TwoStage, isa).hits, all.hits);
            let found = search(Some(few.clone()), PlanChoice::Auto, isa);
            assert_eq!((found.report.plan, found.hits.len()), (Plan::ExactFew, 3));
            assert!(found.hits.iter().all(|hit| all.hits.contains(hit)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_k_and_any_query_give_ordered_distinct_live_hits(
        seed in any::<u64>(),
        k in 0_usize..40,
        rows in 1_usize..70,
        scale in prop_oneof![Just(1e-20_f32), Just(1.0), Just(1e15)],
    ) {
        let mut world = World::new(seed);
        let documents = documents(&mut world, 25);
        let index = token_index(TokenStorage::Residual2, &documents, 10);
        let snapshot = index.snapshot();
        let query: Vec<f32> = world.tokens(rows).matrix.into_vec().iter().map(|x| x * scale).collect();
        let query = TokenMatrix::new(&query, DIM).unwrap();
        let hits = search_tokens(&snapshot, query, &SearchOptions::top(k)).unwrap().hits;
        prop_assert_eq!(hits.len(), k.min(25));
        prop_assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let distinct: std::collections::HashSet<_> = hits.iter().map(|hit| hit.doc).collect();
        prop_assert_eq!(distinct.len(), hits.len());
    }
}
