//! What is measured holds, and is the same every time.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::format::{DenseStorage, IndexSettings, ModelIdentity, TokenStorage};
use crate::index::{Index, IndexOptions, MemoryDirectory, NewDocument, WriterOptions};
use crate::search::{Effort, EffortSource, Filter, Plan, search_tokens};
use crate::types::{EncodedTokens, normalize};

const DIM: usize = 32;

/// Documents of a few subjects each, so that every query has near and far ones.
fn documents(count: usize, seed: u64) -> Vec<EncodedTokens> {
    let mut subjects = StdRng::seed_from_u64(1);
    let subjects: Vec<Vec<f32>> = (0..300).map(|_| unit(&mut subjects, &[0.0; DIM], 1.0)).collect();
    let mut random = StdRng::seed_from_u64(seed);
    let mut document = || {
        let own: Vec<usize> = (0..3).map(|_| random.random_range(0..subjects.len())).collect();
        let (mut data, mut token_ids) = (Vec::new(), Vec::new());
        for _ in 0..random.random_range(4..16) {
            let subject = own[random.random_range(0..own.len())];
            data.extend(unit(&mut random, &subjects[subject], 0.35));
            token_ids.push(subject as u32 % 40);
        }
        EncodedTokens { matrix: TokenMatrixBuf::new(data, DIM).unwrap(), token_ids, spans: Vec::new() }
    };
    (0..count).map(|_| document()).collect()
}

fn unit(random: &mut StdRng, around: &[f32], spread: f32) -> Vec<f32> {
    let mut row: Vec<f32> = around.iter().map(|x| x + spread * random.random_range(-1.0_f32..1.0)).collect();
    assert!(normalize(&mut row));
    row
}

fn index(token_storage: TokenStorage, documents: &[EncodedTokens]) -> Index {
    let settings = IndexSettings {
        token_dim: DIM as u32,
        token_storage,
        dense_dim: 0,
        dense_storage: DenseStorage::None,
        store_documents: false,
        seed: 7,
        ..IndexSettings::default()
    };
    let directory = Arc::new(MemoryDirectory::new());
    let index =
        Index::create_in(directory, &settings, &ModelIdentity::default(), IndexOptions::default()).unwrap();
    add(&index, 0, documents);
    index
}

fn add(index: &Index, first: usize, documents: &[EncodedTokens]) {
    let mut writer =
        index.writer(WriterOptions { threads: 1, code_from_tokens: 0, ..WriterOptions::default() }).unwrap();
    for (number, tokens) in (first..).zip(documents) {
        let (id, tokens) = (format!("d{number:05}"), Some(tokens.clone()));
        writer.add(NewDocument { id, tokens, dense: None, stored: None, content_hash: 0 }).unwrap();
    }
    writer.commit().unwrap();
}

fn options() -> TuneOptions {
    TuneOptions { ks: vec![5], ..TuneOptions::default() }
}

/// Longer and quieter than usual: 32 dimensions, disturbed as much as 128, are hard to recognise.
fn sample(count: usize, seed: u64) -> PseudoQueries {
    PseudoQueries { count, seed, longest: 20, noise: 0.5, ..PseudoQueries::default() }
}

fn tuned(index: &Index) -> Tuning {
    let snapshot = index.snapshot();
    let queries = sample(100, 3).sample(&snapshot).unwrap();
    let tuning = tune(&snapshot, &queries, &options(), &mut |_| true).unwrap().unwrap();
    let mut writer = index.writer(WriterOptions::default()).unwrap();
    writer.set_tuning(Some(tuning.clone())).unwrap();
    writer.commit().unwrap();
    tuning
}

#[test]
fn stored_tokens_are_close_to_what_was_stored() {
    let documents = documents(200, 2);
    for (storage, least) in [
        (TokenStorage::F32, 0.99999),
        (TokenStorage::F16, 0.9999),
        (TokenStorage::Residual4, 0.97),
        (TokenStorage::ResidualTernary, 0.8),
    ] {
        let index = index(storage, &documents);
        let snapshot = index.snapshot();
        let stored = StoredTokens::of(&snapshot.segments()[0], DIM).unwrap();
        for (number, document) in (0..).zip(&documents) {
            let found = stored.document(number).unwrap();
            assert_eq!(stored.rows(number).unwrap(), document.token_ids.len());
            let rows = found.view().iter().zip(document.matrix.view().iter());
            for (found, given) in rows.map(|(a, b)| (a.to_vec(), b.to_vec())) {
                let cosine: f32 = found.iter().zip(&given).map(|(a, b)| a * b).sum();
                assert!(cosine > least, "{storage:?}: {cosine}");
            }
        }
    }
}

