//! Deleted documents, and those that a filter keeps out.

use super::*;

#[test]
fn deleted_documents_never_appear_and_k_come_back_when_k_exist() {
    let mut world = World::new(4);
    let documents = documents(&mut world, 200);
    let index = token_index(TokenStorage::Residual4, &documents, 80);
    let mut writer = index.writer(coded()).unwrap();
    for (id, _) in &documents[..150] {
        assert!(writer.delete(id).unwrap());
    }
    writer.commit().unwrap();
    let snapshot = index.snapshot();
    for plan in [PlanChoice::Exact, PlanChoice::TwoStage, PlanChoice::Auto] {
        let query = world.tokens(3);
        let effort = Some(Effort { nprobe: 1, ..Effort::for_top(50) });
        let asked = SearchOptions { effort, ..options(50, plan) };
        let hits = found(&snapshot, &search_tokens(&snapshot, query.matrix.view(), &asked).unwrap());
        assert_eq!(hits.len(), 50, "{plan:?}");
        assert!(hits.iter().all(|(id, _)| id.as_str() >= "d0150"), "{plan:?}");
    }
    let asked = options(51, PlanChoice::Auto);
    assert_eq!(search_tokens(&snapshot, world.tokens(1).matrix.view(), &asked).unwrap().hits.len(), 50);
}

#[test]
fn a_filter_lets_only_its_documents_through_and_k_of_them_when_k_exist() {
    let mut world = World::new(12);
    let documents = documents(&mut world, 200);
    let index = token_index(TokenStorage::Residual4, &documents, 70);
    let mut writer = index.writer(WriterOptions::default()).unwrap();
    writer.delete("d0010").unwrap();
    writer.commit().unwrap();
    let snapshot = index.snapshot();
    let some = Filter::ids((0..30).map(|number| format!("d{number:04}")).chain(["nobody".to_owned()]));
    let odd = Filter::id(|id| id.ends_with(['1', '3', '5', '7', '9']));
    let cases = [
        (some.clone(), 29),
        (odd.clone(), 100),
        (some.clone().and(odd.clone()), 15),
        (some.clone().or(odd.clone()), 114),
        (some.clone().and(!odd.clone()), 14),
        (!some.clone().or(!some), 0),
        (Filter::stored(|_| true), 0),
    ];
    let query = world.tokens(4);
    for (filter, allowed) in cases {
        for (plan, k) in [(PlanChoice::Exact, 200), (PlanChoice::TwoStage, 200), (PlanChoice::TwoStage, 7)] {
            let effort = Some(Effort { nprobe: 1, candidates: 1, ..Effort::for_top(k) });
            let asked = SearchOptions { filter: Some(filter.clone()), effort, ..options(k, plan) };
            let outcome = search_tokens(&snapshot, query.matrix.view(), &asked).unwrap();
            assert_eq!((outcome.report.allowed, outcome.hits.len()), (allowed, k.min(allowed as usize)));
            for hit in &outcome.hits {
                let (segment, local) = snapshot.segment_of(hit.doc).unwrap();
                assert!(filter.select(&snapshot.segments()[segment]).unwrap().contains(local));
                assert!(snapshot.is_live(hit.doc));
            }
        }
    }
}

#[test]
fn a_filter_asks_each_segment_once() {
    #[derive(Debug)]
    struct Counted(Arc<std::sync::atomic::AtomicUsize>);
    impl Condition for Counted {
        fn select(&self, _: &crate::index::Segment) -> Result<roaring::RoaringBitmap, SearchError> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok((0..1_000_000).collect())
        }
    }
    let mut world = World::new(13);
    let index = token_index(TokenStorage::Residual4, &documents(&mut world, 30), 10);
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let filter = Filter::new(Counted(Arc::clone(&asked)));
    let options = SearchOptions { filter: Some(filter), ..SearchOptions::top(40) };
    for _ in 0..3 {
        let query = world.tokens(2);
        let outcome = search_tokens(&index.snapshot(), query.matrix.view(), &options.clone()).unwrap();
        assert_eq!((outcome.hits.len(), outcome.report.allowed), (30, 30));
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 3);
}

#[test]
fn stored_fields_decide() {
    let mut world = World::new(14);
    let settings =
        IndexSettings { store_documents: true, ..settings(TokenStorage::Residual4, DenseStorage::F32) };
    let index = create(&settings);
    let mut writer = index.writer(WriterOptions::default()).unwrap();
    for number in 0..50 {
        let vector = unit(&mut world.random, &[0.0; DIM], 1.0);
        let stored = lateen_index_format::StoredDocument { text: number.to_string(), ..Default::default() };
        let tokens = Some(world.tokens(3));
        let document = document(&format!("d{number:02}"), tokens, Some(vector));
        writer.add(NewDocument { stored: Some(stored), ..document }).unwrap();
    }
    writer.commit().unwrap();
    let snapshot = index.snapshot();
    let filter = Some(Filter::stored(|document| document.text.ends_with('7')));
    let options = SearchOptions { filter, ..SearchOptions::top(20) };
    let by_tokens = search_tokens(&snapshot, world.tokens(2).matrix.view(), &options).unwrap();
    let by_vector = search_dense(&snapshot, &[1.0; DIM], &options).unwrap();
    for outcome in [by_tokens, by_vector] {
        let mut ids: Vec<String> = found(&snapshot, &outcome).into_iter().map(|hit| hit.0).collect();
        ids.sort();
        assert_eq!(ids, ["d07", "d17", "d27", "d37", "d47"]);
    }
}
