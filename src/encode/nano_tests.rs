//! The small transformer that is compiled in.

use std::path::Path;

use super::directory::{Embedded, ModelDirectory};
use super::token_weights::FILE as WEIGHTS;
use super::{Model, ModelKind, ModelOptions, RuntimeChoice, RuntimeSearch};

fn nano() -> Model {
    let options = ModelOptions {
        runtime: RuntimeChoice::Rten,
        search: RuntimeSearch::nowhere(),
        ..ModelOptions::default()
    };
    Model::nano(&options).unwrap()
}

/// The vector of the last word of `text`.
fn last(model: &Model, text: &str) -> Vec<f32> {
    let made = model.encode_document_tokens(&[text]).unwrap().remove(0);
    let rows = made.matrix.view();
    // The mark at the end has the last row.
    rows.row(rows.rows() - 2).to_vec()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
#[cfg_attr(not(feature = "rten"), ignore = "needs rten")]
fn a_words_vector_depends_on_its_context() {
    let model = nano();
    assert_eq!((model.kind(), model.token_dim()), (ModelKind::LateInteraction, Some(128)));
    assert_eq!((model.name(), model.compiled_in(), model.location()), ("lateen-nano-en", Some("nano"), None));
    assert_eq!(model.limits(), (64, 512));
    let [river, shore, money] = [
        "they fished from the river bank",
        "they walked along the muddy bank",
        "she paid money into the bank",
    ]
    .map(|text| last(&model, text));
    let (near, far) = (cosine(&river, &shore), cosine(&river, &money));
    // A table gives the same vector everywhere.
    assert!(far < near && near < 0.99, "{near} and {far}");
}

#[test]
#[cfg_attr(not(feature = "rten"), ignore = "needs rten")]
fn it_is_the_directory_that_the_repository_carries() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/lateen-nano-en");
    let options = ModelOptions { runtime: RuntimeChoice::Rten, ..ModelOptions::default() };
    let loaded = Model::load(&folder, &options).unwrap();
    let model = nano();
    assert_eq!(loaded.fingerprint(), model.fingerprint());
    assert_eq!(loaded.compiled_in(), None);
    let text = ["the sea rises twice a day"];
    let rows = |model: &Model| {
        let made = model.encode_document_tokens(&text).unwrap().remove(0);
        made.matrix.view().iter().flatten().copied().collect::<Vec<f32>>()
    };
    assert_eq!(rows(&loaded), rows(&model));
    let table = std::fs::read(folder.with_file_name("lateen-static-en").join("tokenizer.json")).unwrap();
    assert!(
        std::fs::read(folder.join("tokenizer.json")).unwrap() == table,
        "both share the compiled-in tokenizer"
    );
}

#[test]
#[cfg_attr(any(feature = "onnxruntime", feature = "rten"), ignore = "this build has a runtime")]
fn a_build_without_runtimes_says_so() {
    assert_eq!(Model::DEFAULT, Model::BUNDLED);
    let error = Model::nano(&ModelOptions::default()).unwrap_err().to_string();
    assert!(error.contains("rten"), "{error}");
}

#[test]
fn names_of_compiled_in_models_are_known() {
    let options = ModelOptions::default();
    assert_eq!(Model::by_name("bundled", &options).unwrap().unwrap().compiled_in(), Some("bundled"));
    assert!(Model::by_name("models/lateen-nano-en", &options).is_none());
}

#[test]
fn compiled_in_files_are_found_as_files_on_disk_are() {
    const FILES: Embedded =
        &[("config.json", b"{\"a\":1}"), ("onnx/model.onnx", b"graph"), ("1_Dense/config.json", b"{}")];
    let directory = ModelDirectory::embedded("inside", FILES);
    assert!(directory.has("config.json") && directory.has("onnx/model.onnx"));
    assert!(
        !directory.has("onnx") && !directory.has("Cargo.toml") && !directory.has("../inside/config.json")
    );
    assert_eq!(directory.names(""), ["config.json"]);
    assert_eq!(directory.names("onnx/"), ["model.onnx"]);
    let value: serde_json::Value = directory.json("config.json", "the configuration").unwrap();
    assert_eq!(value["a"], 1);
    assert!(directory.optional_json::<serde_json::Value>("modules.json").unwrap().is_none());
    let below = directory.part("modules.json", "1_Dense").unwrap();
    assert!(below.has("config.json") && !below.has("modules.json"));
    let missing = directory.read_path(&directory.path("tokenizer.json"), "the tokenizer", 9).unwrap_err();
    assert!(missing.to_string().contains("tokenizer.json"), "{missing}");
}