#[test]
fn samples_depend_on_the_seed_alone_and_leave_deleted_documents_out() {
    let index = index(TokenStorage::F32, &documents(60, 2));
    let snapshot = index.snapshot();
    let queries = sample(20, 5).sample(&snapshot).unwrap();
    assert_eq!(queries.len(), 20);
    assert_eq!(queries, sample(20, 5).sample(&snapshot).unwrap());
    assert_ne!(queries, sample(20, 6).sample(&snapshot).unwrap());
    assert_eq!(sample(1000, 5).sample(&snapshot).unwrap().len(), 60);
    let mut writer = index.writer(WriterOptions::default()).unwrap();
    (1..60).for_each(|number| assert!(writer.delete(&format!("d{number:05}")).unwrap()));
    writer.commit().unwrap();
    let quiet = PseudoQueries { noise: 0.0, ..sample(1000, 5) };
    let queries = quiet.sample(&index.snapshot()).unwrap();
    assert_eq!(queries.len(), 1);
    let document = StoredTokens::of(&snapshot.segments()[0], DIM).unwrap().document(0).unwrap();
    assert!(queries[0].view().iter().all(|row| document.view().iter().any(|other| other == row)));
}

#[test]
fn measured_recall_is_the_share_of_the_true_best() {
    let index = index(TokenStorage::Residual4, &documents(1500, 2));
    let snapshot = index.snapshot();
    let queries = sample(30, 1).sample(&snapshot).unwrap();
    let scan = SearchOptions { plan: PlanChoice::Exact, ..SearchOptions::top(10) };
    let all = measure_recall(&snapshot, &queries, &scan).unwrap();
    assert_eq!((all.recall.mean, all.work), (1.0, all.exact_work));
    let effort = Effort { nprobe: 1, candidates: 10, ..Effort::for_top(10) };
    let hasty = SearchOptions { plan: PlanChoice::TwoStage, effort: Some(effort), ..SearchOptions::top(10) };
    let found = measure_recall(&snapshot, &queries, &hasty).unwrap();
    assert!(found.work < found.exact_work);
    for (query, &share) in queries.iter().zip(&found.per_query) {
        let ids = |options: &SearchOptions| -> Vec<u32> {
            let outcome = search_tokens(&snapshot, query.view(), options).unwrap();
            outcome.hits.iter().map(|hit| hit.doc.0).collect()
        };
        let (truth, hits) = (ids(&scan), ids(&hasty));
        let met = hits.iter().filter(|hit| truth.contains(hit)).count();
        assert!((share - met as f64 / 10.0).abs() < 1e-9, "{share} is not {met} of 10");
    }
    assert!(found.recall.mean < 1.0 && found.recall.lower < found.recall.mean);
}

#[test]
fn a_tuning_is_the_same_every_time_and_holds_for_other_queries() {
    let index = index(TokenStorage::Residual4, &documents(4000, 2));
    let snapshot = index.snapshot();
    let queries = sample(100, 3).sample(&snapshot).unwrap();
    let tune_on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| tune(&snapshot, &queries, &options(), &mut |_| true)).unwrap().unwrap()
    };
    assert_eq!(tune_on(1), tune_on(3));
    let tuning = tuned(&index);
    assert_eq!(tuning, tune_on(2));
    assert_eq!((tuning.documents, tuning.queries), (4000, 100));
    assert!(!tuning.targets.is_empty());
    let snapshot = index.snapshot();
    let others = sample(200, 1000).sample(&snapshot).unwrap();
    for target in &tuning.targets {
        assert!(target.lower >= target.recall && target.measured >= target.lower);
        let recall = Recall::at_least(f64::from(target.recall) / 1e6).unwrap();
        let options = SearchOptions { recall, plan: PlanChoice::TwoStage, ..SearchOptions::top(5) };
        let found = measure_recall(&snapshot, &others, &options).unwrap();
        assert!(found.recall.mean >= recall.share() - 0.01, "{} for {recall}", found.recall.mean);
        assert!(found.work < found.exact_work);
        let outcome = search_tokens(&snapshot, others[0].view(), &options).unwrap();
        assert_eq!(outcome.report.plan, Plan::TwoStage);
        let EffortSource::Measured(evidence) = outcome.report.effort_source else {
            panic!("{:?}", outcome.report.effort_source)
        };
        assert_eq!((evidence.k, evidence.target, evidence.queries), (5, recall, 100));
    }
}

