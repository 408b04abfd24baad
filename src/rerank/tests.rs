//! The interface, with judges of numbers and with models of the shared test data.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Map;

use super::*;
use crate::encode::{Activation, ModelOptions, PairOptions, RuntimeChoice};

/// Scores a document by the number it contains.
struct Numbers;

impl Judge for Numbers {
    fn name(&self) -> &str {
        "numbers"
    }
    fn scores(&self, _query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
        Ok(documents.iter().map(|text| text.parse().unwrap_or(f32::NAN)).collect())
    }
}

fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LATEEN_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let found = root.join(path);
    if !found.exists() {
        eprintln!("skipped: {} is not there", found.display());
        return None;
    }
    Some(found)
}

fn options() -> RerankerOptions {
    let model = ModelOptions { runtime: RuntimeChoice::Rten, ..ModelOptions::default() };
    RerankerOptions { pair: PairOptions { model, ..PairOptions::default() }, ..RerankerOptions::default() }
}

fn cross_encoder() -> Option<Reranker> {
    let root = data("models/tiny-random-bert/sequence_classification")?;
    Some(Reranker::load(&root, &options()).unwrap())
}

fn ids(reranked: &Reranked) -> Vec<&str> {
    reranked.documents.iter().map(|ranked| ranked.id.as_str()).collect()
}

#[test]
fn judged_documents_stand_by_score_then_id_and_the_rest_stay() {
    let options = RerankOptions { judged: 4, ..RerankOptions::default() };
    let found = [("b", "1"), ("d", "3"), ("c", "2"), ("a", "3"), ("e", "99")];
    let reranked = Reranker::new(Numbers).rerank("q", found, &options).unwrap();
    assert_eq!(ids(&reranked), ["a", "d", "c", "b", "e"]);
    assert_eq!((reranked.report.judged, reranked.report.out_of_time), (4, false));
    let (first, last) = (&reranked.documents[0], &reranked.documents[4]);
    assert_eq!((first.rank, first.was, first.score, &first.passage), (1, 3, Some(3.0), &Some(0..1)));
    assert_eq!((last.rank, last.was, last.score, &last.passage), (5, 4, None, &None));
}

#[test]
fn an_exhausted_budget_ends_after_one_batch() {
    let options = RerankOptions { batch: 2, time_budget: Some(Duration::ZERO), ..RerankOptions::default() };
    let reranked = Reranker::new(Numbers).rerank("q", ["1", "2", "3", "4"], &options).unwrap();
    assert_eq!(ids(&reranked), ["1", "0", "2", "3"]);
    assert_eq!((reranked.report.judged, reranked.report.out_of_time), (2, true));
}

#[test]
fn thresholds_and_top_k_are_in_the_scale_that_is_shown() {
    let options = RerankOptions { scale: Scale::Unit, min_score: Some(0.5), ..RerankOptions::default() };
    let reranker = Reranker::new(Numbers);
    let reranked = reranker.rerank("q", ["-1", "0", "", "2"], &options).unwrap();
    assert_eq!(ids(&reranked), ["3", "1"]);
    assert_eq!(reranked.documents[1].score, Some(0.5));
    let one = RerankOptions { top_k: Some(1), ..RerankOptions::default() };
    assert_eq!(ids(&reranker.rerank("q", ["1", "2"], &one).unwrap()), ["1"]);
}

#[test]
fn contracts_are_checked() {
    let (reranker, options) = (Reranker::new(Numbers), RerankOptions::default());
    let refused = reranker.rerank(" \t", ["1"], &options);
    assert!(matches!(refused, Err(RerankError::EmptyQuery)));
    let refused = reranker.rerank("q", ["1", "x"], &options);
    assert!(matches!(refused, Err(RerankError::NotANumber { id, .. }) if id == "1"));
    let refused = reranker.compute_score(&[("q", "1"), ("q", "x")], Scale::Raw);
    assert!(matches!(refused, Err(RerankError::NotANumber { id, .. }) if id == "1"));
    assert!(reranker.rerank("q", Vec::<&str>::new(), &options).unwrap().documents.is_empty());
}

