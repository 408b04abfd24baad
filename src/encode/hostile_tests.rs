//! Model directories that are missing, damaged or meant to harm: each is refused with a word that helps.

use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::testing::{copy, dense_layer, tensors, write};
use super::{EncodeError, Model, ModelOptions, PairModel, PairOptions, RuntimeChoice, RuntimeSearch};

fn options() -> ModelOptions {
    let (runtime, search) = (RuntimeChoice::Rten, RuntimeSearch::nowhere());
    ModelOptions { runtime, search, ..ModelOptions::default() }
}

#[track_caller]
fn refused(directory: &Path, words: &[&str]) -> EncodeError {
    let error = Model::load(directory, &options()).unwrap_err();
    for word in words {
        assert!(error.to_string().contains(word), "{error} lacks {word:?}");
    }
    error
}

const STATIC: &str =
    r#"{"model_type":"lateen-static","version":1,"dim":2,"max_query_tokens":8,"max_document_tokens":8}"#;
const TOKENIZER: &str = r#"{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},
    "post_processor":null,"decoder":null,"truncation":null,"padding":null,
    "model":{"type":"WordLevel","vocab":{"[UNK]":0,"whale":1,"krill":2},"unk_token":"[UNK]"}}"#;

fn table(rows: usize, weights: &[f32]) -> Vec<u8> {
    let bytes: Vec<u8> = (0..rows * 2).map(|at| at as u8 + 1).collect();
    let floats = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let (weights, scales) = (floats(weights), floats(&vec![0.1; rows]));
    fn tensor(dtype: Dtype, shape: Vec<usize>, bytes: &[u8]) -> TensorView<'_> {
        TensorView::new(dtype, shape, bytes).unwrap()
    }
    safetensors::serialize(
        [
            ("embeddings", tensor(Dtype::I8, vec![rows, 2], &bytes)),
            ("scales", tensor(Dtype::F32, vec![rows], &scales)),
            ("weights", tensor(Dtype::F32, vec![weights.len() / 4], &weights)),
        ],
        None,
    )
    .unwrap()
}

fn static_model() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "config.json", STATIC);
    write(directory.path(), "tokenizer.json", TOKENIZER);
    write(directory.path(), "model.safetensors", table(3, &[0.0, 2.0, 0.5]));
    directory
}

#[test]
fn a_small_table_works() {
    let directory = static_model();
    assert!(!PairModel::recognises(directory.path()).unwrap(), "a table of vectors judges no pairs");
    let model = Model::load(directory.path(), &options()).unwrap();
    let query = model.encode_query_tokens("krill unknown whale").unwrap();
    assert_eq!(query.token_ids, [2, 1], "the unknown token has weight 0");
    let norms: Vec<f32> =
        query.matrix.view().iter().map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt()).collect();
    assert!((norms[0] - 0.5).abs() < 1e-6 && (norms[1] - 2.0).abs() < 1e-6, "lengths are weights: {norms:?}");
}

#[test]
fn missing_files_are_named() {
    refused(Path::new("/no/such/model"), &["/no/such/model", "the model directory is missing"]);
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(refused(empty.path(), &["holds no model"]), EncodeError::UnknownLayout { .. }));
    for (name, what) in [("tokenizer.json", "the tokenizer"), ("model.safetensors", "the token table")] {
        let directory = static_model();
        std::fs::remove_file(directory.path().join(name)).unwrap();
        refused(directory.path(), &[name, what, "is missing"]);
    }
    write(empty.path(), "model.safetensors", tensors(&[]));
    refused(empty.path(), &["no ONNX graph", "lateen model convert"]);
}

#[test]
fn wrong_settings_are_named() {
    for (field, from, to) in [
        ("dim", "\"dim\":2", "\"dim\":2147483648"),
        ("dim", "\"dim\":2", "\"dim\":0"),
        ("max_query_tokens", "\"max_query_tokens\":8", "\"max_query_tokens\":0"),
        ("version", "\"version\":1", "\"version\":2"),
        ("line 1", "\"dim\":2", "\"dim\":-2"),
        ("line 1", "}", ""),
    ] {
        let directory = static_model();
        write(directory.path(), "config.json", STATIC.replacen(from, to, 1));
        refused(directory.path(), &["config.json", field]);
    }
}

