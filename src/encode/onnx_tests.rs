//! Graphs in both runtimes against vectors that PyTorch gives for the same weights.
//!
//! `testdata/*.json` were made by sentence-transformers 6.2 from the safetensors of the shared test data's
//! tiny-random-bert, in the layouts that the tests write.

use serde::Deserialize;

use super::testing::{assert_close, copy, data, dense_layer, in_both, write};
use super::{Activation, Model, ModelKind, ModelOptions, PairModel, PairOptions};
use crate::types::EncodedTokens;

const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Dense {
    texts: Vec<String>,
    documents: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Colbert {
    texts: Vec<String>,
    documents: Vec<Vec<Vec<f32>>>,
    query_texts: Vec<String>,
    queries: Vec<Vec<Vec<f32>>>,
}

#[derive(Deserialize)]
struct Cross {
    pairs: Vec<(String, String)>,
    logits: Vec<[f32; 2]>,
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn dense_model() -> Option<tempfile::TempDir> {
    let directory = copy("models/tiny-random-bert/embedding")?;
    let root = directory.path();
    write(
        root,
        "modules.json",
        r#"[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
        {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"},
        {"idx":2,"name":"2","path":"2_Dense","type":"sentence_transformers.models.Dense"},
        {"idx":3,"name":"3","path":"3_Normalize","type":"sentence_transformers.models.Normalize"}]"#,
    );
    write(root, "sentence_bert_config.json", r#"{"max_seq_length":64,"do_lower_case":false}"#);
    let prompts = r#"{"prompts":{"query":"query: ","document":"passage: "},"default_prompt_name":null}"#;
    write(root, "config_sentence_transformers.json", prompts);
    let pooling = r#"{"word_embedding_dimension":16,"pooling_mode_mean_tokens":true,"include_prompt":false}"#;
    write(root, "1_Pooling/config.json", pooling);
    dense_layer(&root.join("2_Dense"), 16, 12, true, "torch.nn.modules.activation.Tanh");
    Some(directory)
}

const PYLATE: &str = r#"{"model_type":"ColBERT","query_prefix":"[unused0]","document_prefix":"[unused1]",
    "query_length":16,"document_length":24,"attend_to_expansion_tokens":false,"do_query_expansion":true,
    "similarity_fn_name":"MaxSim"}"#;

fn pylate_model() -> Option<tempfile::TempDir> {
    let directory = copy("models/tiny-random-bert/embedding")?;
    let root = directory.path();
    write(
        root,
        "modules.json",
        r#"[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
        {"idx":1,"name":"1","path":"1_Dense","type":"pylate.models.Dense.Dense"}]"#,
    );
    write(root, "config_sentence_transformers.json", PYLATE);
    dense_layer(&root.join("1_Dense"), 16, 8, false, "torch.nn.modules.linear.Identity");
    Some(directory)
}

#[test]
fn dense_vectors_equal_pytorch() {
    let Some(directory) = dense_model() else { return };
    let wanted: Dense = serde_json::from_str(include_str!("testdata/dense.json")).unwrap();
    let texts = strs(&wanted.texts);
    for model in in_both(|options| Model::load(directory.path(), options)) {
        assert_eq!((model.kind(), model.dense_dim(), model.limits()), (ModelKind::Dense, Some(12), (64, 64)));
        let documents = model.encode_documents_dense(&texts).unwrap();
        let queries = model.encode_queries_dense(&texts).unwrap();
        for (found, wanted) in documents.iter().zip(&wanted.documents) {
            assert_close(found, wanted, TOLERANCE);
        }
        for (found, wanted) in queries.iter().zip(&wanted.queries) {
            assert_close(found, wanted, TOLERANCE);
        }
        assert_eq!(model.statistics().truncated, 2, "the long text, on each side");
        assert!(model.encode_query_tokens("x").is_err());
    }
}

fn assert_rows(found: &EncodedTokens, wanted: &[Vec<f32>]) {
    assert_eq!(found.matrix.view().rows(), wanted.len());
    assert_close(found.matrix.view().as_slice(), &wanted.concat(), TOLERANCE);
    assert_eq!((found.token_ids.len(), found.spans.len()), (wanted.len(), wanted.len()));
}

fn check_colbert(model: &Model) {
    let wanted: Colbert = serde_json::from_str(include_str!("testdata/pylate.json")).unwrap();
    assert_eq!((model.kind(), model.token_dim()), (ModelKind::LateInteraction, Some(8)));
    let documents = model.encode_document_tokens(&strs(&wanted.texts)).unwrap();
    for ((text, found), wanted) in wanted.texts.iter().zip(&documents).zip(&wanted.documents) {
        assert_rows(found, wanted);
        assert_eq!(model.document_spans(text).unwrap(), found.spans);
    }
    for (text, wanted) in wanted.query_texts.iter().zip(&wanted.queries) {
        let found = model.encode_query_tokens(text).unwrap();
        assert_rows(&found, wanted);
        assert_eq!(found.matrix.view().rows(), 16, "queries are filled up");
        assert_eq!(model.query_words(text).unwrap(), found.spans);
    }
}

#[test]
fn pylate_vectors_equal_pytorch() {
    let Some(directory) = pylate_model() else { return };
    for model in in_both(|options| Model::load(directory.path(), options)) {
        check_colbert(&model);
        let tokens = model.encode_document_tokens(&["Hello, world!"]).unwrap().remove(0);
        assert_eq!(tokens.token_ids, [101, 2, 7592, 2088, 102], "prefix in, punctuation out");
        assert_eq!(tokens.spans, [(0, 0), (0, 0), (0, 5), (7, 12), (0, 0)]);
        assert!(model.encode_documents_dense(&["x"]).is_err());
    }
}

#[test]
fn multi_vector_layout_gives_the_same_vectors() {
    let Some(directory) = pylate_model() else { return };
    let root = directory.path();
    write(
        root,
        "modules.json",
        r#"[{"idx":0,"name":"0","path":"","type":"sentence_transformers.base.modules.transformer.Transformer"},
        {"idx":1,"name":"1","path":"1_Dense","type":"sentence_transformers.base.modules.dense.Dense"},
        {"idx":2,"name":"2","path":"2_Mask","type":"sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask"},
        {"idx":3,"name":"3","path":"3_Normalize","type":"sentence_transformers.base.modules.normalize.Normalize"}]"#,
    );
    write(
        root,
        "config_sentence_transformers.json",
        r#"{"model_type":"MultiVectorEncoder","prompts":{"query":"[unused0]","document":"[unused1]"},
        "similarity_fn_name":null}"#,
    );
    write(
        root,
        "sentence_bert_config.json",
        r#"{"document_length":24,"query_expansion":{"strategy":"fixed","attend":false,"token":null,"length":16}}"#,
    );
    let words = serde_json::to_string(&super::layout::punctuation()).unwrap();
    write(
        root,
        "2_Mask/config.json",
        format!(r#"{{"skiplist_words":{words},"skiplist_tasks":["document"]}}"#),
    );
    mark_special(root, &["[unused0]", "[unused1]"]);
    for model in in_both(|options| Model::load(root, options)) {
        check_colbert(&model);
    }
}