/// A copy of the model's folder without its weights of tokens.
fn plain() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("onnx")).unwrap();
    for (name, bytes) in super::bundled::NANO.iter().filter(|(name, _)| *name != WEIGHTS) {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// The same with weights counted in `texts`, or with the bytes of `file` for weights.
fn weighed(texts: &[&str], file: Option<&[u8]>) -> tempfile::TempDir {
    let folder = plain();
    let texts = texts.iter().map(|text| Ok::<_, super::distil::DistilError>((*text).to_owned()));
    let made = super::distil::weigh(folder.path(), texts, 1.0).unwrap();
    if let Some(bytes) = file {
        std::fs::write(made.path, bytes).unwrap();
    }
    folder
}

fn load(folder: &Path) -> Result<Model, super::EncodeError> {
    Model::load(folder, &ModelOptions { runtime: RuntimeChoice::Rten, ..ModelOptions::default() })
}

fn lengths(made: &crate::types::EncodedTokens) -> Vec<f32> {
    made.matrix.view().iter().map(|row| cosine(row, row).sqrt()).collect()
}

#[test]
#[cfg_attr(not(feature = "rten"), ignore = "needs rten")]
fn rare_words_of_a_query_count_more() {
    let texts = ["the sea", "the bread", "the tide", "the sail of the boat"];
    let folder = weighed(&texts, None);
    let model = load(folder.path()).unwrap();
    let unweighed = load(plain().path()).unwrap();
    assert_ne!(model.fingerprint(), unweighed.fingerprint());
    let query = model.encode_query_tokens("the tide?").unwrap();
    // ln(1 + 4 / (n + 5)) / ln(1 + 4 / 5), for words in four texts and in one.
    let weight = |holding: f32| (4.0 / (holding + 5.0)).ln_1p() / (4.0_f32 / 5.0).ln_1p();
    let found = lengths(&query);
    assert_eq!(found.len(), 2, "marks and punctuation are left out");
    for (found, expected) in found.iter().zip([weight(4.0), weight(1.0)]) {
        assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
    }
    // Directions are those without weights, and documents know none.
    let all = unweighed.encode_query_tokens("the tide?").unwrap();
    assert_eq!(lengths(&all).len(), 5);
    assert!((cosine(query.matrix.view().row(1), all.matrix.view().row(2)) - found[1]).abs() < 1e-5);
    let document = model.encode_document_tokens(&["the tide?"]).unwrap().remove(0);
    assert!(document.matrix.view().rows() == 5 && lengths(&document).iter().all(|x| (x - 1.0).abs() < 1e-5));
    assert_eq!(model.query_words("the tide?").unwrap().len(), 2);
    // A query of marks alone is not empty.
    assert_eq!(model.encode_query_tokens("?").unwrap().matrix.view().rows(), 3);
}

#[test]
#[cfg_attr(not(feature = "rten"), ignore = "needs rten")]
fn no_option_is_ignored() {
    let given = |options: ModelOptions| ModelOptions { runtime: RuntimeChoice::Rten, ..options };
    let variant = given(ModelOptions { variant: Some("int8".to_owned()), ..ModelOptions::default() });
    assert!(Model::nano(&variant).err().map(|error| error.to_string()).unwrap_or_default().contains("int8"));
    let short = given(ModelOptions { max_query_tokens: Some(7), ..ModelOptions::default() });
    for name in Model::COMPILED_IN {
        assert_eq!(Model::by_name(name, &short).unwrap().unwrap().limits().0, 7, "{name}");
    }
}

#[test]
#[cfg_attr(not(feature = "rten"), ignore = "needs rten")]
fn weights_where_none_can_be_read_are_refused_or_named() {
    let none = std::iter::empty::<Result<String, super::distil::DistilError>>;
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/lateen-static-en");
    let refused = super::distil::weigh(&table, none(), 1.0).unwrap_err().to_string();
    assert!(refused.contains("weights of its own") && !table.join(WEIGHTS).exists(), "{refused}");
    // The same graph as an encoder of one vector: its file is not read, and that is said.
    let folder = weighed(&["a"], None);
    for name in ["modules.json", "config_sentence_transformers.json"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    let model = load(folder.path()).unwrap();
    assert_eq!(model.kind(), ModelKind::Dense);
    assert!(model.notes().iter().any(|note| note.starts_with(WEIGHTS)));
}

#[test]
#[cfg_attr(not(feature = "rten"), ignore = "needs rten")]
fn weights_that_do_not_fit_are_refused() {
    use safetensors::tensor::{Dtype, TensorView};
    let with = |weights: &[f32]| {
        let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![weights.len()], &bytes).unwrap();
        let folder = weighed(&["a"], Some(&safetensors::serialize([("weights", view)], None).unwrap()));
        load(folder.path()).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let mut weights = vec![1.0; 30_522];
    assert_eq!(with(&weights), "");
    assert!(with(&weights[..30_000]).contains("30000"));
    weights[7] = -1.0;
    assert!(with(&weights).contains("-1 for token 7"));
    weights[7] = f32::NAN;
    assert!(with(&weights).contains("token_weights.safetensors"));
    let folder = weighed(&["a"], Some(b"not weights"));
    assert!(load(folder.path()).is_err());
    let failing = [Err(super::distil::DistilError::Option { option: "corpus", expected: "whole" })];
    assert!(super::distil::weigh(folder.path(), failing, 1.0).is_err());
    assert_eq!(std::fs::read(folder.path().join(WEIGHTS)).unwrap(), b"not weights");
}
