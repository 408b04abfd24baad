//! Dense search: storages, filters and damage.

use std::collections::HashSet;
use std::sync::Arc;

use lateen_index_format::{DenseStorage, IndexSettings, ModelIdentity, SectionKind, TokenStorage};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::index::directory::{Directory, MemoryDirectory, ReadMode};
use crate::index::{Index, IndexOptions, NewDocument, WriterOptions};
use crate::kernel::Isa;
use crate::types::normalize;

const DIM: usize = 24;
const STORAGES: [DenseStorage; 3] = [DenseStorage::F32, DenseStorage::F16, DenseStorage::I8];

/// Unit vectors around a few directions.
struct Vectors {
    random: StdRng,
    topics: Vec<Vec<f32>>,
}

impl Vectors {
    fn new(seed: u64) -> Self {
        let mut vectors = Self { random: StdRng::seed_from_u64(seed), topics: vec![vec![0.0; DIM]] };
        vectors.topics = (0..30).map(|_| vectors.next(1.0)).collect();
        vectors
    }

    fn next(&mut self, spread: f32) -> Vec<f32> {
        let topic = self.random.random_range(0..self.topics.len());
        let around = self.topics[topic].clone();
        let mut row: Vec<f32> =
            around.iter().map(|x| x + spread * self.random.random_range(-1.0_f32..1.0)).collect();
        assert!(normalize(&mut row));
        row
    }
}

