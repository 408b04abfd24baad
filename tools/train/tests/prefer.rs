//! A causal language model's preferences against PyTorch's: fixtures of `fixtures/make_causal.py`.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use lateen_train::prefer::{CausalModel, PreferError, PreferOptions, shares};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/causal")
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("expected.json")).unwrap()).unwrap()
}

fn options(batch: usize) -> PreferOptions {
    let prompt = expected()["prompt"].as_str().unwrap().to_owned();
    PreferOptions { prompt, max_tokens: 64, batch }
}

#[test]
fn preferences_are_pytorchs_however_many_passages_go_at_once() {
    let model = CausalModel::load(&folder()).unwrap();
    for case in expected()["cases"].as_array().unwrap() {
        let text = |key: &str| case[key].as_str().unwrap();
        let passages: Vec<&str> =
            case["passages"].as_array().unwrap().iter().map(|passage| passage.as_str().unwrap()).collect();
        for batch in [1, 2, 8] {
            let found =
                model.preferences(text("question"), text("answer"), &passages, &options(batch)).unwrap();
            assert_eq!(found.len(), passages.len());
            for (found, right) in found.iter().zip(case["preferences"].as_array().unwrap()) {
                let right = right.as_f64().unwrap();
                assert!((f64::from(*found) - right).abs() < 1e-6, "{found} {right}");
            }
        }
    }
}

#[test]
fn passages_are_cut_and_what_has_no_room_is_refused() {
    let model = CausalModel::load(&folder()).unwrap();
    let ask = |passage: &str, question: &str, answer: &str, options: &PreferOptions| {
        model.preferences(question, answer, &[passage], options).map(|found| found[0])
    };
    // `<s> D :`, the passage, `Q : what A :` and the answer: nine tokens besides the passage.
    let short = PreferOptions { max_tokens: 11, ..options(8) };
    let cut = ask("the moon pulls the tides", "what", "bread", &short).unwrap();
    assert_eq!(cut, ask("the moon", "what", "bread", &options(8)).unwrap());
    let none = PreferOptions { max_tokens: 9, ..options(8) };
    assert!(matches!(ask("moon", "what", "bread", &none), Err(PreferError::NoRoom { taken: 9, limit: 9 })));
    // The model has 64 positions, whatever is allowed.
    let long = ["moon"; 200].join(" ");
    let generous = PreferOptions { max_tokens: 4096, ..options(8) };
    assert!(ask(&long, "what", "bread", &generous).unwrap().is_finite());
    assert!(matches!(ask("moon", &long, "bread", &generous), Err(PreferError::NoRoom { .. })));
    assert!(matches!(ask("moon", "what", "  ", &options(8)), Err(PreferError::EmptyAnswer)));
    for prompt in ["{passage}", "{question} {passage}", "{passage} {passage} {question}", ""] {
        let odd = PreferOptions { prompt: prompt.to_owned(), ..options(8) };
        assert!(matches!(ask("moon", "what", "bread", &odd), Err(PreferError::Prompt)), "{prompt}");
    }
    assert!(model.mean_probabilities(&[vec![2, 3]], 2).is_err());
    assert!(model.mean_probabilities(&[vec![2, 9999]], 1).is_err());
}

#[test]
fn encoders_have_no_preferences() {
    let bert = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bert");
    assert!(matches!(CausalModel::load(&bert), Err(PreferError::NoDecoder { .. })));
}

#[test]
fn shares_are_a_softmax() {
    let found = shares(&[0.2, 0.1, 0.2], 0.1);
    let (e, one) = (std::f64::consts::E, 1.0);
    let right = [e / (2.0 * e + one), one / (2.0 * e + one), e / (2.0 * e + one)];
    for (found, right) in found.iter().zip(right) {
        assert!((f64::from(*found) - right).abs() < 1e-5);
    }
}