#[test]
fn wrong_weights_are_named() {
    let directory = static_model();
    write(directory.path(), "config.json", STATIC.replace("\"dim\":2", "\"dim\":3"));
    refused(directory.path(), &["embeddings", "[3, 2]", "[tokens, 3]"]);
    for (bytes, words) in [
        (table(3, &[0.0, f32::NAN, 1.0]), ["weights", "number 1", "not finite"]),
        (table(3, &[0.0, -1.0, 1.0]), ["weights", "-1 for token 1", "≥ 0"]),
        (table(3, &[0.0, 1.0]), ["weights", "[2]", "[3]"]),
        (table(2, &[0.0, 1.0]), ["tokenizer has token 2", "only 2 rows", ""]),
        (tensors(&[]), ["no tensor", "embeddings", "model.safetensors"]),
        (vec![0xff; 64], ["at most 16777216", "model.safetensors", ""]),
        (b"\x10\0\0\0\0\0\0\0{\"broken\":".to_vec(), ["not a sound safetensors file", "", ""]),
    ] {
        let directory = static_model();
        write(directory.path(), "model.safetensors", bytes);
        refused(directory.path(), &words);
    }
}

#[test]
fn every_cut_of_a_table_is_refused() {
    let directory = static_model();
    let whole = table(3, &[0.0, 2.0, 0.5]);
    for end in 0..whole.len() {
        write(directory.path(), "model.safetensors", &whole[..end]);
        assert!(Model::load(directory.path(), &options()).is_err(), "cut at {end}");
    }
}

#[test]
fn broken_tokenizers_are_named() {
    let directory = static_model();
    write(directory.path(), "tokenizer.json", "{}");
    refused(directory.path(), &["tokenizer.json", "cannot be built"]);
    let file = std::fs::File::create(directory.path().join("tokenizer.json")).unwrap();
    file.set_len(65 << 20).unwrap();
    assert!(matches!(refused(directory.path(), &["tokenizer.json"]), EncodeError::TooLarge { .. }));
}

#[test]
fn pickles_are_never_read() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "config.json", r#"{"model_type":"bert"}"#);
    write(directory.path(), "pytorch_model.bin", b"\x80\x02}q\x00.");
    let error = refused(directory.path(), &["pytorch_model.bin", "never read", "lateen model convert"]);
    assert!(matches!(error, EncodeError::Pickle { .. }));
    let Some(model) = copy("models/tiny-random-bert/embedding") else { return };
    let module = r#"[{"path":"","type":"x.Transformer"},{"path":"1_Dense","type":"x.Dense"}]"#;
    write(model.path(), "modules.json", module);
    write(model.path(), "config_sentence_transformers.json", r#"{"query_prefix":""}"#);
    dense_layer(&model.path().join("1_Dense"), 16, 8, false, "torch.nn.modules.linear.Identity");
    let weights = model.path().join("1_Dense/model.safetensors");
    std::fs::rename(&weights, weights.with_file_name("pytorch_model.bin")).unwrap();
    refused(model.path(), &["1_Dense", "pytorch_model.bin"]);
}

