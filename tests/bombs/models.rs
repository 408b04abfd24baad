//! Directories of models.

use lateen::encode::{Model, ModelOptions, RuntimeChoice, RuntimeSearch};

use super::*;

/// A model directory of which one file is the bomb.
fn model(name: &'static str, file: &'static str, bytes: Vec<u8>, length: Option<u64>) -> Case {
    case(name, move || {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        put("config.json", br#"{"model_type":"lateen-static","version":1,"dim":2,"max_query_tokens":8,"max_document_tokens":8}"#);
        put("tokenizer.json", br#"{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}"#);
        put(file, &bytes);
        if let Some(length) = length {
            let file = std::fs::OpenOptions::new().write(true).open(folder.path().join(file)).unwrap();
            file.set_len(length).unwrap();
        }
        let options = ModelOptions {
            runtime: RuntimeChoice::Rten,
            search: RuntimeSearch::nowhere(),
            threads: 1,
            ..ModelOptions::default()
        };
        Model::load(folder.path(), &options).map(drop)
    })
}

pub(super) fn cases() -> Vec<Case> {
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let config = |dim: &str| {
        format!("{{\"model_type\":\"lateen-static\",\"version\":1,\"dim\":{dim},\"max_query_tokens\":8,\"max_document_tokens\":8}}")
            .into_bytes()
    };
    let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let tensor = |shape: &str, offsets: &str| {
        header(&format!(
            "{{\"embeddings\":{{\"dtype\":\"I8\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}"
        ))
    };
    let weights = "model.safetensors";
    vec![
        model("a model of 2³¹ dimensions", "config.json", config("2147483648"), None),
        model("a model of 2⁶³ dimensions", "config.json", config("9223372036854775808"), None),
        model("settings 100,000 deep", "config.json", deep.clone(), None),
        model("a tokenizer 100,000 deep", "tokenizer.json", deep, None),
        model("a tokenizer of 4 GiB", "tokenizer.json", Vec::new(), Some(4 << 30)),
        model("settings of 4 GiB", "config.json", Vec::new(), Some(4 << 30)),
        model("a header of 2⁶⁰ bytes", weights, HUGE.to_le_bytes().to_vec(), None),
        model(
            "a header of 17 MiB in a file of 14",
            weights,
            (17_u64 << 20).to_le_bytes().to_vec(),
            Some(14 << 20),
        ),
        model("a tensor of 2⁶⁰ rows", weights, tensor("[1152921504606846976,2]", "[0,8]"), None),
        model("a tensor whose size wraps around", weights, tensor("[9223372036854775808,2]", "[0,0]"), None),
        model("a tensor at 2⁶⁰", weights, tensor("[1,2]", "[1152921504606846976,1152921504606846978]"), None),
        model("a tensor that ends before it begins", weights, tensor("[1,2]", "[8,6]"), None),
    ]
}