#[test]
fn pairs_of_several_queries_keep_their_order() {
    let pairs = [("a", "1"), ("b", "2"), ("a", "3"), ("b", "4")];
    assert_eq!(Reranker::new(Numbers).compute_score(&pairs, Scale::Raw).unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn a_single_pair_has_one_score() {
    let Some(reranker) = cross_encoder() else { return };
    let pairs = [("what is panda?", "hi"), ("what is panda?", "The giant panda is a bear.")];
    let both = reranker.compute_score(&pairs, Scale::Raw).unwrap();
    let one = reranker.compute_score(&pairs[..1], Scale::Raw).unwrap();
    assert_eq!((both.len(), one.len()), (2, 1));
    assert!((both[0] - one[0]).abs() < 1e-5, "{both:?} {one:?}");
    assert_eq!(reranker.judge().activation(), Activation::Identity);
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn a_single_string_is_one_document() {
    let Some(reranker) = cross_encoder() else { return };
    for how in [LongDocuments::Truncate, LongDocuments::SliceMax] {
        let options = RerankOptions { long_documents: how, ..RerankOptions::default() };
        let reranked = reranker.rerank("panda", ["several words in one text"], &options).unwrap();
        assert_eq!(reranked.documents.len(), 1, "{how:?}");
        assert!(reranked.documents[0].score.is_some() && !reranked.documents[0].cut);
    }
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn empty_documents_keep_every_id_in_place() {
    let Some(reranker) = cross_encoder() else { return };
    let metadata = Map::from_iter([("page".to_owned(), 7.into())]);
    let found = [
        Document::from(("e", "")),
        Document::from(("a", "one text", metadata.clone())),
        Document::from(("s", " \u{3000}\n")),
        Document::from("without an id"),
    ];
    let reranked = reranker.rerank("query", found, &RerankOptions::default()).unwrap();
    assert_eq!(reranked.report.judged, 2);
    for ranked in &reranked.documents {
        let wanted = ["e", "a", "s", "3"][ranked.was];
        assert_eq!((ranked.id.as_str(), ranked.score.is_some()), (wanted, ["a", "3"].contains(&wanted)));
        assert_eq!(ranked.metadata.is_empty(), ranked.id != "a");
    }
    assert_eq!(ids(&reranked)[2..], ["e", "s"], "those not judged come last, in their order");
}

/// A BERT pair has one separator between its texts, sliced or not: short documents score the same.
#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn slicing_and_truncating_agree_on_short_documents() {
    let Some(reranker) = cross_encoder() else { return };
    let texts = ["hi", "北京 is the capital", "The giant panda is a bear."];
    let scored = |how| {
        let options = RerankOptions { long_documents: how, ..RerankOptions::default() };
        let all = reranker.rerank("what is panda?", texts, &options).unwrap().documents;
        all.into_iter().map(|ranked| (ranked.id, ranked.score)).collect::<Vec<_>>()
    };
    let truncated = scored(LongDocuments::Truncate);
    assert_eq!(truncated, scored(LongDocuments::SliceMax));
    assert_eq!(truncated, scored(LongDocuments::FirstPassage));
    let pairs = texts.map(|text| ("what is panda?", text));
    let scores = reranker.compute_score(&pairs, Scale::Raw).unwrap();
    for (id, score) in truncated {
        assert!((scores[id.parse::<usize>().unwrap()] - score.unwrap()).abs() < 1e-5);
    }
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn the_best_slice_of_a_long_document_is_told() {
    let Some(reranker) = cross_encoder() else { return };
    let text: String = (0..1200).map(|at| format!("word{} ", at % 97)).collect();
    let options = |how| RerankOptions { long_documents: how, ..RerankOptions::default() };
    let one = |how| reranker.rerank("panda", [text.as_str()], &options(how)).unwrap().documents.remove(0);
    let (cut, best) = (one(LongDocuments::Truncate), one(LongDocuments::SliceMax));
    let (first, mean) = (one(LongDocuments::FirstPassage), one(LongDocuments::SliceMeanOfTop2));
    assert!(cut.cut && first.cut && !best.cut);
    let passage = best.passage.clone().unwrap();
    assert!(passage.len() < text.len(), "{passage:?}");
    let [best_score, first, mean] = [&best, &first, &mean].map(|ranked| ranked.score.unwrap());
    // The mean is of slices judged in the same batches, the first passage is judged alone: runtimes round by the shape of a batch.
    assert!(best_score >= mean && best_score >= first - 1e-5, "{best_score} {mean} {first}");
    // What the best slice scores alone is what the document scored.
    let pair = [("panda", &text[passage])];
    let alone = reranker.compute_score(&pair, Scale::Raw).unwrap()[0];
    assert!((alone - best.score.unwrap()).abs() < 1e-4, "{alone} {:?}", best.score);
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn scores_do_not_depend_on_batch_mates() {
    let Some(reranker) = cross_encoder() else { return };
    let texts: Vec<String> = (0..70).map(|at| "tide ".repeat(at * 7 % 90 + 1)).collect();
    let pairs: Vec<(&str, &str)> = texts.iter().map(|text| ("sea", text.as_str())).collect();
    let all = reranker.compute_score(&pairs, Scale::Raw).unwrap();
    for (pair, together) in pairs.iter().zip(all).step_by(9) {
        let alone = reranker.compute_score(&[*pair], Scale::Raw).unwrap()[0];
        assert!((alone - together).abs() < 1e-4, "{alone} {together}");
    }
}

#[cfg(feature = "bundled-model")]
#[test]
fn late_interaction_judges() {
    let model = crate::encode::Model::bundled().unwrap();
    let limit = model.limits().1;
    let reranker = Reranker::new(LateInteraction::new(model).unwrap());
    let found = [("sea", "The Moon raises tides in the sea."), ("tax", "Taxes are due in April.")];
    let options = RerankOptions { scale: Scale::Unit, ..RerankOptions::default() };
    let reranked = reranker.rerank("what causes tides", found, &options).unwrap();
    assert_eq!(ids(&reranked), ["sea", "tax"]);
    assert!(reranked.documents.iter().all(|ranked| (0.0..=1.0).contains(&ranked.score.unwrap())));
    let filler = "Taxes are due in April. ".repeat(limit);
    let text = format!("{filler}The Moon raises tides in the sea.");
    let last = reranker.rerank("what causes tides", [text.as_str()], &options).unwrap().documents.remove(0);
    let passage = last.passage.clone().unwrap();
    assert!(
        text[passage.clone()].contains("raises tides") && passage.start > 0,
        "the last slice is the best"
    );
    let cut = RerankOptions { long_documents: LongDocuments::Truncate, ..options };
    let cut = reranker.rerank("what causes tides", [text.as_str()], &cut).unwrap().documents.remove(0);
    assert!(cut.cut && cut.score < last.score, "{:?} {:?}", cut.score, last.score);
}

#[test]
fn a_dense_encoder_is_no_judge() {
    let Some(root) = data("models/model2vec-fixtures/float32") else { return };
    let refused = Reranker::load(&root, &options()).unwrap_err().to_string();
    assert!(refused.contains("cannot give scores of pairs"), "{refused}");
}
