//! Exported models against PyTorch's answers (`tests/fixtures/encode/make.py`), and what cannot be exported.

mod families;
mod int8;
mod modules;
mod refusals;
mod running;
mod sts;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{Tokenizer, TruncationParams};

use super::*;
use running::{Batch, largest_difference, minilm, read_npy, runners};

/// The most that an output may differ from PyTorch's.
const TOLERANCE: f32 = 1e-4;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encode")
}

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    read_json(&fixtures().join(name)).unwrap()
}

#[derive(Deserialize)]
struct Cases<T> {
    cases: Vec<T>,
    #[serde(default)]
    token_texts: usize,
    #[serde(default)]
    max_tokens: usize,
}

/// Texts of `make.py`, in its order.
fn texts() -> Vec<String> {
    fixture::<Cases<Case>>("minilm.json").cases.iter().map(|case| text_of(&case.text)).collect()
}

#[derive(Deserialize)]
struct TinyCase {
    text: Value,
    ids: Vec<u32>,
    types: Vec<u32>,
    logits: Vec<f32>,
    hidden: std::collections::BTreeMap<String, Vec<f32>>,
}

#[derive(Deserialize)]
struct Case {
    text: Value,
    ids: Vec<u32>,
}

/// A text, or a part and how often it stands.
fn text_of(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value[0].as_str().unwrap().repeat(value[1].as_u64().unwrap() as usize),
    }
}

/// A copy of the tiny checkpoint with `hidden_act` set.
fn tiny_checkpoint(directory: &Path, hidden_act: &str) {
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(fixtures().join("tiny").join(name), directory.join(name)).unwrap();
    }
    let mut config: Value = read_json(&directory.join("config.json")).unwrap();
    config["hidden_act"] = hidden_act.into();
    fs::write(directory.join("config.json"), config.to_string()).unwrap();
}

#[test]
fn tiny_token_ids_are_those_of_the_reference() {
    let tokenizer = Tokenizer::from_file(fixtures().join("tiny/tokenizer.json")).unwrap();
    for case in fixture::<Cases<TinyCase>>("tiny.json").cases {
        let encoding = match case.text.as_array() {
            None => tokenizer.encode(case.text.as_str().unwrap(), true).unwrap(),
            Some(pair) => {
                tokenizer.encode((pair[0].as_str().unwrap(), pair[1].as_str().unwrap()), true).unwrap()
            }
        };
        assert_eq!((encoding.get_ids(), encoding.get_type_ids()), (&case.ids[..], &case.types[..]));
    }
}

#[test]
fn tiny_hidden_states_equal_pytorch_for_each_activation() {
    let cases = fixture::<Cases<TinyCase>>("tiny.json").cases;
    let rows: Vec<_> = cases.iter().map(|case| (case.ids.clone(), case.types.clone())).collect();
    let batch = Batch::new(&rows);
    for act in ["gelu", "gelu_new", "relu"] {
        let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        tiny_checkpoint(source.path(), act);
        let made = convert(source.path(), target.path(), &ConvertOptions::new(Head::Tokens)).unwrap();
        assert_eq!((made.dim, made.bytes), (12, fs::metadata(&made.onnx).unwrap().len()));
        for mut runner in runners(&made.onnx, "token_embeddings") {
            let output = runner.run(&batch);
            for (case, row) in cases.iter().zip(output.chunks_exact(batch.columns * 12)) {
                let expected = &case.hidden[act];
                let difference = largest_difference(&row[..expected.len()], expected);
                assert!(
                    difference < TOLERANCE,
                    "{act}, {}: {} off by {difference}",
                    runner.name(),
                    case.text
                );
            }
        }
    }
}

#[test]
fn tiny_cross_encoder_equals_pytorch() {
    let cases = fixture::<Cases<TinyCase>>("tiny.json").cases;
    let rows: Vec<_> = cases.iter().map(|case| (case.ids.clone(), case.types.clone())).collect();
    let expected: Vec<f32> = cases.iter().flat_map(|case| case.logits.clone()).collect();
    let target = tempfile::tempdir().unwrap();
    let made =
        convert(&fixtures().join("tiny"), target.path(), &ConvertOptions::new(Head::CrossEncoder)).unwrap();
    assert_eq!(made.dim, 2);
    for mut runner in runners(&made.onnx, "logits") {
        assert!(
            largest_difference(&runner.run(&Batch::new(&rows)), &expected) < TOLERANCE,
            "{}",
            runner.name()
        );
    }
}

#[test]
fn tiny_dense_pools_what_counts() {
    let cases = fixture::<Cases<TinyCase>>("tiny.json").cases;
    let rows: Vec<_> = cases.iter().map(|case| (case.ids.clone(), case.types.clone())).collect();
    let batch = Batch::new(&rows);
    for pooling in [Pooling::Mean, Pooling::Cls] {
        let target = tempfile::tempdir().unwrap();
        let options = ConvertOptions { pooling: Some(pooling), ..ConvertOptions::new(Head::Dense) };
        let made = convert(&fixtures().join("tiny"), target.path(), &options).unwrap();
        let config: Value = read_json(&target.path().join("1_Pooling/config.json")).unwrap();
        assert_eq!(config["pooling_mode_cls_token"], pooling == Pooling::Cls);
        for mut runner in runners(&made.onnx, "sentence_embedding") {
            for (case, row) in cases.iter().zip(runner.run(&batch).chunks_exact(12)) {
                let states = case.hidden["gelu"].chunks_exact(12);
                let pooled = states.take(if pooling == Pooling::Cls { 1 } else { usize::MAX });
                let mut expected = [0.0; 12];
                pooled.for_each(|state| expected.iter_mut().zip(state).for_each(|(sum, x)| *sum += x));
                assert!(crate::types::normalize(&mut expected));
                assert!(largest_difference(row, &expected) < TOLERANCE, "{pooling:?} {}", runner.name());
            }
        }
    }
}

