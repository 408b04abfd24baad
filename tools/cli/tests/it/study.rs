//! Comparisons, position bias and reranking sets, small ones.

use crate::models::{Model, write_model};
use crate::workspace::{DOCUMENTS, Workspace};
use serde_json::Value;

const STUDY: &str = r#"
title = "Notes <compared>"
out = "results"
baseline = "words"
metrics = ["ndcg@10", "recall@100", "bpref"]
latency = { queries = 2, repeats = 2 }

[[collection]]
name = "notes"
path = "beir"

[[system]]
name = "words"
kind = "bm25"

[[system]]
name = "one vector"
kind = "dense"
model = "bundled"

[[system]]
name = "tokens"
kind = "late-interaction"
model = "bundled"
bits = "2"
recall = "0.95"

[[system]]
name = "fused"
kind = "fused"
of = ["words", "tokens"]
by = "weighted"
weights = [0.3, 0.7]

[[system]]
name = "judged"
kind = "reranked"
of = ["words"]
judge = "late:bundled"
top = 2
"#;

const SQUAD: &str = r#"{"version": "2.0", "data": [{"title": "Notes", "paragraphs": [
    {"context": "The moon raises the tides of the sea twice a day.", "qas": [
        {"id": "1", "question": "What raises the tides?", "answers": [{"text": "The moon", "answer_start": 0}]},
        {"id": "2", "question": "What is the moon?", "answers": [], "is_impossible": true}]},
    {"context": "Bread rises because yeast makes gas in the dough. It is baked for an hour in an oven that must be hot from the beginning on, or it stays flat.", "qas": [
        {"id": "3", "question": "How long is bread baked?", "answers": [{"text": "an hour", "answer_start": 66}]},
        {"id": "4", "question": "How does bread stay in an oven that is not hot?", "answers": [{"text": "flat", "answer_start": 138}]}]}]}]}"#;

/// A folder with a study, a file of questions and a reranking set.
pub fn space() -> Workspace {
    let space = Workspace::new();
    space.write("beir/corpus.jsonl", DOCUMENTS);
    space.write("beir/queries.jsonl", "{\"_id\": \"q1\", \"text\": \"tides of the sea\"}\n{\"_id\": \"q2\", \"text\": \"yeast in dough\"}\n{\"_id\": \"q3\", \"text\": \"\"}\n");
    space.write(
        "beir/qrels/test.tsv",
        "query-id\tcorpus-id\tscore\nq1\tmoon\t1\nq1\tbees\t0\nq2\tbread\t1\nq2\tbees\t0\n",
    );
    space.write("study.toml", STUDY);
    space.write("squad.json", SQUAD);
    space.write(
        "set.jsonl",
        "{\"query\": \"tides of the sea\", \"positive\": [\"The moon raises the tides of the sea.\"], \"negative\": [\"Bread rises.\", \"Bees dance.\"]}\n\
         {\"query\": \"only answers\", \"positive\": [\"a\"], \"negative\": []}\n",
    );
    space
}

fn report(space: &Workspace, folder: &str) -> Value {
    serde_json::from_slice(&std::fs::read(space.path(folder).join("report.json")).unwrap()).unwrap()
}

