//! Decoders against transformers: what they read, token for token, and what they score.
//!
//! `tests/fixtures/judges/decoders.py` made the models and the numbers.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::super::testing::in_both;
use super::super::{EncodeError, ModelOptions};
use super::*;

const TOLERANCE: f32 = 1e-3;

/// `part` or `[part, times]`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Repeated(String, usize),
}

impl Text {
    fn whole(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Repeated(part, times) => part.repeat(*times),
        }
    }
}

#[derive(Deserialize)]
struct Case {
    query: Text,
    document: Text,
    tokens: usize,
    ids: String,
    scores: Vec<f32>,
    /// Of each window by the rule for slices; none if the query leaves too little room.
    #[serde(default)]
    windows: Option<Vec<f32>>,
}

#[derive(Deserialize)]
struct Reference {
    max_tokens: usize,
    cases: Vec<Case>,
}

fn directory(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/judges").join(family)
}

fn reference(family: &str) -> (usize, Vec<Case>, Vec<(String, String)>) {
    let text = std::fs::read_to_string(directory(family).join("scores.json")).unwrap();
    let Reference { max_tokens, cases } = serde_json::from_str(&text).unwrap();
    let pairs = cases.iter().map(|case| (case.query.whole(), case.document.whole())).collect();
    (max_tokens, cases, pairs)
}

fn load(family: &str, model: &ModelOptions, max_tokens: usize) -> Result<PairModel, EncodeError> {
    let model = ModelOptions { max_document_tokens: Some(max_tokens), ..model.clone() };
    PairModel::load(&directory(family), &PairOptions { model, ..PairOptions::default() })
}

