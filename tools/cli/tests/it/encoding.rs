//! Vectors in files, and model directories as they are shown.

use crate::workspace::Workspace;
use std::path::{Path, PathBuf};

const LAYOUTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/layouts");
const JUDGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/judges");

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The small BERT with the files of a layout, as the model `name`.
fn model(space: &Workspace, name: &str, layout: &str) -> PathBuf {
    let folder = space.path(name);
    copy(&Path::new(LAYOUTS).join("bert"), &folder);
    copy(&Path::new(LAYOUTS).join(layout), &folder);
    folder
}

/// The header and the numbers of a `.npy` file.
fn npy(path: &Path) -> (String, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap();
    let length = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    (String::from_utf8_lossy(&bytes[10..length]).into_owned(), bytes[length..].to_vec())
}

#[test]
fn vectors_are_cut_and_quantised_with_ranges_that_are_kept() {
    let space = Workspace::new();
    space.write("texts.txt", "tides rise twice a day\nbread rises in the oven\nbees dance\n");
    let dense = ["encode", "--from", "texts.txt", "--model", "bundled", "--vectors", "dense", "--dim", "16"];
    let run = |more: &[&str]| space.run(&[&dense[..], more].concat());
    let own = run(&["--precision", "int8", "--out", "own.npy"]).ok();
    assert!(own.err.contains("--calibrate"), "{}", own.err);
    let (header, codes) = npy(&space.path("own.npy"));
    assert!(header.contains("'|i1'") && header.contains("(3, 16,)"), "{header}");
    let (header, ranges) = npy(&space.path("own.ranges.npy"));
    assert!(header.contains("(2, 16,)") && ranges.len() == 128, "{header}");
    run(&["--precision", "int8", "--ranges", "own.ranges.npy", "--out", "again.npy"]).ok();
    assert_eq!(npy(&space.path("again.npy")).1, codes);
    run(&["--precision", "int8", "--calibrate", "texts.txt", "--out", "calibrated.npy"]).ok();
    assert_eq!(npy(&space.path("calibrated.npy")).1, codes);
    run(&["--precision", "ubinary", "--out", "bits.npy"]).ok();
    let (header, bits) = npy(&space.path("bits.npy"));
    assert!(header.contains("'|u1'") && header.contains("(3, 2,)"), "{header}");
    let lines = run(&["--precision", "ubinary"]).ok().documents();
    assert_eq!(
        (&lines[0]["vector"], &lines[0]["precision"]),
        (&serde_json::json!(bits[..2]), &"ubinary".into())
    );
    run(&["--out", "v.jsonl"]).ok();
    let text = std::fs::read_to_string(space.path("v.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let norm: f64 = line["vector"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
    assert!((norm - 1.0).abs() < 1e-5 && line["dim"] == 16, "{norm}");
}

#[test]
fn safetensors_hold_vectors_lengths_and_ranges() {
    let space = Workspace::new();
    space.run(&["encode", "ebb and flow", "the sea", "--precision", "uint8", "--out", "v.safetensors"]).ok();
    let bytes = std::fs::read(space.path("v.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    assert_eq!(header["__metadata__"]["precision"], "uint8");
    assert_eq!((&header["vectors"]["dtype"], &header["ranges"]["dtype"]), (&"U8".into(), &"F32".into()));
    assert_eq!(
        (header["lengths"]["shape"][0].as_u64(), header["vectors"]["shape"][1].as_u64()),
        (Some(2), Some(128))
    );
    let same = |name: &str| {
        space.run(&["encode", "ebb and flow", "the sea", "--precision", "uint8", "--out", name]).ok();
        std::fs::read(space.path(name)).unwrap()
    };
    assert_eq!(same("again.safetensors"), bytes, "the same texts give the same bytes");
}

#[test]
fn what_cannot_be_written_is_told() {
    let space = Workspace::new();
    space.run(&["encode", "x", "--out", "v.txt"]).fails(2, &[".npy", ".safetensors", ".jsonl"]);
    space.run(&["encode", "x", "--dim", "9999"]).fails(2, &["9999", "128"]);
    space.run(&["encode", "x", "--vectors", "sparse"]).fails(2, &["gives no weights"]);
    space.run(&["encode", "x", "--ranges", "r.npy"]).fails(2, &["--precision int8"]);
    space.run(&["encode", "x", "--precision", "int8", "--ranges", "r.npy"]).fails(2, &["r.npy"]);
    space.write("r.npy", "no array");
    space.run(&["encode", "x", "--precision", "int8", "--ranges", "r.npy"]).fails(3, &["r.npy"]);
}

#[test]
fn several_kinds_of_vectors_come_from_one_model() {
    let space = Workspace::new();
    model(&space, "m3", "m3");
    let run = |kind: &str| {
        let arguments = ["encode", "the ship sails", "--model", "m3", "--runtime", "rten", "--vectors", kind];
        space.run(&arguments).ok().documents().remove(0)
    };
    let sparse = run("sparse");
    assert_eq!(sparse["token_ids"].as_array().unwrap().len(), sparse["weights"].as_array().unwrap().len());
    assert_eq!((run("dense")["dim"].as_u64(), run("tokens")["dim"].as_u64()), (Some(12), Some(4)));
    space.write("docs.jsonl", crate::workspace::DOCUMENTS);
    let rerank = |more: &[&str]| {
        let common = [
            "rerank",
            "--model",
            "m3",
            "--runtime",
            "rten",
            "--documents",
            "docs.jsonl",
            "--query",
            "the tides",
        ];
        space.run(&[&common[..], more].concat())
    };
    let late = rerank(&["--json"]).ok().documents();
    let tokens = rerank(&["--json", "--kind", "combined", "--weights", "0,0,1"]).ok().documents();
    let ids = |all: &[serde_json::Value]| {
        all[0]["hits"].as_array().unwrap().iter().map(|hit| hit["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&late), ids(&tokens));
    rerank(&["--kind", "combined", "--weights", "0,0,0"]).fails(2, &["weights"]);
    rerank(&["--kind", "combined", "--weights", "1,2"]).fails(2, &["three numbers"]);
}

#[test]
fn an_inspection_shows_what_the_files_say() {
    let space = Workspace::new();
    model(&space, "st", "st");
    space.write("st/pytorch_model.bin", "\u{2}");
    space.write("st/onnx/model_int8.onnx", "");
    let shown = space.run(&["model", "inspect", "st", "--runtime", "rten"]).ok().out;
    for word in [
        "sentence-transformers (encoder)",
        "modules.json",
        "sail query: ",
        "mean and max, without the prompt",
        "dense 24 to 10 with bias, Gelu",
        "layer norm over 10",
        "input_ids, attention_mask",
        "int8: onnx/model_int8.onnx",
        "pytorch_model.bin: a pickle",
        "rten: asked for",
    ] {
        assert!(shown.contains(word), "{word:?} is not in:\n{shown}");
    }
    let document =
        space.run(&["model", "inspect", "st", "--runtime", "rten", "--json"]).ok().documents().remove(0);
    assert_eq!((&document["layout"], &document["dense_dim"]), (&"sentence-transformers".into(), &10.into()));
    let refused = space.run(&["model", "inspect", "st", "--variant", "fp16", "--runtime", "rten"]);
    refused.fails(2, &["fp16", "int8", "--variant"]);
    copy(&Path::new(JUDGES).join("t5"), &space.path("t5"));
    let shown = space.run(&["model", "inspect", "t5", "--runtime", "rten"]).ok().out;
    for word in
        ["(judge)", "T5ForConditionalGeneration", "first token behind an encoder", "Relevant:", "sigmoid"]
    {
        assert!(shown.contains(word), "{word:?} is not in:\n{shown}");
    }
}

#[test]
fn a_name_that_the_hubs_cache_does_not_have_is_told() {
    let space = Workspace::new();
    let mut command = space.command();
    command.env("HF_HUB_CACHE", space.path("hub")).args(["encode", "x", "--model", "org/name@v1"]);
    let ran = command.output().unwrap();
    let words = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(2), "{words}");
    assert!(words.contains("org/name@v1") && words.contains("models--org--name"), "{words}");
    assert!(words.contains("lateen model pull"), "{words}");
}
