//! Layouts against sentence-transformers, as it saves them and what it gives for them.
//!
//! `tests/fixtures/layouts/make.py` made the models and the numbers.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::testing::{assert_close, copy_all, in_both, write};
use super::{EncodeError, Model, ModelKind, ModelOptions};

const TOLERANCE: f32 = 1e-4;

/// `part` or `[part, times]`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Plain(String),
    Repeated(String, usize),
}

impl Text {
    pub(super) fn whole(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Repeated(part, times) => part.repeat(*times),
        }
    }
}

pub(super) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/layouts").join(name)
}

pub(super) fn reference<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    serde_json::from_str(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

/// The small BERT with the files of `layout` beside it.
pub(super) fn model_with(layout: Option<&str>) -> tempfile::TempDir {
    let made = copy_all(&fixture("bert"));
    if let Some(layout) = layout {
        super::testing::copy_into(&fixture(layout), made.path());
    }
    made
}

#[derive(Deserialize)]
struct Pooled {
    modes: Vec<String>,
    include_prompt: bool,
    vectors: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Poolings {
    texts: Vec<Text>,
    prompt: String,
    cases: Vec<Pooled>,
}

const MODULES: &str = r#"[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
    {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]"#;

#[test]
fn every_pooling_equals_sentence_transformers() {
    let wanted: Poolings = reference("poolings.json");
    let texts: Vec<String> = wanted.texts.iter().map(Text::whole).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert!(texts.len() >= 50 && wanted.cases.len() == 16);
    let directory = model_with(None);
    write(directory.path(), "modules.json", MODULES);
    let prompts = serde_json::json!({"prompts": {"query": wanted.prompt}});
    write(directory.path(), "config_sentence_transformers.json", prompts.to_string());
    for case in &wanted.cases {
        let config = serde_json::json!({"pooling_mode": case.modes, "include_prompt": case.include_prompt});
        write(directory.path(), "1_Pooling/config.json", config.to_string());
        for model in in_both(|options| Model::load(directory.path(), options)) {
            assert_eq!(model.dense_dim(), Some(12 * case.modes.len()));
            let found = model.encode_queries_dense(&texts).unwrap();
            for ((found, wanted), text) in found.iter().zip(&case.vectors).zip(&texts) {
                let far = found.iter().zip(wanted).any(|(a, b)| (a - b).abs() > TOLERANCE);
                assert!(!far, "{:?} {} {text:?}: {found:?} {wanted:?}", case.modes, case.include_prompt);
            }
        }
    }
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn old_configurations_of_the_pooling_mean_the_same() {
    let directory = model_with(None);
    write(directory.path(), "modules.json", MODULES);
    let vector = |config: &str| {
        write(directory.path(), "1_Pooling/config.json", config);
        let model = in_both(|options| Model::load(directory.path(), options)).remove(0);
        model.encode_documents_dense(&["a ship"]).unwrap().remove(0)
    };
    let new = vector(r#"{"pooling_mode": ["cls", "mean"]}"#);
    let old = r#"{"word_embedding_dimension": 12, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true,
        "pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false}"#;
    assert_eq!(new, vector(old));
    assert_eq!(vector(r#"{"pooling_mode": "mean"}"#), vector(r#"{"pooling_mode_cls_token": false}"#));
}

#[derive(Deserialize)]
struct Both {
    texts: Vec<Text>,
    documents: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
}

#[test]
fn a_saved_model_equals_sentence_transformers() {
    let wanted: Both = reference("st.json");
    let texts: Vec<String> = wanted.texts.iter().map(Text::whole).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let directory = model_with(Some("st"));
    for model in in_both(|options| Model::load(directory.path(), options)) {
        assert_eq!((model.kind(), model.dense_dim(), model.limits()), (ModelKind::Dense, Some(10), (64, 64)));
        let documents = model.encode_documents_dense(&texts).unwrap();
        let queries = model.encode_queries_dense(&texts).unwrap();
        assert_close(&documents.concat(), &wanted.documents.concat(), TOLERANCE);
        assert_close(&queries.concat(), &wanted.queries.concat(), TOLERANCE);
        assert!(model.notes().is_empty(), "{:?}", model.notes());
    }
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn layers_are_applied_in_the_order_of_the_modules() {
    let directory = model_with(Some("st"));
    let load = || in_both(|options| Model::load(directory.path(), options)).remove(0);
    let plain = load();
    let text = std::fs::read_to_string(directory.path().join("modules.json")).unwrap();
    let mut modules: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let unit = modules.remove(5);
    modules.insert(4, unit);
    write(directory.path(), "modules.json", serde_json::to_string(&modules).unwrap());
    let turned = load();
    let length = |model: &Model| {
        let vector = model.encode_documents_dense(&["a ship"]).unwrap().remove(0);
        vector.iter().map(|x| x * x).sum::<f32>().sqrt()
    };
    assert!((length(&plain) - 1.0).abs() < 1e-5 && (length(&turned) - 1.0).abs() > 1e-2);
    assert_ne!(plain.fingerprint(), turned.fingerprint());
    modules.swap(1, 2);
    write(directory.path(), "modules.json", serde_json::to_string(&modules).unwrap());
    let refused = Model::load(directory.path(), &ModelOptions::default()).unwrap_err();
    assert!(matches!(refused, EncodeError::Field { field: "type", .. }), "{refused}");
}

#[derive(Deserialize)]
struct Late {
    texts: Vec<Text>,
    documents: Vec<Vec<Vec<f32>>>,
    queries: Vec<Vec<Vec<f32>>>,
}

/// Rows as in the reference: as many, and each of them.
#[track_caller]
pub(super) fn assert_rows(found: &crate::types::EncodedTokens, wanted: &[Vec<f32>], text: &str) {
    let matrix = found.matrix.view();
    assert_eq!(matrix.rows(), wanted.len(), "{text:?}: {:?}", found.token_ids);
    for (at, (found, wanted)) in matrix.iter().zip(wanted).enumerate() {
        let far = found.iter().zip(wanted).any(|(a, b)| (a - b).abs() > TOLERANCE);
        assert!(!far, "{text:?}, row {at}: {found:?} {wanted:?}");
    }
}

fn late_interaction_equals(layout: &str) {
    let wanted: Late = reference(&format!("{layout}.json"));
    let texts: Vec<String> = wanted.texts.iter().map(Text::whole).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert!(wanted.documents.len() >= 50 && wanted.queries.len() >= 20);
    let directory = model_with(Some(layout));
    for model in in_both(|options| Model::load(directory.path(), options)) {
        assert_eq!((model.kind(), model.token_dim()), (ModelKind::LateInteraction, Some(4)));
        assert_eq!(model.limits(), (10, 14));
        let documents = model.encode_document_tokens(&texts).unwrap();
        for ((found, wanted), text) in documents.iter().zip(&wanted.documents).zip(&texts) {
            assert_rows(found, wanted, text);
        }
        for (text, wanted) in texts.iter().zip(&wanted.queries) {
            assert_rows(&model.encode_query_tokens(text).unwrap(), wanted, text);
        }
    }
}

#[test]
fn a_saved_multi_vector_model_equals_sentence_transformers() {
    late_interaction_equals("multi");
}

#[test]
fn a_model_saved_by_pylate_equals_pylate() {
    late_interaction_equals("pylate");
}

#[test]
fn masks_for_images_are_refused() {
    let directory = model_with(Some("multi"));
    write(directory.path(), "2_MultiVectorMask/config.json", r#"{"keep_only_token_ids": [7]}"#);
    let refused = Model::load(directory.path(), &ModelOptions::default()).unwrap_err();
    assert!(matches!(refused, EncodeError::Field { field: "keep_only_token_ids", .. }), "{refused}");
}

#[test]
fn weights_beside_the_graph_give_the_same_vectors() {
    let (inside, outside) = (model_with(None), model_with(Some("external")));
    let vectors = |root: &Path| {
        let models = in_both(|options| Model::load(root, options));
        models.iter().map(|model| model.encode_documents_dense(&["a ship"]).unwrap()).collect::<Vec<_>>()
    };
    for (a, b) in vectors(inside.path()).iter().zip(vectors(outside.path())) {
        assert_close(&a[0], &b[0], 1e-6);
    }
    let data = outside.path().join("model.onnx_data");
    let whole = std::fs::read(&data).unwrap();
    for end in [0, 1, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&data, &whole[..end]).unwrap();
        let options = ModelOptions { runtime: super::RuntimeChoice::Rten, ..ModelOptions::default() };
        assert!(Model::load(outside.path(), &options).is_err(), "cut at {end}");
    }
    std::fs::remove_file(&data).unwrap();
    let refused = Model::load(outside.path(), &ModelOptions::default()).unwrap_err();
    assert!(matches!(refused, EncodeError::ExternalData { .. }), "{refused}");
}

/// A cache of the hub, which keeps every file as a link into `blobs`; and the snapshot in it.
#[cfg(unix)]
fn hub_cache(files: &Path) -> (tempfile::TempDir, PathBuf) {
    let cache = tempfile::tempdir().unwrap();
    let commit = "c".repeat(40);
    let folder = cache.path().join("models--org--name");
    let snapshot = folder.join("snapshots").join(&commit);
    std::fs::create_dir_all(&snapshot).unwrap();
    write(&folder, "refs/main", &commit);
    for (at, entry) in std::fs::read_dir(files).unwrap().enumerate() {
        let entry = entry.unwrap();
        write(&folder, &format!("blobs/{at}"), std::fs::read(entry.path()).unwrap());
        let target = format!("../../blobs/{at}");
        std::os::unix::fs::symlink(target, snapshot.join(entry.file_name())).unwrap();
    }
    (cache, snapshot)
}

#[cfg(unix)]
#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn a_model_in_the_hubs_cache_is_loaded_by_its_name() {
    let located = |cache: &tempfile::TempDir| {
        super::hub::locate("org/name", &super::hub::HubCache::at(cache.path())).unwrap()
    };
    let (cache, _) = hub_cache(model_with(None).path());
    let model = in_both(|options| Model::load(&located(&cache), options)).remove(0);
    assert_eq!(model.dense_dim(), Some(12));
    // Weights beside the graph are links too, and the graph's link leads to where nothing has their name.
    let (cache, snapshot) = hub_cache(model_with(Some("external")).path());
    assert!(snapshot.join("model.onnx_data").is_symlink());
    let text = ["a ship"];
    let inside = model.encode_documents_dense(&text).unwrap();
    for linked in in_both(|options| Model::load(&located(&cache), options)) {
        assert_close(&linked.encode_documents_dense(&text).unwrap()[0], &inside[0], 1e-5);
    }
    // A link that leads out of the cache is refused as ever.
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret", "secret");
    let data = snapshot.join("model.onnx_data");
    std::fs::remove_file(&data).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), &data).unwrap();
    let refused = Model::load(&located(&cache), &ModelOptions::default()).unwrap_err();
    assert!(matches!(refused, EncodeError::ExternalData { .. }), "{refused}");
}

#[test]
fn an_inspection_tells_what_was_recognised_and_what_is_refused() {
    use super::inspect::{Role, inspect};
    let options = ModelOptions::default();
    let directory = model_with(Some("st"));
    write(directory.path(), "pytorch_model.bin", b"\x80\x02}q\x00.");
    write(directory.path(), "modeling_x.py", "import os");
    write(directory.path(), "onnx/model_int8.onnx", "");
    let seen = inspect(directory.path(), &options).unwrap();
    assert_eq!((seen.role, seen.layout), (Role::Encoder, "sentence-transformers"));
    assert_eq!(seen.because[0].file, Path::new("modules.json"));
    assert_eq!((seen.query.prompt.as_str(), seen.document.prompt.as_str()), ("sail query: ", ""));
    assert_eq!((&seen.pooling[..], seen.pools_prompt), (&["mean", "max"][..], false));
    assert_eq!((seen.layers.len(), seen.positions), (4, Some(64)));
    let graph = seen.graph.as_ref().unwrap();
    assert_eq!(graph.inputs, ["input_ids", "attention_mask", "token_type_ids"]);
    assert_eq!(graph.outputs, ["last_hidden_state"]);
    assert_eq!((seen.variants.len(), seen.variants[0].says.as_str()), (1, "int8"));
    let refused: Vec<_> = seen.refused.iter().map(|one| one.file.display().to_string()).collect();
    assert_eq!(refused, ["pytorch_model.bin", "modeling_x.py"]);

    std::fs::write(directory.path().join("model.onnx"), b"\x80\x02}q\x00.").unwrap();
    let seen = inspect(directory.path(), &options).unwrap();
    assert!(seen.graph.is_none() && seen.refused.len() == 3, "{:?}", seen.refused);

    let late = inspect(model_with(Some("pylate")).path(), &options).unwrap();
    assert_eq!(
        (late.layout, late.query.prefix.as_str(), late.query.filled_up_to),
        ("pylate", "[unused0]", Some(10))
    );
    let judges = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/judges");
    let judge = inspect(&judges.join("bert"), &options).unwrap();
    assert_eq!((judge.role, judge.layout), (Role::Judge, "pair"));
    assert!(judge.because[0].says.contains("BertForSequenceClassification"), "{:?}", judge.because);
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(inspect(empty.path(), &options), Err(EncodeError::UnknownLayout { .. })));
}