#[test]
fn what_was_not_measured_is_said() {
    let texts = documents(6000, 2);
    let index = index(TokenStorage::Residual4, &texts[..2500]);
    let query = sample(1, 9).sample(&index.snapshot()).unwrap().remove(0);
    let source = |options: &SearchOptions| {
        let report = search_tokens(&index.snapshot(), query.view(), options).unwrap().report;
        (report.effort_source, report.plan)
    };
    let recall = Recall::at_least(0.9).unwrap();
    let staged = SearchOptions { plan: PlanChoice::TwoStage, recall, ..SearchOptions::top(5) };
    let exact = SearchOptions { recall: Recall::EXACT, ..SearchOptions::top(5) };
    assert_eq!(source(&staged), (EffortSource::NotTuned, Plan::TwoStage));
    assert_eq!(source(&exact), (EffortSource::Exact, Plan::ExactCodes));
    assert_eq!(TuningState::of(&index.snapshot()), TuningState::NotTuned);
    tuned(&index);
    assert_eq!(TuningState::of(&index.snapshot()), TuningState::Tuned);
    assert!(matches!(source(&staged), (EffortSource::Measured(_), Plan::TwoStage)));
    // More hits than were measured, and more recall: scanned.
    let many = SearchOptions { k: 6, ..staged.clone() };
    assert_eq!(source(&many), (EffortSource::NotReached, Plan::ExactCodes));
    let most = SearchOptions { recall: Recall::at_least(0.999).unwrap(), ..staged.clone() };
    assert_eq!(source(&most), (EffortSource::NotReached, Plan::ExactCodes));
    let given = SearchOptions { effort: Some(Effort::for_top(5)), ..staged.clone() };
    assert_eq!(source(&given), (EffortSource::Given, Plan::TwoStage));
    // The best 2 of a tenth of the documents are some of the best 20.
    let ids = (0..250).map(|number| format!("d{number:05}"));
    let filtered = SearchOptions { k: 2, filter: Some(Filter::ids(ids)), ..staged.clone() };
    assert_eq!(source(&filtered), (EffortSource::NotReached, Plan::ExactCodes));
    add(&index, 2500, &texts[2500..]);
    assert_eq!(TuningState::of(&index.snapshot()), TuningState::Outdated);
    assert!(matches!(source(&staged), (EffortSource::Outdated(_), Plan::TwoStage)));
}

#[test]
fn nothing_is_measured_where_nothing_is_approximate() {
    let index = index(TokenStorage::F16, &documents(50, 2));
    let snapshot = index.snapshot();
    assert_eq!(TuningState::of(&snapshot), TuningState::NotNeeded);
    let queries = sample(5, 1).sample(&snapshot).unwrap();
    let refused = tune(&snapshot, &queries, &options(), &mut |_| true);
    assert!(matches!(refused, Err(SearchError::PlanNotPossible { .. })), "{refused:?}");
}

#[test]
fn measuring_can_be_stopped() {
    let index = index(TokenStorage::Residual4, &documents(300, 2));
    let snapshot = index.snapshot();
    let queries = sample(5, 1).sample(&snapshot).unwrap();
    for most in [0, 1, 2] {
        let mut asked = 0;
        let stopped = tune(&snapshot, &queries, &options(), &mut |_| {
            asked += 1;
            asked <= most
        });
        assert_eq!(stopped.unwrap(), None);
    }
}
