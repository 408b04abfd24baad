//! Checkpoints to models to answers, on a checkpoint of a few kilobytes, in pure Rust.

use crate::workspace::{DOCUMENTS, Workspace};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/encode/tiny");

/// A model directory made of the tiny checkpoint.
fn converted(space: &Workspace, name: &str, more: &[&str]) {
    let arguments = [&["model", "convert", TINY, name, "--json"], more].concat();
    let told = space.run(&arguments).ok().documents();
    assert_eq!((&told[0]["kind"], &told[0]["model"]), (&"converted".into(), &name.into()));
}

#[test]
fn dense_and_token_models_are_made_indexed_and_searched() {
    let space = Workspace::new();
    space.write("docs.jsonl", DOCUMENTS);
    converted(&space, "dense", &[]);
    converted(
        &space,
        "tokens",
        &["--head", "tokens", "--dim", "8", "--fit", "docs.jsonl", "--runtime", "rten"],
    );
    for (model, storage) in [("dense", "dense_storage"), ("tokens", "token_storage")] {
        let out = format!("{model}.lateen");
        space.run(&["index", "docs.jsonl", "--out", &out, "--model", model, "--runtime", "rten"]).ok();
        let inspected = space.run(&["inspect", &out, "--json"]).ok().documents();
        assert_ne!(inspected[0]["settings"][storage], "none");
        let answer = space.run(&["search", &out, "tides", "--runtime", "rten", "--json"]).ok().documents();
        assert_eq!(answer[0]["hits"].as_array().unwrap().len(), 3);
        assert_eq!(answer[0]["report"]["runtime"], "rten");
    }
    let vectors = space.run(&["encode", "tides", "--model", "dense", "--runtime", "rten"]).ok().documents();
    assert!(vectors[0]["vector"].is_array());
    let demanded = ["encode", "tides", "--model", "dense", "--onnxruntime", "nowhere.so"];
    space.run(&demanded).fails(2, &["nowhere.so", "lateen runtime install"]);
}