fn digest(ids: &[u32]) -> String {
    let text: Vec<String> = ids.iter().map(u32::to_string).collect();
    Sha256::digest(text.join(" ").as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn strs(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(query, document)| (query.as_str(), document.as_str())).collect()
}

/// Ids are the reference's for every pair, and scores within a thousandth, in batches of all pairs and in both runtimes.
fn equals_reference(family: &str, kind: PairKind) {
    let (max_tokens, cases, pairs) = reference(family);
    assert!(cases.len() >= 50);
    let pairs = strs(&pairs);
    let spread = cases
        .iter()
        .map(|case| case.scores[0])
        .fold((f32::MAX, f32::MIN), |(low, high), score| (low.min(score), high.max(score)));
    assert!(spread.1 - spread.0 > 100.0 * TOLERANCE, "scores that hardly differ prove nothing: {spread:?}");
    for model in in_both(|options| load(family, options, max_tokens)) {
        assert_eq!((model.kind(), model.max_tokens()), (kind, max_tokens));
        for (pair, case) in pairs.iter().zip(&cases) {
            let ids = model.token_ids(*pair, Windows::Cut).unwrap().remove(0);
            assert_eq!((ids.len(), digest(&ids)), (case.tokens, case.ids.clone()), "{family}: {pair:?}");
        }
        let last = |case: &Case| *case.scores.last().unwrap();
        let scores = model.score(&pairs).unwrap();
        for ((score, case), pair) in scores.iter().zip(&cases).zip(&pairs) {
            assert!((score - last(case)).abs() < TOLERANCE, "{family}: {pair:?} {score} {}", last(case));
        }
        for at in [0, 7, 31] {
            let alone = model.score(&pairs[at..=at]).unwrap()[0];
            assert!(
                (alone - scores[at]).abs() < TOLERANCE,
                "{family}: {alone} alone, {} among others",
                scores[at]
            );
        }
    }
}

#[test]
fn cross_encoder_equals_transformers() {
    equals_reference("bert", PairKind::Labels);
}

#[test]
fn windows_of_a_cross_encoder_equal_transformers() {
    let (max_tokens, cases, pairs) = reference("bert");
    assert!(cases.iter().any(|case| case.windows.as_ref().is_some_and(|windows| windows.len() > 2)));
    assert!(cases.iter().any(|case| case.windows.is_none()));
    for model in in_both(|options| load("bert", options, max_tokens)) {
        for ((query, document), case) in pairs.iter().zip(&cases) {
            let found = model.score_windows(&[(query, document)], Windows::All);
            let Some(wanted) = &case.windows else {
                match found {
                    Ok(found) => assert_eq!(found[0].windows.len(), 1, "a document that fits needs no room"),
                    Err(refused) => assert!(matches!(refused, EncodeError::NoRoom { .. }), "{refused}"),
                }
                continue;
            };
            let found: Vec<f32> = found.unwrap()[0].windows.iter().map(|window| window.score).collect();
            assert_eq!(found.len(), wanted.len(), "{query:?} {document:?}");
            for (found, wanted) in found.iter().zip(wanted) {
                assert!((found - wanted).abs() < TOLERANCE, "{query:?} {document:?} {found} {wanted}");
            }
        }
    }
}

#[test]
fn qwen3_reranker_equals_transformers() {
    equals_reference("qwen3", PairKind::NextToken);
}

#[test]
fn mxbai_reranker_equals_transformers() {
    equals_reference("qwen2", PairKind::NextToken);
}

#[test]
fn bge_gemma_reranker_equals_transformers() {
    equals_reference("gemma", PairKind::NextToken);
}

#[test]
fn layerwise_reranker_equals_transformers() {
    equals_reference("layerwise", PairKind::Layers);
}

#[test]
fn lightweight_reranker_equals_transformers() {
    equals_reference("lightweight", PairKind::Layers);
}

#[test]
fn decoder_with_a_head_equals_transformers() {
    equals_reference("score", PairKind::Labels);
}

#[test]
fn encoder_decoder_equals_transformers() {
    equals_reference("t5", PairKind::FirstToken);
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn answers_of_a_checkpoint_may_be_stated() {
    let made = crate::encode::testing::copy_all(&directory("t5"));
    let score = || {
        let model = in_both(|model| {
            PairModel::load(made.path(), &PairOptions { model: model.clone(), ..PairOptions::default() })
        });
        model[0].score(&[("a ship", "the sail")]).unwrap()[0]
    };
    let plain = score();
    let turned = r#"{"judge": {"positive": "false", "negative": "true"}}"#;
    std::fs::write(made.path().join("lateen.json"), turned).unwrap();
    assert!((score() + plain).abs() < 1e-3 && plain.abs() > 1e-2, "{plain}");
    std::fs::remove_file(made.path().join("encoder_model.onnx")).unwrap();
    let refused = PairModel::load(made.path(), &PairOptions::default()).unwrap_err();
    assert!(matches!(refused, EncodeError::NoVariant { .. }), "{refused}");
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn each_layer_has_its_score_in_one_pass() {
    let (max_tokens, cases, pairs) = reference("layerwise");
    let pairs = strs(&pairs);
    for model in in_both(|options| load("layerwise", options, max_tokens)) {
        assert_eq!(model.layers(), [1, 2]);
        let all = model.score_layers(&pairs[..9], &[2, 1]).unwrap();
        for (scores, case) in all.iter().zip(&cases) {
            assert!((scores[0] - case.scores[1]).abs() < TOLERANCE, "{scores:?} {:?}", case.scores);
            assert!((scores[1] - case.scores[0]).abs() < TOLERANCE, "{scores:?} {:?}", case.scores);
        }
        let refused = model.score_layers(&pairs[..1], &[7]).unwrap_err();
        assert!(matches!(refused, EncodeError::NoLayer { layer: 7, .. }), "{refused}");
    }
    let options = PairOptions { cutoff_layer: Some(7), ..PairOptions::default() };
    let refused = PairModel::load(&directory("layerwise"), &options).unwrap_err();
    assert!(matches!(refused, EncodeError::NoLayer { layer: 7, .. }), "{refused}");
}

/// Rows that begin alike share a run over what they begin with; their scores are those they have without it.
#[test]
fn a_shared_prefix_changes_no_score() {
    let texts: Vec<String> = (0..9).map(|at| "the mast and the keel ".repeat(at)).collect();
    let pairs: Vec<(&str, &str)> = texts.iter().map(|text| ("what is a ship", text.as_str())).collect();
    for model in in_both(|options| load("qwen3", options, 1024)) {
        assert!(!model.graph.presents.is_empty() && !model.graph.pad_left);
        let together = model.score(&pairs).unwrap();
        for (pair, together) in pairs.iter().zip(&together) {
            let alone = model.score(&[*pair]).unwrap()[0];
            assert!((alone - together).abs() < 1e-4, "{alone} alone, {together} with a kept prefix");
        }
    }
}

/// What stands after the document holds the question: no document and no query is long enough to push it out.
#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn the_tail_is_never_cut() {
    let long = "sail and keel ".repeat(2000);
    for family in ["qwen3", "qwen2", "gemma", "lightweight", "score", "t5"] {
        let model = in_both(|options| load(family, options, 420)).remove(0);
        let Form::Text(form) = &model.reader.form else { panic!("{family} has no template") };
        for (query, plan) in [("ship", Windows::Cut), ("ship", Windows::All), (&*long, Windows::Cut)] {
            let all = model.token_ids((query, &long), plan).unwrap();
            assert!(all.len() > 1 || plan == Windows::Cut);
            for ids in all {
                assert!(ids.starts_with(&form.head) && ids.ends_with(&form.tail), "{family} {plan:?}");
            }
        }
    }
}

/// Each window holds as many tokens as there is room for, and its neighbours share what the rule says.
#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn windows_follow_the_rule() {
    let document = "sail and keel ".repeat(300);
    let model = in_both(|options| load("score", options, 400)).remove(0);
    let query = model.reader.query(&model.tokenizer, "ship", Windows::All).unwrap();
    let shown = model.reader.document(&model.tokenizer, &query, &document, Windows::All).unwrap();
    let Form::Text(form) = &model.reader.form else { panic!("no template") };
    let room = 400 - query.ids.len() - form.separator.len() - form.tail.len();
    let (fixed, tail, overlap) = (400 - room - form.tail.len(), form.tail.len(), (room / 4).min(80));
    for pair in shown.windows.windows(2) {
        assert_eq!(pair[0].row.ids.len(), 400);
        let window = |at: usize| &pair[at].row.ids[fixed..pair[at].row.ids.len() - tail];
        assert_eq!(window(0).len(), room);
        assert_eq!(window(0)[room - overlap..], window(1)[..overlap]);
    }
    assert!(!shown.cut && shown.windows.len() > 3);
    assert_eq!(shown.windows[0].bytes.start, 0);
    assert_eq!(shown.windows.last().unwrap().bytes.end, document.len());
    let refused = model.score_windows(&[(&document, &document)], Windows::All).unwrap_err();
    assert!(matches!(refused, EncodeError::NoRoom { max_tokens: 400, .. }), "{refused}");
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn a_template_in_full_and_one_by_name_agree_and_nonsense_is_refused() {
    let made = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "model.onnx"] {
        std::fs::copy(directory("score").join(name), made.path().join(name)).unwrap();
    }
    let load = || {
        let model = in_both(|model| Ok(model.clone())).remove(0);
        PairModel::load(made.path(), &PairOptions { model, ..PairOptions::default() })
    };
    let refused = load().unwrap_err();
    assert!(matches!(refused, EncodeError::NoTemplate { .. }), "{refused}");
    let state = |text: &str| std::fs::write(made.path().join("lateen.json"), text).unwrap();
    state(r#"{"judge": {"template": "rag-retrieval"}}"#);
    let named = load().unwrap().score(&[("a", "b")]).unwrap();
    state(
        r#"{"judge": {"template": {"query": "query: {query}", "separator": " ", "document": "document: {document}",
        "tail": ["</s>"], "max_tokens": 512}}, "calibration": {"slope": 2, "intercept": -1}}"#,
    );
    let whole = load().unwrap();
    assert_eq!(whole.score(&[("a", "b")]).unwrap(), named);
    assert_eq!(whole.calibration(), Some(Calibration { slope: 2.0, intercept: -1.0 }));
    let stored = Calibration { slope: 0.5, intercept: 0.25 };
    JudgeSettings::store_calibration(made.path(), stored).unwrap();
    let again = load().unwrap();
    assert_eq!((again.calibration(), again.score(&[("a", "b")]).unwrap()), (Some(stored), named));
    for (text, word) in [
        (r#"{"judge": {"template": "gpt"}}"#, "judge.template"),
        (r#"{"judge": {"template": {"query": "x"}}}"#, "judge.template.query"),
        (r#"{"judge": {"tenplate": "bge-llm"}}"#, "tenplate"),
        (r#"{"judge": {"template": "rag-retrieval", "max_tokens": 3}}"#, "max_tokens"),
        (r#"{"calibration": {"slope": 0, "intercept": 1}}"#, "calibration"),
    ] {
        state(text);
        let refused = load().unwrap_err().to_string();
        assert!(refused.contains(word), "{text}: {refused}");
    }
}