#[test]
fn a_comparison_is_told_written_and_not_made_twice() {
    let space = space();
    let told = space.run(&["eval", "study.toml"]).ok();
    assert!(told.out.contains("notes: 2 queries") && told.out.contains("one vector"), "{}", told.out);
    let first = report(&space, "results");
    let outcomes = first["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 5);
    for outcome in outcomes {
        assert_eq!(outcome["metrics"]["ndcg@10"]["mean"], 1.0, "{outcome}");
        assert_eq!(outcome["latency"]["samples"], 4);
        let run = space.path("results").join(outcome["run"].as_str().unwrap());
        let run = run.to_str().unwrap();
        let same = space.run(&["eval", "--run-file", run, "--qrels", "beir/qrels/test.tsv", "--json"]).ok();
        assert_eq!(same.documents()[0]["metrics"]["ndcg@10"], 1.0);
    }
    // What is there is taken as it is; a changed system is made again, and what is made of it.
    space.run(&["eval", "study.toml"]).ok();
    assert_eq!(report(&space, "results"), first);
    space.write("study.toml", STUDY.replace("bits = \"2\"", "bits = \"4\""));
    space.run(&["eval", "study.toml"]).ok();
    let second = report(&space, "results");
    let key = |report: &Value, at: usize| report["outcomes"][at]["key"].clone();
    let changed: Vec<bool> = (0..5).map(|at| key(&first, at) != key(&second, at)).collect();
    assert_eq!(changed, [false, false, true, true, false]);
}

#[test]
fn the_page_of_a_comparison_is_whole() {
    let space = space();
    space.run(&["eval", "study.toml"]).ok();
    let page = std::fs::read_to_string(space.path("results/report.html")).unwrap();
    for part in [
        "<title>Notes &lt;compared&gt;</title>",
        "<svg",
        "recall@100 against latency",
        "bootstrap",
        "XXH3-128",
    ] {
        assert!(page.contains(part), "{part} is not in the page");
    }
    for part in ["<script", "http://", "https://", "NaN", "<compared>"] {
        assert!(!page.contains(part), "{part} is in the page");
    }
}

#[test]
fn encodings_are_found_again() {
    let space = space();
    space.run(&["eval", "study.toml"]).ok();
    std::fs::remove_dir_all(space.path("results/indexes")).unwrap();
    std::fs::remove_dir_all(space.path("results/results")).unwrap();
    let again = space.run(&["eval", "study.toml", "-v"]).ok();
    assert!(again.err.contains(" found, 0 made, 0 damaged"), "{}", again.err);
}

#[test]
fn position_bias_is_measured_from_a_file_of_questions() {
    let space = space();
    let told = space.run(&["eval", "position-bias", "squad.json", "--out", "bias"]).ok();
    assert!(
        told.out.contains("0-100 (2)") && told.out.contains("100-200 (1)") && told.out.contains("PSI"),
        "{}",
        told.out
    );
    let report = report(&space, "bias");
    assert_eq!(report["positions"].as_array().unwrap().len(), 4);
    assert_eq!(report["collections"][0]["documents"], 2);
    let page = std::fs::read_to_string(space.path("bias/report.html")).unwrap();
    assert!(page.contains("nDCG@10 by position"));
}

#[test]
fn reranking_sets_are_measured() {
    let space = space();
    let systems = ["--system", "bm25", "--system", "dense:bundled", "--system", "late:bundled"];
    let told = space.run(&[&["eval", "reranking", "set.jsonl"][..], &systems].concat()).ok();
    assert!(told.out.contains("1 query left out") && told.out.contains("100.00"), "{}", told.out);
    space.write("beir/queries.jsonl", "{\"_id\": \"q1\", \"text\": \"tides of the sea\"}\n{\"_id\": \"q2\", \"text\": \"yeast in dough\"}\n");
    let told = space.run(&["eval", "reranking", "beir", "--json"]).ok().documents();
    assert_eq!((&told[0]["queries"], &told[0]["texts"]), (&2.into(), &4.into()));
}

const PARQUET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/parquet");

#[test]
fn published_files_are_read_as_they_are() {
    let space = Workspace::new();
    let file = |name: &str| format!("{PARQUET}/{name}");
    let system = ["--system", "bm25:cjk-bigrams", "--json"];
    for (set, queries) in [("reranking", 6), ("reranking/test-00001-of-00003.parquet", 2)] {
        let told = space.run(&[&["eval", "reranking", &file(set)][..], &system].concat()).ok().documents();
        assert_eq!(told[0]["queries"], queries, "{}", told[0]);
    }
    space.run(&["eval", "reranking", &file("reranking"), "--split", "dev"]).fails(2, &["there are test"]);
    space.run(&["eval", "reranking", &file("rows/usual.parquet"), "--split", "x"]).fails(2, &["--split"]);
    space
        .run(&["eval", "reranking", &file("corpus.parquet")])
        .fails(3, &["query", "no such column", "_id, title"]);
    space.run(&["eval", "position-bias", &file("posq.parquet"), "--out", "bias"]).ok();
    let report = report(&space, "bias");
    let names: Vec<_> =
        report["positions"][0]["buckets"].as_array().unwrap().iter().map(|bucket| &bucket["name"]).collect();
    assert_eq!(names, ["beginning", "middle", "end"]);

    space.run(&["index", &file("corpus.parquet"), "--out", "ix"]).ok();
    let hits = space.run(&["search", "ix", "tides", "--json"]).ok().documents();
    assert_eq!(hits[0]["hits"][0]["id"], "7");
    let whole = std::fs::read(file("corpus.parquet")).unwrap();
    space.write("cut.parquet", &whole[..whole.len() - 9]);
    space.run(&["index", "cut.parquet", "--out", "x"]).fails(3, &["cut.parquet", "Parquet file"]);
    space
        .run(&["index", &file("brotli.parquet"), "--out", "x"])
        .fails(3, &["brotli.parquet:1", "_id", "Brotli"]);
    space.write("folder/part-0.parquet", whole);
    space.run(&["index", "folder", "--out", "many", "--format", "parquet"]).ok();
}

#[test]
fn a_study_may_name_models_of_the_hub() {
    let space = space();
    let commit = "c".repeat(40);
    write_model(&space, &format!("hub/models--org--tides/snapshots/{commit}"), Model::Sound);
    space.write("hub/models--org--tides/refs/main", &commit);
    space.write(
        "study.toml",
        STUDY
            .replace("model = \"bundled\"", "model = \"org/tides\"")
            .replace("\"dense\"", "\"late-interaction\""),
    );
    for arguments in
        [&["eval", "study.toml"][..], &["eval", "reranking", "set.jsonl", "--system", "late:org/tides"]]
    {
        space.command().args(arguments).env("HF_HUB_CACHE", space.path("hub")).assert().success();
    }
    let study = std::fs::read_to_string(space.path("study.toml")).unwrap();
    space.write("study.toml", study.replace("out = \"results\"", "out = \"other\""));
    let elsewhere =
        space.command().args(["eval", "study.toml"]).env("HF_HUB_CACHE", "none").output().unwrap();
    assert_eq!(elsewhere.status.code(), Some(2), "{}", String::from_utf8_lossy(&elsewhere.stderr));
}

#[test]
fn what_cannot_be_compared_is_said() {
    let space = space();
    space.run(&["eval", "none.toml"]).fails(2, &["none.toml"]);
    space.write("bad.toml", "out = \"x\"\nspeed = 7\n");
    space.run(&["eval", "bad.toml"]).fails(3, &["bad.toml", "speed"]);
    space.write("bad.toml", STUDY.replace("bundled", "no/such/model"));
    space.run(&["eval", "bad.toml"]).fails(2, &["no/such/model"]);
    space.run(&["eval", "position-bias", "none.json"]).fails(2, &["none.json"]);
    space.run(&["eval", "position-bias", "set.jsonl"]).fails(3, &["set.jsonl", "SQuAD"]);
    space.run(&["eval", "reranking", "set.jsonl", "--system", "magic:x"]).fails(2, &["magic"]);
    space.run(&["eval", "reranking", "squad.json"]).fails(3, &["squad.json"]);
    space.write("parts/dev.json", SQUAD);
    space.run(&["eval", "reranking", "parts"]).fails(2, &["parts", ".parquet"]);
    space.run(&["eval", "position-bias", "parts", "--out", "whole"]).ok();
    space.write("empty/x.txt", "");
    space.run(&["eval", "position-bias", "empty"]).fails(2, &["corpus.jsonl"]);
}
