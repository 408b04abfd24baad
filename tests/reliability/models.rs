//! Model directories meant to harm that the encoder's own tests do not have: pickles under every name, links that lead
//! nowhere or outside, numbers that are none.

use std::path::Path;

use lateen::encode::{Model, ModelOptions, RuntimeChoice, RuntimeSearch};

const CONFIG: &str =
    r#"{"model_type":"lateen-static","version":1,"dim":2,"max_query_tokens":8,"max_document_tokens":8}"#;
const TOKENIZER: &str = r#"{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},
    "post_processor":null,"decoder":null,"truncation":null,"padding":null,
    "model":{"type":"WordLevel","vocab":{"[UNK]":0,"whale":1,"krill":2},"unk_token":"[UNK]"}}"#;
const TABLE: &[u8] = include_bytes!("../../fuzz/src/table.safetensors");

fn load(folder: &Path) -> Result<Model, String> {
    let options = ModelOptions {
        runtime: RuntimeChoice::Rten,
        search: RuntimeSearch::nowhere(),
        threads: 1,
        ..ModelOptions::default()
    };
    Model::load(folder, &options).map_err(|error| error.to_string())
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    std::fs::write(folder.join(name), bytes).unwrap();
}

fn sound() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "config.json", CONFIG);
    put(folder.path(), "tokenizer.json", TOKENIZER);
    put(folder.path(), "model.safetensors", TABLE);
    load(folder.path()).unwrap();
    folder
}

/// What would run a command if anything unpickled it: `os.system("touch canary")`.
fn pickle(canary: &Path) -> Vec<u8> {
    format!("cos\nsystem\n(S'touch {}'\ntR.", canary.display()).into_bytes()
}

#[test]
fn pickles_are_read_under_no_name() {
    for name in
        ["pytorch_model.bin", "model.pt", "model.pth", "weights.pkl", "model.ckpt", "model.safetensors"]
    {
        let folder = tempfile::tempdir().unwrap();
        let canary = folder.path().join("canary");
        put(folder.path(), "config.json", CONFIG);
        put(folder.path(), "tokenizer.json", TOKENIZER);
        put(folder.path(), name, pickle(&canary));
        let error = load(folder.path()).err().unwrap_or_else(|| panic!("{name} was loaded"));
        assert!(error.contains(&folder.path().display().to_string()), "{name}: {error}");
        assert!(!canary.exists(), "{name} was executed");
    }
}

#[cfg(unix)]
#[test]
fn links_that_loop_or_lead_nowhere_are_errors() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let folder = sound();
        let path = folder.path().join(name);
        for target in [name, "missing", "/dev/zero", "."] {
            std::fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink(target, &path).unwrap();
            let error = load(folder.path()).err().unwrap_or_else(|| panic!("{name} -> {target} was loaded"));
            assert!(error.contains(&folder.path().display().to_string()), "{name} -> {target}: {error}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("1_Pooling")).unwrap();
    put(
        folder.path(),
        "modules.json",
        r#"[{"path":"1_Pooling/1_Pooling/1_Pooling","type":"x.Transformer"}]"#,
    );
    assert!(load(folder.path()).is_err(), "a folder within itself is no model");
}

#[test]
fn numbers_that_are_none_are_refused() {
    let at = TABLE.len() - 30;
    for (place, what) in [(at, "scales"), (at + 12, "weights")] {
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let folder = sound();
            let mut table = TABLE.to_vec();
            table[place..place + 4].copy_from_slice(&number.to_le_bytes());
            put(folder.path(), "model.safetensors", &table);
            let error = load(folder.path()).err().unwrap_or_else(|| panic!("{what} of {number} were taken"));
            assert!(error.contains(what), "{error}");
        }
    }
}
