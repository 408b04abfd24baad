//! Ties, nothing to find, refusals, and work saved.

use super::*;

#[test]
fn equal_scores_come_by_id_whatever_the_order_of_arrival() {
    let mut world = World::new(5);
    let tokens = world.tokens(4);
    let same: Vec<_> = ["c", "a", "d", "b"].map(|id| (id.to_owned(), tokens.clone())).into();
    for per_commit in [1, 4] {
        let index = token_index(TokenStorage::F32, &same, per_commit);
        let snapshot = index.snapshot();
        let outcome = search_tokens(&snapshot, tokens.matrix.view(), &SearchOptions::top(3)).unwrap();
        let ids: Vec<String> = found(&snapshot, &outcome).into_iter().map(|hit| hit.0).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let mut world = World::new(7);
    let documents = documents(&mut world, 3);
    let index = token_index(TokenStorage::F32, &documents, 3);
    let snapshot = index.snapshot();
    let search = |data: &[f32], dim, plan| {
        search_tokens(&snapshot, TokenMatrix::new(data, dim).unwrap(), &options(1, plan)).err()
    };
    let wrong = search(&[1.0; 4], 4, PlanChoice::Auto);
    assert!(matches!(wrong, Some(SearchError::DimensionMismatch { query: 4, index: DIM })));
    assert!(matches!(search(&[], DIM, PlanChoice::Auto), Some(SearchError::EmptyQuery)));
    let staged = search(&[1.0; DIM], DIM, PlanChoice::TwoStage);
    assert!(matches!(staged, Some(SearchError::PlanNotPossible { .. })));
    let dense = search_dense(&snapshot, &[1.0; DIM], &SearchOptions::default()).err();
    assert!(matches!(dense, Some(SearchError::NotStored { what: "dense vectors" })));
    let query = world.tokens(1);
    assert!(explain(&snapshot, query.matrix.view(), DocId(3), Isa::detect()).is_err());
}

#[test]
fn an_empty_index_has_no_hits_and_says_so() {
    let index = create(&settings(TokenStorage::Residual4, DenseStorage::F32));
    let snapshot = index.snapshot();
    let query = World::new(8).tokens(2);
    let outcome = search_tokens(&snapshot, query.matrix.view(), &SearchOptions::default()).unwrap();
    assert_eq!((outcome.hits.len(), outcome.report.plan), (0, Plan::Empty));
    let outcome = search_dense(&snapshot, &[1.0; DIM], &SearchOptions::default()).unwrap();
    assert_eq!((outcome.hits.len(), outcome.report.plan), (0, Plan::Empty));
}

#[test]
fn documents_without_tokens_are_no_hits() {
    let mut world = World::new(9);
    let mut documents = documents(&mut world, 5);
    documents[2].1 = world.tokens(0);
    let index = token_index(TokenStorage::Residual4, &documents, 5);
    let snapshot = index.snapshot();
    let query = world.tokens(2);
    for plan in [PlanChoice::Exact, PlanChoice::TwoStage] {
        let outcome = search_tokens(&snapshot, query.matrix.view(), &options(5, plan)).unwrap();
        assert_eq!(outcome.hits.len(), 4, "{plan:?}");
    }
}

#[test]
fn a_small_margin_scores_less_and_still_finds_k() {
    let mut world = World::new(17);
    let documents = documents(&mut world, 2000);
    let index = token_index(TokenStorage::Residual4, &documents, 2000);
    let snapshot = index.snapshot();
    let query = world.tokens(8);
    let scored = |margin| {
        let effort = Some(Effort { nprobe: 16, candidates: 1000, margin, ..Effort::for_top(10) });
        let asked = SearchOptions { effort, ..options(10, PlanChoice::TwoStage) };
        let outcome = search_tokens(&snapshot, query.matrix.view(), &asked).unwrap();
        assert_eq!(outcome.hits.len(), 10);
        let stage = outcome.report.stages.iter().find(|stage| stage.name == "rescore").unwrap();
        assert_eq!(stage.kept + stage.skipped, outcome.report.stages[1].kept);
        stage.kept
    };
    let counts = [-10.0, 1.0, 3.0, f32::INFINITY, f32::NAN].map(scored);
    assert!(counts.is_sorted() && counts[0] < counts[3], "{counts:?}");
}

#[test]
fn a_graph_finds_what_a_scan_finds_and_no_deleted_document() {
    let mut world = World::new(11);
    let index = create(&settings(TokenStorage::None, DenseStorage::F16));
    let options = WriterOptions { graph_min_documents: 100, ..coded() };
    let mut writer = index.writer(options).unwrap();
    for number in 0..3000 {
        let topic = world.random.random_range(0..world.topics.len());
        let vector = unit(&mut world.random, &world.topics[topic].clone(), 0.3);
        writer.add(document(&format!("d{number:04}"), None, Some(vector))).unwrap();
    }
    writer.commit().unwrap();
    for number in 0..300 {
        writer.delete(&format!("d{number:04}")).unwrap();
    }
    writer.commit().unwrap();
    let snapshot = index.snapshot();
    let (mut met, mut of) = (0, 0);
    for _ in 0..30 {
        let query = unit(&mut world.random, &[0.0; DIM], 1.0);
        let search = |plan| {
            let asked = SearchOptions { plan, ef_search: Some(64), ..SearchOptions::top(10) };
            let outcome = search_dense(&snapshot, &query, &asked).unwrap();
            (outcome.report.plan, found(&snapshot, &outcome))
        };
        let (scan, exact) = search(PlanChoice::Exact);
        let (graph, near) = search(PlanChoice::Auto);
        assert_eq!((scan, graph), (Plan::DenseExact, Plan::DenseGraph));
        assert!(near.iter().all(|(id, _)| id.as_str() >= "d0300"));
        met += exact.iter().filter(|hit| near.contains(hit)).count();
        of += exact.len();
    }
    assert!(met * 100 >= of * 95, "{met} of {of}");
}