/// Makes the tokenizer read these tokens of its vocabulary whole, as saved multi-vector models do.
fn mark_special(root: &std::path::Path, tokens: &[&str]) {
    let text = std::fs::read_to_string(root.join("tokenizer.json")).unwrap();
    let mut tokenizer: serde_json::Value = serde_json::from_str(&text).unwrap();
    for token in tokens {
        let id = tokenizer["model"]["vocab"][*token].clone();
        let added = serde_json::json!({"id": id, "content": token, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true});
        tokenizer["added_tokens"].as_array_mut().unwrap().push(added);
    }
    write(root, "tokenizer.json", tokenizer.to_string());
}

#[test]
fn stanford_layout_gives_the_same_vectors() {
    let Some(directory) = pylate_model() else { return };
    let root = directory.path();
    std::fs::remove_file(root.join("modules.json")).unwrap();
    std::fs::remove_file(root.join("config_sentence_transformers.json")).unwrap();
    std::fs::copy(root.join("1_Dense/model.safetensors"), root.join("model.safetensors")).unwrap();
    write(
        root,
        "artifact.metadata",
        r#"{"query_maxlen":16,"doc_maxlen":24,"dim":8,"mask_punctuation":true}"#,
    );
    for model in in_both(|options| Model::load(root, options)) {
        check_colbert(&model);
    }
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn runtimes_agree_and_company_does_not_matter() {
    let Some(root) = data("models/tiny-random-bert/embedding") else { return };
    let long = "whales eat krill and krill eat algae ".repeat(20);
    let texts = ["short", &long, "", "a rather longer text than the first", "北京"];
    let models = in_both(|options| Model::load(&root, options));
    let all: Vec<Vec<Vec<f32>>> =
        models.iter().map(|model| model.encode_documents_dense(&texts).unwrap()).collect();
    for (model, together) in models.iter().zip(&all) {
        assert!(model.notes()[0].contains("mean pooling"), "what is assumed is told");
        for (text, together) in texts.iter().zip(together) {
            let alone = model.encode_documents_dense(&[text]).unwrap();
            assert_close(&alone[0], together, 1e-5);
        }
    }
    if let [rten, onnxruntime] = &all[..] {
        assert_close(&rten.concat(), &onnxruntime.concat(), TOLERANCE);
        assert_eq!(models[0].fingerprint(), models[1].fingerprint(), "the runtime is not part of it");
        assert!(models[1].runtime().why.starts_with("asked for; found: "), "{:?}", models[1].runtime());
        assert!(models[1].runtime().version.starts_with("1."), "{:?}", models[1].runtime());
    }
    assert_eq!((models[0].runtime().name, &*models[0].runtime().why), ("rten", "asked for"));
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn lengths_and_skip_lists_change_the_fingerprint() {
    let Some(directory) = pylate_model() else { return };
    let load = |options: &ModelOptions| {
        in_both(|both| {
            Model::load(directory.path(), &ModelOptions { runtime: both.runtime, ..options.clone() })
        })
        .remove(0)
        .fingerprint()
    };
    let plain = load(&ModelOptions::default());
    assert_eq!(plain, load(&ModelOptions::default()));
    assert_ne!(plain, load(&ModelOptions { max_document_tokens: Some(20), ..ModelOptions::default() }));
    write(directory.path(), "config_sentence_transformers.json", PYLATE.replace("16", "17"));
    let longer = load(&ModelOptions::default());
    assert_ne!(plain, longer);
    let skip = PYLATE.replacen('{', r#"{"skiplist_words":["."],"#, 1);
    write(directory.path(), "config_sentence_transformers.json", skip);
    assert_ne!(plain, load(&ModelOptions::default()));
}

#[test]
fn cross_encoder_scores_equal_pytorch() {
    let Some(root) = data("models/tiny-random-bert/sequence_classification") else { return };
    let wanted: Cross = serde_json::from_str(include_str!("testdata/cross.json")).unwrap();
    let pairs: Vec<(&str, &str)> = wanted.pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let odds: Vec<f32> = wanted.logits.iter().map(|[bad, good]| good - bad).collect();
    for model in in_both(|model| {
        PairModel::load(&root, &PairOptions { model: model.clone(), ..PairOptions::default() })
    }) {
        assert_eq!((model.max_tokens(), model.activation()), (512, Activation::Identity));
        assert_close(&model.score(&pairs).unwrap(), &odds, TOLERANCE);
        for (pair, wanted) in pairs.iter().zip(&odds) {
            assert_close(&model.score(&[*pair]).unwrap(), &[*wanted], TOLERANCE);
        }
        assert!(model.score(&[]).unwrap().is_empty());
    }
    assert!((Activation::Sigmoid.apply(0.0) - 0.5).abs() < 1e-6);
}