#[test]
fn modules_outside_the_directory_are_refused() {
    let Some(model) = copy("models/tiny-random-bert/embedding") else { return };
    for path in ["../elsewhere", "/etc", "a/../../b"] {
        write(model.path(), "modules.json", format!(r#"[{{"path":"{path}","type":"x.Transformer"}}]"#));
        refused(model.path(), &["modules.json", "path", "below the model's own"]);
    }
    write(model.path(), "modules.json", r#"[{"path":"","type":"custom_code.MyModule"}]"#);
    refused(model.path(), &["custom_code.MyModule", "type"]);
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn wrong_dense_layers_are_named() {
    let Some(model) = copy("models/tiny-random-bert/embedding") else { return };
    let module = r#"[{"path":"","type":"x.Transformer"},{"path":"1_Dense","type":"x.Dense"}]"#;
    write(model.path(), "modules.json", module);
    write(model.path(), "config_sentence_transformers.json", r#"{"query_prefix":""}"#);
    let layer = model.path().join("1_Dense");
    dense_layer(&layer, 20, 8, false, "torch.nn.modules.linear.Identity");
    refused(model.path(), &["shape", "20 columns before the dense layers or 8 after"]);
    let stack = r#"[{"path":"","type":"x.Transformer"},{"path":"1_Dense","type":"x.Dense"},
        {"path":"2_Dense","type":"x.Dense"}]"#;
    write(model.path(), "modules.json", stack);
    dense_layer(&model.path().join("2_Dense"), 9, 4, false, "torch.nn.modules.linear.Identity");
    refused(model.path(), &["2_Dense", "in_features", "9 after a layer that gives 8"]);
    write(model.path(), "modules.json", module);
    dense_layer(&layer, 16, 8, false, "os.system");
    refused(model.path(), &["activation_function", "os.system"]);
    dense_layer(&layer, 16, 8, false, "torch.nn.modules.linear.Identity");
    let config = r#"{"in_features":16,"out_features":9,"bias":false,"activation_function":"Identity"}"#;
    write(&layer, "config.json", config);
    refused(model.path(), &["linear.weight", "[8, 16]", "[9, 16]"]);
}

#[test]
fn damaged_graphs_are_refused() {
    let Some(model) = copy("models/tiny-random-bert/embedding") else { return };
    let whole = std::fs::read(model.path().join("model.onnx")).unwrap();
    for end in [0, 1, 100, whole.len() / 2, whole.len() - 1] {
        write(model.path(), "model.onnx", &whole[..end]);
        assert!(Model::load(model.path(), &options()).is_err(), "cut at {end}");
    }
    write(model.path(), "model.onnx", b"\x80\x02}q\x00.");
    refused(model.path(), &["model.onnx", "not a sound ONNX file"]);
}

#[test]
fn external_weights_stay_beside_the_graph() {
    let part = |number: u8, body: &[u8]| [&[number << 3 | 2, body.len() as u8][..], body].concat();
    let graph = |location: &str| {
        let entry = part(13, &[part(1, b"location"), part(2, location.as_bytes())].concat());
        part(7, &part(5, &entry))
    };
    let Some(model) = copy("models/tiny-random-bert/embedding") else { return };
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret", b"secret");
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path().join("secret"), model.path().join("link")).unwrap();
    std::fs::hard_link(model.path().join("config.json"), model.path().join("hard")).unwrap();
    for location in ["../secret", "/etc/passwd", "a/../b", "", ".", "missing", "C:x", "link", "hard"] {
        write(model.path(), "model.onnx", graph(location));
        let error = Model::load(model.path(), &options()).unwrap_err();
        assert!(matches!(error, EncodeError::ExternalData { .. }), "{location:?}: {error}");
    }
}

#[test]
#[cfg_attr(not(feature = "onnxruntime"), ignore = "needs ONNX Runtime")]
fn a_missing_runtime_lists_every_place() {
    let Some(model) = copy("models/tiny-random-bert/embedding") else { return };
    let wanted = ModelOptions {
        runtime: RuntimeChoice::OnnxRuntime,
        search: RuntimeSearch {
            named: Some("/no/such/libonnxruntime.so".into()),
            cache: Some("/no/such/cache".into()),
            ..RuntimeSearch::nowhere()
        },
        ..ModelOptions::default()
    };
    let error = Model::load(model.path(), &wanted).unwrap_err();
    for word in ["lateen runtime install", "/no/such/libonnxruntime.so", "ORT_DYLIB_PATH", "/no/such/cache"] {
        assert!(error.to_string().contains(word), "{error} lacks {word:?}");
    }
    let auto = ModelOptions { runtime: RuntimeChoice::Auto, ..wanted.clone() };
    let found = Model::load(model.path(), &auto).unwrap();
    assert_eq!(found.runtime().name, "rten");
    assert!(found.runtime().why.contains("/no/such/cache"), "{:?}", found.runtime());
    let named = ModelOptions { onnxruntime_path: Some("/no/such/file.so".into()), ..auto };
    let error = Model::load(model.path(), &named).unwrap_err();
    assert!(matches!(error, EncodeError::RuntimeNotFound { .. }), "a named library is demanded: {error}");
}

fn pair_options() -> PairOptions {
    PairOptions { model: options(), ..PairOptions::default() }
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn cross_encoders_with_other_labels_are_refused() {
    let Some(model) = copy("models/tiny-random-bert/sequence_classification") else { return };
    write(model.path(), "config.json", r#"{"id2label":{"0":"a","1":"b","2":"c"}}"#);
    let error = PairModel::load(model.path(), &pair_options()).unwrap_err();
    assert!(error.to_string().contains("3 labels"), "{error}");
    write(model.path(), "config.json", r#"{"id2label":{"0":"a"}}"#);
    let error = PairModel::load(model.path(), &pair_options()).unwrap_err();
    assert!(matches!(error, EncodeError::OutputShape { .. }), "{error}");
}