#[test]
fn hits_and_documents_are_reranked() {
    let space = Workspace::indexed();
    converted(&space, "judge", &["--head", "cross-encoder"]);
    // The checkpoint's configuration leaves its two labels unsaid.
    let config = std::fs::read_to_string(space.path("judge/config.json")).unwrap();
    space.write("judge/config.json", config.replacen('{', r#"{"id2label": {"0": "no", "1": "yes"},"#, 1));
    let hits = space.run(&["search", "ix", "tides", "--format", "jsonl"]).ok();
    // The tiny judge reads 24 tokens: too few to slice.
    let sliced = ["rerank", "--model", "judge", "--runtime", "rten"];
    space.run_with(&sliced, &hits.out).fails(2, &["of 24 tokens", "truncated"]);
    let judge = [&sliced[..], &["--long-documents", "truncate"]].concat();
    let told =
        space.run_with(&[&judge[..], &["--judge", "2", "--json"]].concat(), &hits.out).ok().documents();
    let rows = told[0]["hits"].as_array().unwrap();
    let judged: Vec<bool> = rows.iter().map(|row| row["judged"].as_bool().unwrap()).collect();
    assert_eq!(judged, [true, true, false]);
    assert!(rows[0]["score"].as_f64() >= rows[1]["score"].as_f64());
    let passage = &rows[0]["passage"];
    assert!(passage[0] == 0 && passage[1].as_u64() > Some(0), "{passage}");
    let unit = ["--documents", "docs.jsonl", "--query", "tides", "--scale", "unit"];
    for (least, count) in [("0", 3), ("1.5", 0)] {
        let told = space.run(&[&judge[..], &unit, &["--min-score", least, "--format", "jsonl"]].concat());
        let lines = told.out.lines().count();
        assert_eq!(lines, count, "{}", told.out);
    }
    let given = ["--documents", "docs.jsonl", "--query", "tides", "-k", "1", "--format", "trec"];
    let run = space.run(&[&judge[..], &given].concat()).ok();
    assert_eq!(run.out.lines().count(), 1);
    space.run(&[&judge[..], &["--documents", "docs.jsonl", "--query", " "]].concat()).fails(2, &["empty"]);
}

#[test]
fn scores_are_calibrated_and_then_shown_as_probabilities() {
    let space = Workspace::indexed();
    converted(&space, "judge", &["--head", "cross-encoder"]);
    let config = std::fs::read_to_string(space.path("judge/config.json")).unwrap();
    space.write("judge/config.json", config.replacen('{', r#"{"id2label": {"0": "no", "1": "yes"},"#, 1));
    let run: String = (0..40).map(|at| format!("q Q0 d{at} {} {} x\n", at + 1, 20 - at)).collect();
    space.write("run.trec", run);
    let qrels: String = (0..40).map(|at| format!("q 0 d{at} {}\n", i32::from(at < 15 || at == 20))).collect();
    space.write("qrels.trec", qrels);
    let told = space
        .run(&[
            "calibrate",
            "run.trec",
            "--qrels",
            "qrels.trec",
            "--precision",
            "0.99",
            "--write",
            "judge",
            "--json",
        ])
        .ok()
        .documents();
    assert_eq!((&told[0]["kind"], &told[0]["examples"]), (&"calibration".into(), &40.into()));
    assert_eq!(told[0]["at_precision"]["score"], 6.0);
    let given = [
        "--documents",
        "docs.jsonl",
        "--query",
        "tides",
        "--runtime",
        "rten",
        "--format",
        "jsonl",
        "--long-documents",
        "truncate",
    ];
    let shown = |scale: &str| {
        let rows = space.run(&[&["rerank", "--model", "judge", "--scale", scale], &given[..]].concat()).ok();
        rows.documents().iter().map(|row| row["score"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let (slope, intercept) = (told[0]["slope"].as_f64().unwrap(), told[0]["intercept"].as_f64().unwrap());
    for (raw, unit) in shown("raw").into_iter().zip(shown("unit")) {
        assert!((1.0 / (1.0 + (-(slope * raw + intercept)).exp()) - unit).abs() < 1e-5, "{raw} {unit}");
    }
    let table = space.run(&["calibrate", "run.trec", "--qrels", "qrels.trec", "--min-grade", "1"]).ok();
    assert!(table.out.contains("precision") && table.out.contains("best F1"), "{}", table.out);
    space
        .run(&["calibrate", "run.trec", "--qrels", "qrels.trec", "--min-grade", "9"])
        .fails(3, &["at least one"]);
}

#[test]
fn a_model_in_8_bits_is_close_to_its_own_and_says_how_close() {
    let space = Workspace::new();
    space.write("texts.txt", "tides rise twice a day\nbread rises\nbees dance\n");
    converted(&space, "whole", &[]);
    let told = space
        .run(&["model", "convert", TINY, "said", "--int8", "--texts", "texts.txt", "--runtime", "rten"])
        .ok();
    assert!(told.err.contains("8 bits against f32 on 3 texts: cosine 0.9"), "{}", told.err);
    converted(&space, "small", &["--int8", "--texts", "texts.txt", "--runtime", "rten"]);
    let parity = std::fs::read_to_string(space.path("small/parity.json")).unwrap();
    let parity = &serde_json::from_str::<serde_json::Value>(&parity).unwrap()["int8"];
    assert!(parity["min_cosine"].as_f64() >= Some(0.99), "{parity}");
    assert_eq!(parity["texts"], 3);
    let vector = |model: &str| {
        let told = space.run(&["encode", "tides", "--model", model, "--runtime", "rten"]).ok().documents();
        let numbers = told[0]["vector"].as_array().unwrap().iter();
        numbers.map(|number| number.as_f64().unwrap()).collect::<Vec<f64>>()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let (whole, small) = (vector("whole"), vector("small"));
    let cosine = dot(&whole, &small) / (dot(&whole, &whole) * dot(&small, &small)).sqrt();
    assert!(cosine >= 0.99 && whole != small, "{cosine}");
    space.run(&["model", "convert", TINY, "x", "--texts", "texts.txt"]).fails(2, &["--int8"]);
    space.run(&["model", "convert", TINY, "x", "--int8", "--texts", "none.txt"]).fails(2, &["none.txt"]);
}

#[test]
fn a_model_that_was_weighed_leaves_marks_out_of_queries_and_stays_so_when_converted() {
    let space = Workspace::new();
    space.write("docs.jsonl", DOCUMENTS);
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        space.write(&format!("base/{file}"), std::fs::read(format!("{TINY}/{file}")).unwrap());
    }
    let convert = |to: &str| {
        space
            .run(&["model", "convert", "base", to, "--head", "tokens", "--dim", "8", "--fit", "docs.jsonl"])
            .ok();
    };
    let rows = |model: &str| {
        let arguments = ["encode", "a b.", "--as", "query", "--model", model, "--runtime", "rten"];
        space.run(&arguments).ok().documents()[0]["tokens"].as_array().unwrap().len()
    };
    convert("plain");
    let told = space.run(&["model", "weigh", "base", "--corpus", "docs.jsonl", "--json"]).ok().documents();
    assert_eq!((&told[0]["kind"], &told[0]["texts"]), (&"weighed".into(), &3.into()));
    assert_eq!(told[0]["file"], "base/token_weights.safetensors");
    convert("weighed");
    assert_eq!(rows("weighed") + 3, rows("plain"), "two marks and a full stop");
    space.run(&["model", "weigh", "base", "--corpus", "none.jsonl"]).fails(2, &["none.jsonl"]);
    space.run(&["model", "weigh", "base", "--corpus", "docs.jsonl", "--power=-1"]).fails(2, &["power"]);
    space.run(&["model", "weigh", "nowhere", "--corpus", "docs.jsonl"]).fails(2, &["nowhere"]);
}

#[test]
fn heads_and_options_must_agree() {
    let space = Workspace::new();
    space.run(&["model", "convert", TINY, TINY]).fails(2, &[]);
    space.run(&["model", "convert", TINY, "x", "--dim", "8"]).fails(2, &["--fit"]);
    space.write("docs.jsonl", DOCUMENTS);
    space
        .run(&["model", "convert", TINY, "x", "--dim", "8", "--fit", "docs.jsonl"])
        .fails(2, &["--head tokens"]);
}
