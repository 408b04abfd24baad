//! `lateen tune`, `--recall`, `lateen advise` and `lateen eval --against exact`.

use crate::workspace::{DOCUMENTS, Workspace};

#[test]
fn an_index_is_tuned_and_shows_it() {
    let space = Workspace::indexed();
    let stats = space.run(&["stats", "ix", "--json"]).ok().documents();
    assert_eq!(stats[0]["tuning"], "not needed");
    let told = space.run(&["tune", "ix", "--recall", "0.8", "-k", "2", "--json"]).ok().documents();
    assert_eq!((&told[0]["kind"], &told[0]["tuning"]["source"]), (&"tuned".into(), &"sampled".into()));
    space.write("queries.tsv", "q1\ttides of the sea\nq2\tyeast in dough\n");
    let told = space.run(&["tune", "ix", "--queries", "queries.tsv"]).ok();
    assert!(told.out.contains("2 queries (given), 3 documents"), "{}", told.out);
    let inspected = space.run(&["inspect", "ix", "--json"]).ok().documents();
    assert_eq!((&inspected[0]["tuning"]["queries"], &inspected[0]["generation"]), (&2.into(), &4.into()));
    let searched = space.run(&["search", "ix", "tides", "--recall", "0.9", "--json"]).ok().documents();
    assert_eq!(searched[0]["hits"][0]["id"], "moon");
    assert!(searched[0]["report"]["recall"].is_string());
    let exact = space.run(&["search", "ix", "tides", "--recall", "exact", "--json"]).ok().documents();
    assert_eq!(exact[0]["report"]["recall"], "every document is scored");
}

#[test]
fn what_cannot_be_reached_is_said() {
    let space = Workspace::indexed();
    space.run(&["search", "ix", "tides", "--recall", "1.5"]).fails(2, &["1.5", "recall"]);
    space.run(&["search", "ix", "tides", "--recall", "0.9", "--nprobe", "3"]).fails(2, &["--nprobe"]);
    space.run(&["tune", "ix", "--recall", "exact"]).fails(2, &["exact"]);
    space.run(&["tune", "nowhere"]).fails(2, &["nowhere"]);
    space.run(&["tune", "ix", "--queries", "nowhere"]).fails(2, &["nowhere"]);
    space.run(&["index", "docs.jsonl", "--out", "raw", "--bits", "16"]).ok();
    space.run(&["tune", "raw"]).fails(2, &["f16"]);
}

#[test]
fn a_plan_is_measured_against_exact_scores() {
    let space = Workspace::new();
    space.write("beir/corpus.jsonl", DOCUMENTS);
    space.write("beir/queries.jsonl", "{\"_id\": \"q1\", \"text\": \"tides of the sea\"}\n{\"_id\": \"q2\", \"text\": \"yeast in dough\"}\n");
    space.write("beir/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\tmoon\t1\nq2\tbread\t1\n");
    let told = space.run(&["eval", "beir", "--against", "exact", "-k", "2", "--json"]).ok();
    let against = &told.documents()[0]["against"];
    assert_eq!(against["k"], 2);
    assert_eq!(against["recall"]["mean"], 1.0);
    assert_eq!(against["loss"]["ndcg@10"], serde_json::json!({"mean": 0.0, "lower": 0.0, "upper": 0.0}));
    assert!(against["exact_search"]["p95_ms"].is_number());
    let told = space.run(&["eval", "beir", "--against", "exact", "--recall", "0.9"]).ok();
    assert!(told.out.contains("against the exact plan") && told.out.contains("recall@100"), "{}", told.out);
    space.run(&["eval", "beir", "--against", "exact", "--exact"]).fails(2, &["--exact"]);
    space.run(&["eval", "beir", "--against", "exact", "--plan", "exact"]).fails(2, &["--against"]);
    space.run(&["eval", "beir", "--against", "exact", "--system", "bm25"]).fails(2, &["bm25"]);
}

#[test]
fn advice_is_given_and_how_to_follow_it() {
    let space = Workspace::indexed();
    let told = space.run(&["advise", "ix", "--pool", "1", "--dim", "32", "--keep", "0.1"]).ok();
    for words in
        ["1-bit codes", "ternary codes", "4-bit codes", "f16", "lateen index --bits", "model convert --dim"]
    {
        assert!(told.out.contains(words), "{words:?} is not in: {}", told.out);
    }
    space.run(&["advise", "nowhere"]).fails(2, &["nowhere"]);
    space.run(&["advise", "ix", "--pool", "0"]).fails(2, &["--pool"]);
}
