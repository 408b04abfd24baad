//! `lateen eval` on a collection whose metrics are known.

use crate::workspace::{DOCUMENTS, Workspace};

fn collection() -> Workspace {
    let space = Workspace::new();
    space.write("beir/corpus.jsonl", DOCUMENTS);
    space.write("beir/queries.jsonl", "{\"_id\": \"q1\", \"text\": \"tides of the sea\"}\n{\"_id\": \"q2\", \"text\": \"yeast in dough\"}\n{\"_id\": \"q3\", \"text\": \"unjudged\"}\n");
    space.write("beir/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\tmoon\t1\nq2\tbread\t1\n");
    space
}

#[test]
fn an_index_and_bm25_are_measured() {
    let space = collection();
    for system in ["lateen", "bm25"] {
        let told = space.run(&["eval", "beir", "--system", system, "--json"]).ok().documents();
        assert_eq!(
            (&told[0]["queries"], &told[0]["metrics"]["ndcg@10"]),
            (&2.into(), &1.0.into()),
            "{}",
            told[0]
        );
        assert!(told[0]["latency"]["p95_ms"].is_number());
    }
    space.run(&["index", "beir", "--out", "ix"]).ok();
    let told = space.run(&["eval", "beir", "--index", "ix", "--exact", "--run", "run.trec"]).ok();
    assert!(told.out.contains("ndcg@10      1.0000") && told.out.contains("p99"), "{}", told.out);
    let run = space.run(&[
        "eval",
        "--run-file",
        "run.trec",
        "--qrels",
        "beir/qrels/test.tsv",
        "--metric",
        "mrr@10",
        "--json",
    ]);
    assert_eq!(run.ok().documents()[0]["metrics"], serde_json::json!({"mrr@10": 1.0}));
}

#[test]
fn known_runs_have_known_values() {
    let space = Workspace::new();
    space.write("qrels", "q 0 a 1\nq 0 b 2\n");
    space.write("run", "q Q0 a 1 0.9 x\nq Q0 c 2 0.8 x\nq Q0 b 3 0.7 x\n");
    let told = space
        .run(&["eval", "--run-file", "run", "--qrels", "qrels", "--metric", "ndcg@10", "--json"])
        .ok()
        .documents();
    let ndcg = told[0]["metrics"]["ndcg@10"].as_f64().unwrap();
    assert!((ndcg - 0.76019).abs() < 1e-5, "{ndcg}");
}

#[test]
fn what_cannot_be_measured_is_said() {
    let space = collection();
    space.run(&["eval", "nowhere"]).fails(2, &["nowhere"]);
    space.run(&["eval", "beir", "--split", "dev"]).fails(2, &["dev", "test"]);
    space.run(&["eval", "beir", "--metric", "bleu@4"]).fails(2, &["bleu"]);
    space.run(&["eval", "beir", "--system", "bm25", "--exact"]).fails(2, &["bm25"]);
    space.write("run", "q Q0 a 1 0.9 x\n");
    space.run(&["eval", "--run-file", "run"]).fails(2, &["--qrels"]);
    space.write("qrels", "q 0 a one\n");
    space.run(&["eval", "--run-file", "run", "--qrels", "qrels"]).fails(3, &["qrels:1"]);
}
