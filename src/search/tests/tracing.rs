//! What is told of single documents: the search's own numbers, and what became of each.

use super::*;

fn two_stages(k: usize, effort: Effort) -> SearchOptions {
    SearchOptions { effort: Some(effort), ..options(k, PlanChoice::TwoStage) }
}

#[test]
fn contributions_sum_to_the_score_to_the_last_bit() {
    let mut world = World::new(21);
    let documents = documents(&mut world, 60);
    for storage in [TokenStorage::F32, TokenStorage::F16, TokenStorage::Residual4, TokenStorage::Residual1] {
        let index = token_index(storage, &documents, 40);
        let snapshot = index.snapshot();
        for rows in [1, 5, 16, 17, 40, 150] {
            let query = world.tokens(rows);
            for isa in Isa::available() {
                let asked = SearchOptions { isa, ..SearchOptions::top(60) };
                let hits = search_tokens(&snapshot, query.matrix.view(), &asked).unwrap().hits;
                assert_eq!(hits.len(), 60);
                for hit in &hits {
                    let matches = explain(&snapshot, query.matrix.view(), hit.doc, isa).unwrap();
                    assert_eq!(matches.len(), rows);
                    let sum = score_of(&matches);
                    assert_eq!(sum.to_bits(), hit.score.get().to_bits(), "{storage:?} {rows} {}", isa.name());
                }
            }
        }
    }
}

#[test]
fn the_largest_product_is_the_match() {
    let mut world = World::new(22);
    let documents = documents(&mut world, 10);
    let index = token_index(TokenStorage::Residual4, &documents, 10);
    let snapshot = index.snapshot();
    let query = world.tokens(7);
    let mut explainer = Explainer::new(&snapshot, query.matrix.view(), Isa::detect()).unwrap();
    for doc in 0..10 {
        let scores = explainer.token_scores(DocId(doc)).unwrap();
        let matches = explainer.explain(DocId(doc)).unwrap();
        assert_eq!(
            (scores.query_rows(), scores.document_rows()),
            (7, documents[doc as usize].1.token_ids.len())
        );
        for found in matches {
            let column = (0..scores.document_rows()).map(|row| scores.of_document_row(row)[found.query_row]);
            assert!(column.into_iter().all(|product| product <= found.contribution));
            assert_eq!(scores.of_document_row(found.document_row)[found.query_row], found.contribution);
        }
    }
}

#[test]
fn every_document_has_a_fate() {
    let mut world = World::new(23);
    let mut documents = documents(&mut world, 1500);
    documents[7].1 = world.tokens(0);
    let index = token_index(TokenStorage::Residual4, &documents, 900);
    let mut writer = index.writer(coded()).unwrap();
    assert!(writer.delete("d0011").unwrap());
    writer.commit().unwrap();
    let snapshot = index.snapshot();
    let query = world.tokens(4);
    let effort = Effort { nprobe: 2, candidates: 60, refine: 120, margin: 0.0 };
    let asked = SearchOptions { filter: Some(Filter::id(|id| id != "d0013")), ..two_stages(5, effort) };
    let all: Vec<DocId> = (0..1500).map(DocId).collect();
    let (outcome, traces) = trace(&snapshot, query.matrix.view(), &asked, &all).unwrap();
    let plain = search_tokens(&snapshot, query.matrix.view(), &asked).unwrap();
    assert_eq!(outcome.hits, plain.hits, "watching changes nothing");
    let mut seen: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    let last = outcome.hits[4].score.get();
    for found in &traces {
        let name = match found.fate {
            Fate::Hit { rank, score } => {
                assert_eq!(outcome.hits[rank - 1], Hit { doc: found.doc, score: Score::saturating(score) });
                assert_eq!(
                    found.stages.iter().map(|stage| stage.name).collect::<Vec<_>>(),
                    ["lists", "refine", "rescore"]
                );
                "hit"
            }
            Fate::Excluded => {
                assert!([DocId(11), DocId(13)].contains(&found.doc) && found.stages.is_empty());
                "excluded"
            }
            Fate::NoTokens => {
                assert_eq!(found.doc, DocId(7));
                "no tokens"
            }
            Fate::NotReached => "not reached",
            Fate::LeftByLists => "lists",
            Fate::LeftByEstimate { estimate, bar } => {
                assert!(estimate <= bar.unwrap());
                "estimate"
            }
            Fate::RuledOut => "ruled out",
            Fate::Outscored { score, last: of_last } => {
                assert!(score <= last && of_last == last);
                "outscored"
            }
        };
        *seen.entry(name).or_default() += 1;
    }
    assert_eq!((seen["hit"], seen["excluded"], seen["no tokens"]), (5, 2, 1));
    for name in ["not reached", "lists", "estimate", "ruled out", "outscored"] {
        assert!(seen.contains_key(name), "{name} is not among {seen:?}");
    }
    assert_eq!(seen.values().sum::<usize>(), 1500);
}

#[test]
fn a_scan_outscores_what_it_does_not_return() {
    let mut world = World::new(24);
    let documents = documents(&mut world, 50);
    for storage in [TokenStorage::F16, TokenStorage::Residual4] {
        let index = token_index(storage, &documents, 50);
        let snapshot = index.snapshot();
        let query = world.tokens(4);
        let all: Vec<DocId> = (0..50).map(DocId).collect();
        let asked = options(50, PlanChoice::Exact);
        let scores = search_tokens(&snapshot, query.matrix.view(), &asked).unwrap().hits;
        let (_, traces) =
            trace(&snapshot, query.matrix.view(), &options(3, PlanChoice::Exact), &all).unwrap();
        for (rank, hit) in scores.iter().enumerate() {
            let score = hit.score.get();
            let expected = match rank {
                0..3 => Fate::Hit { rank: rank + 1, score },
                _ => Fate::Outscored { score, last: scores[2].score.get() },
            };
            let found = traces.iter().find(|found| found.doc == hit.doc).unwrap();
            assert_eq!(found.fate, expected);
            assert_eq!((found.stages.len(), found.stages[0].name), (1, "scan"));
        }
        assert!(trace(&snapshot, query.matrix.view(), &asked, &[DocId(50)]).is_err());
    }
}