/// Documents `0000`, `0001`, … in one segment with a graph.
fn index(storage: DenseStorage, vectors: &[Vec<f32>]) -> (Arc<MemoryDirectory>, Index) {
    let settings = IndexSettings {
        token_dim: 0,
        token_storage: TokenStorage::None,
        dense_dim: DIM as u32,
        dense_storage: storage,
        store_documents: false,
        seed: 7,
        ..IndexSettings::default()
    };
    let directory = Arc::new(MemoryDirectory::new());
    let shared: Arc<dyn Directory> = Arc::clone(&directory) as _;
    let index =
        Index::create_in(shared, &settings, &ModelIdentity::default(), IndexOptions::default()).unwrap();
    let mut writer =
        index.writer(WriterOptions { graph_min_documents: 2, ..WriterOptions::default() }).unwrap();
    for (number, vector) in vectors.iter().enumerate() {
        let (id, dense) = (format!("{number:04}"), Some(vector.clone()));
        writer.add(NewDocument { id, tokens: None, dense, stored: None, content_hash: 0 }).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    (directory, index)
}

/// The most that rounding moves a product of unit vectors.
fn tolerance(storage: DenseStorage) -> f32 {
    match storage {
        DenseStorage::F32 => 1e-5,
        DenseStorage::F16 => 1e-3,
        _ => 1e-2,
    }
}

#[test]
fn a_scan_gives_the_plain_products_on_every_instruction_set() {
    let mut world = Vectors::new(1);
    let vectors: Vec<_> = (0..500).map(|_| world.next(0.3)).collect();
    for storage in STORAGES {
        let snapshot = index(storage, &vectors).1.snapshot();
        for isa in Isa::available() {
            let query = world.next(0.5);
            let options = SearchOptions { plan: PlanChoice::Exact, isa, ..SearchOptions::top(500) };
            let outcome = search_dense(&snapshot, &query, &options).unwrap();
            assert_eq!((outcome.report.plan, outcome.hits.len()), (Plan::DenseExact, 500));
            for hit in &outcome.hits {
                let product: f32 = query.iter().zip(&vectors[hit.doc.0 as usize]).map(|(q, x)| q * x).sum();
                assert!((hit.score.get() - product).abs() < tolerance(storage), "{storage:?} {isa}");
            }
            assert!(outcome.hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
            let few = search_dense(&snapshot, &query, &SearchOptions { k: 7, ..options }).unwrap();
            assert_eq!(few.hits, outcome.hits[..7]);
        }
    }
}

#[test]
fn a_filtered_search_returns_k_when_k_exist_by_graph_and_by_scan() {
    let mut world = Vectors::new(2);
    let vectors: Vec<_> = (0..3000).map(|_| world.next(0.3)).collect();
    for storage in STORAGES {
        let index = index(storage, &vectors).1;
        let mut writer = index.writer(WriterOptions::default()).unwrap();
        (0..100).for_each(|number| assert!(writer.delete(&format!("{number:04}")).unwrap()));
        writer.commit().unwrap();
        let snapshot = index.snapshot();
        for every in [1, 2, 7, 100, 2999, 4000] {
            let allowed = |number: u32| number >= 100 && number.is_multiple_of(every);
            let filter = Filter::id(move |id| id.parse::<u32>().unwrap().is_multiple_of(every));
            let exist = (0..3000).filter(|&number| allowed(number)).count();
            let (mut met, mut of) = (0, 0);
            for _ in 0..10 {
                let query = world.next(0.6);
                let search = |plan| {
                    let filter = Some(filter.clone());
                    let options =
                        SearchOptions { plan, filter, ef_search: Some(48), ..SearchOptions::top(20) };
                    search_dense(&snapshot, &query, &options).unwrap()
                };
                let scan: HashSet<_> = search(PlanChoice::Exact).hits.iter().map(|hit| hit.doc).collect();
                for plan in [PlanChoice::Auto, PlanChoice::TwoStage] {
                    let found = search(plan);
                    assert_eq!(found.hits.len(), exist.min(20), "1 in {every}, {plan:?}");
                    assert!(found.hits.iter().all(|hit| allowed(hit.doc.0)));
                    met += found.hits.iter().filter(|hit| scan.contains(&hit.doc)).count();
                    of += scan.len();
                }
            }
            assert!(met * 100 >= of * 95, "{storage:?}, 1 in {every}: {met} of {of}");
        }
    }
}

#[test]
fn selective_filters_are_scanned_and_wide_ones_are_not() {
    let mut world = Vectors::new(3);
    let vectors: Vec<_> = (0..4000).map(|_| world.next(0.3)).collect();
    let snapshot = index(DenseStorage::I8, &vectors).1.snapshot();
    let plan = |every: u32| {
        let filter = Some(Filter::id(move |id| id.parse::<u32>().unwrap().is_multiple_of(every)));
        let options = SearchOptions { filter, ef_search: Some(10), ..SearchOptions::top(10) };
        let report = search_dense(&snapshot, &vectors[0], &options).unwrap().report;
        (report.plan, report.stages[0].examined)
    };
    assert_eq!(plan(100), (Plan::DenseExact, 40));
    let (wide, examined) = plan(1);
    assert_eq!(wide, Plan::DenseGraph);
    assert!(examined < 2000, "{examined}");
}

#[test]
fn damage_is_an_error_of_the_search_that_meets_it_and_changes_no_answer() {
    let mut world = Vectors::new(4);
    let vectors: Vec<_> = (0..900).map(|_| world.next(0.3)).collect();
    let query = world.next(0.5);
    for storage in STORAGES {
        let (directory, index) = index(storage, &vectors);
        let snapshot = index.snapshot();
        let options = |plan| SearchOptions { plan, ef_search: Some(12), ..SearchOptions::top(5) };
        let plans = [PlanChoice::Exact, PlanChoice::TwoStage];
        let expected = plans.map(|plan| search_dense(&snapshot, &query, &options(plan)).unwrap().hits);
        let name = directory.names().unwrap().into_iter().find(|name| name.starts_with("segment")).unwrap();
        let bytes = directory.read(&name, ReadMode::InMemory, u64::MAX).unwrap().to_vec();
        let sections: Vec<_> = snapshot.segments()[0].reader().entries().cloned().collect();
        let mut found_out = 0;
        for kind in [SectionKind::DenseVectors, SectionKind::GraphLinks] {
            let range = sections.iter().find(|entry| entry.kind() == kind).unwrap().range();
            for at in range.clone().step_by(range.len() / 40) {
                let mut bytes = bytes.clone();
                bytes[at] ^= 0x40;
                directory.put(&name, &bytes);
                let shared: Arc<dyn Directory> = Arc::clone(&directory) as _;
                let damaged = Index::open_in(shared, IndexOptions::default()).unwrap().snapshot();
                for (plan, expected) in plans.into_iter().zip(&expected) {
                    // Twice: what was found damaged stays damaged.
                    for _ in 0..2 {
                        match search_dense(&damaged, &query, &options(plan)) {
                            Ok(outcome) => assert_eq!(&outcome.hits, expected, "{storage:?} {kind:?} {at}"),
                            Err(SearchError::Index(_)) => found_out += 1,
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
            }
        }
        assert!(found_out > 100, "{storage:?}: {found_out}");
    }
}