#[test]
fn a_projection_is_part_of_the_graph() {
    let case = fixture::<Cases<TinyCase>>("tiny.json").cases.remove(3);
    let weight: Vec<f32> = (0..36).map(|i| ((i * 7 % 11) as f32 - 5.0) / 10.0).collect();
    let projection = Projection::new(12, 3, weight, Some(vec![0.5, -0.25, 0.0])).unwrap();
    let target = tempfile::tempdir().unwrap();
    let options =
        ConvertOptions { projection: Some(projection.clone()), ..ConvertOptions::new(Head::Tokens) };
    let made = convert(&fixtures().join("tiny"), target.path(), &options).unwrap();
    assert_eq!(made.dim, 3);
    let expected: Vec<f32> = case.hidden["gelu"].chunks_exact(12).flat_map(|x| projection.apply(x)).collect();
    for mut runner in runners(&made.onnx, "token_embeddings") {
        let output = runner.run(&Batch::new(&[(case.ids.clone(), case.types.clone())]));
        assert!(largest_difference(&output, &expected) < TOLERANCE, "{}", runner.name());
    }
    let settings: Value = read_json(&target.path().join("config_sentence_transformers.json")).unwrap();
    assert_eq!((&settings["document_prefix"], &settings["do_query_expansion"]), (&"".into(), &false.into()));
    assert_eq!(
        (&settings["similarity_fn_name"], &settings["document_length"]),
        (&"MaxSim".into(), &24.into())
    );
}

#[test]
fn the_same_checkpoint_gives_the_same_bytes() {
    let bytes = || {
        let target = tempfile::tempdir().unwrap();
        let made =
            convert(&fixtures().join("tiny"), target.path(), &ConvertOptions::new(Head::Tokens)).unwrap();
        fs::read(made.onnx).unwrap()
    };
    assert_eq!(bytes(), bytes());
}

fn minilm_tokenizer(directory: &Path, max_tokens: usize) -> Tokenizer {
    let mut tokenizer = Tokenizer::from_file(directory.join("tokenizer.json")).unwrap();
    tokenizer.with_padding(None);
    let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).unwrap();
    tokenizer
}

#[test]
fn minilm_token_ids_are_those_of_the_reference() {
    let Some(source) = minilm() else { return };
    let fixture: Cases<Case> = fixture("minilm.json");
    let tokenizer = minilm_tokenizer(&source, fixture.max_tokens);
    assert!(fixture.cases.len() >= 50);
    for case in fixture.cases {
        let text = text_of(&case.text);
        assert_eq!(tokenizer.encode(text, true).unwrap().get_ids(), case.ids, "{}", case.text);
    }
}

#[test]
fn minilm_dense_equals_pytorch() {
    let Some(source) = minilm() else { return };
    let (dim, expected) = read_npy(&fixtures().join("minilm-dense.npy"));
    let cases = fixture::<Cases<Case>>("minilm.json").cases;
    let target = tempfile::tempdir().unwrap();
    let made = convert(&source, target.path(), &ConvertOptions::new(Head::Dense)).unwrap();
    assert_eq!((made.dim, made.max_tokens), (dim, 256));
    for mut runner in runners(&made.onnx, "sentence_embedding") {
        // A short and a long text share each batch: padding must not count.
        for (cases, expected) in cases.chunks(4).zip(expected.chunks(4 * dim)) {
            let rows: Vec<_> = cases.iter().map(|case| (case.ids.clone(), vec![0; case.ids.len()])).collect();
            let difference = largest_difference(&runner.run(&Batch::new(&rows)), expected);
            assert!(difference < TOLERANCE, "{}: {difference}", runner.name());
        }
    }
}

#[test]
fn minilm_tokens_equal_pytorch() {
    let Some(source) = minilm() else { return };
    let (dim, expected) = read_npy(&fixtures().join("minilm-tokens.npy"));
    let fixture: Cases<Case> = fixture("minilm.json");
    let target = tempfile::tempdir().unwrap();
    let made = convert(&source, target.path(), &ConvertOptions::new(Head::Tokens)).unwrap();
    for mut runner in runners(&made.onnx, "token_embeddings") {
        let mut output = Vec::new();
        for case in &fixture.cases[..fixture.token_texts] {
            output.extend(runner.run(&Batch::new(&[(case.ids.clone(), vec![0; case.ids.len()])])));
        }
        assert_eq!(output.len() % dim, 0);
        let difference = largest_difference(&output, &expected);
        assert!(difference < TOLERANCE, "{}: {difference}", runner.name());
    }
}
