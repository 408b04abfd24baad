//! An index over time: compacted, copied, damaged, repaired, moved.

use crate::workspace::Workspace;
use serde_json::{Value, json};
use std::path::Path;

/// Adds documents `0..count` in commits of their own, then replaces and deletes some.
fn grown(count: usize) -> Workspace {
    let space = Workspace::indexed();
    for n in 0..count {
        let line = json!({"_id": format!("n{n}"), "text": format!("Note {n} tells of sails and of wind.")});
        space.run_with(&["add", "ix", "-"], &format!("{line}\n")).ok();
    }
    space.run(&["delete", "ix", "n0", "bees"]).ok();
    space
}

fn only(ran: crate::workspace::Ran) -> Value {
    let mut documents = ran.ok().documents();
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn answers(space: &Workspace, index: &str) -> Vec<(String, f64)> {
    let answer = only(space.run(&["search", index, "sails in the wind", "-k", "5", "--json"]));
    let hits = answer["hits"].as_array().unwrap().clone();
    hits.iter().map(|hit| (hit["id"].as_str().unwrap().to_owned(), hit["score"].as_f64().unwrap())).collect()
}

#[test]
fn compacting_changes_no_answer() {
    let space = grown(6);
    let (before, stats) = (answers(&space, "ix"), only(space.run(&["stats", "ix", "--json"])));
    assert!(stats["segments"].as_u64().unwrap() > 1);
    // The segment of one deleted document alone is gone already.
    assert_eq!(stats["deleted"], 1);
    let info = only(space.run(&["compact", "ix", "--full", "--json"]));
    assert_eq!((&info["segments"], &info["dropped"], &info["documents"]), (&json!(1), &json!(1), &json!(7)));
    let after = answers(&space, "ix");
    // The notes are nearly alike, and are codes now.
    let sorted = |hits: &[(String, f64)]| {
        let mut ids: Vec<String> = hits.iter().map(|hit| hit.0.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(sorted(&after), sorted(&before));
    for ((_, score), (_, now)) in before.iter().zip(&after) {
        assert!((score - now).abs() < 0.1 * score.abs().max(1.0), "{before:?}\n{after:?}");
    }
    // The manifest, the segment and the lock: nothing else is left.
    assert_eq!(space.files("ix").len(), 3);
    assert_eq!(only(space.run(&["compact", "ix", "--json"]))["merges"], 0);
    space.run(&["verify", "ix", "--full"]).ok();
}

#[test]
fn ids_to_delete_come_from_a_file() {
    let space = grown(3);
    space.write("gone.txt", "n1\nnobody\n\nmoon\n");
    let deleted = only(space.run(&["delete", "ix", "--from", "gone.txt", "--json"]));
    assert_eq!((&deleted["deleted"], &deleted["not_found"]), (&json!(2), &json!(["nobody"])));
}

#[test]
fn a_backup_is_an_index_and_never_overwrites_one() {
    let space = grown(3);
    let backup = only(space.run(&["backup", "ix", "copies/monday", "--json"]));
    assert_eq!((&backup["sound"], &backup["documents"]), (&json!(true), &json!(4)));
    assert_eq!(answers(&space, "copies/monday"), answers(&space, "ix"));
    space.run(&["backup", "ix", "copies/monday"]).fails(2, &["already holds an index"]);
    // It can be written to.
    space.run_with(&["add", "copies/monday", "-"], "{\"_id\": \"z\", \"text\": \"More.\"}\n").ok();
}

#[test]
fn repair_keeps_what_is_whole_and_lists_what_is_lost() {
    let space = grown(3);
    let whole = only(space.run(&["repair", "ix", "--json"]));
    assert_eq!((&whole["sound"], &whole["generation"]), (&json!(true), &Value::Null));
    // The newest segment loses its head.
    let newest = space
        .files("ix")
        .into_iter()
        .rfind(|path| path.extension().is_some_and(|extension| extension == "lts"))
        .unwrap();
    damage(&newest, 0);
    space.run(&["search", "ix", "tides"]).fails(3, &["segment-"]);
    let ran = space.run(&["repair", "ix", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let report = &ran.documents()[0];
    assert_eq!(report["sound"], false);
    assert_eq!(report["segments"][0]["lost_unnamed"], 1);
    space.run(&["verify", "ix", "--full"]).ok();
    let found = space.run(&["search", "ix", "tides of the sea", "-k", "1"]).ok();
    assert!(found.out.contains("moon"), "{}", found.out);
    let stats = only(space.run(&["stats", "ix", "--json"]));
    assert_eq!(stats["documents"], report["documents"]);
}

#[test]
fn repair_goes_back_to_the_last_manifest_that_can_be_read() {
    let space = grown(2);
    damage(&space.manifest("ix"), 70);
    space.run(&["stats", "ix"]).fails(3, &["manifest-"]);
    let ran = space.run(&["repair", "ix", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let report = &ran.documents()[0];
    assert!(report["repaired_generation"].as_u64() < report["newest_generation"].as_u64());
    space.run(&["verify", "ix", "--full"]).ok();
    space.run_with(&["add", "ix", "-"], "{\"_id\": \"z\", \"text\": \"More.\"}\n").ok();
}

fn damage(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0xff;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn documents_and_vectors_move_through_json_lines() {
    let space = grown(3);
    space.run(&["export", "ix", "--out", "ix.jsonl"]).ok();
    space.run(&["export", "ix", "--beir", "folder"]).ok();
    let piped = space.run(&["export", "ix"]).ok().out;
    assert_eq!(piped, std::fs::read_to_string(space.path("ix.jsonl")).unwrap());
    for (input, out) in [("ix.jsonl", "a"), ("folder", "b")] {
        let info = only(space.run(&["import", input, "--out", out, "--json"]));
        assert_eq!(info["added"], 4);
        let (expected, found) = (answers(&space, "ix"), answers(&space, out));
        for ((id, score), (other, now)) in expected.iter().zip(&found) {
            assert!(id == other && (score - now).abs() < 0.02 * score.abs().max(1.0));
        }
    }
    // What was written once is written again in the same way, but for what coding the vectors again costs.
    let again = space.run(&["export", "a"]).ok().out;
    assert_eq!(again.lines().count(), piped.lines().count());
    for (first, second) in piped.lines().zip(again.lines()) {
        assert_close(serde_json::from_str(first).unwrap(), serde_json::from_str(second).unwrap());
    }
    // Texts alone can be indexed like any other.
    space.run(&["export", "ix", "--beir", "texts", "--no-vectors"]).ok();
    space.run(&["index", "texts/corpus.jsonl", "--out", "c"]).ok();
}

/// All but token vectors is equal, and these point the same way.
fn assert_close(mut first: Value, mut second: Value) {
    let rows = |line: &mut Value| -> Vec<Vec<f64>> {
        let tokens = line.as_object_mut().unwrap().remove("tokens");
        tokens.map_or(Vec::new(), |tokens| serde_json::from_value(tokens).unwrap())
    };
    let (ours, theirs) = (rows(&mut first), rows(&mut second));
    assert_eq!(first, second);
    assert_eq!(ours.len(), theirs.len());
    for (a, b) in ours.iter().zip(&theirs) {
        let cosine: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
        assert!(cosine > 0.98, "{cosine}");
    }
}

#[test]
fn bad_lines_are_named() {
    let space = grown(1);
    space.run(&["export", "ix", "--out", "ix.jsonl"]).ok();
    let text = std::fs::read_to_string(space.path("ix.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    space.write(
        "cut.jsonl",
        format!("{}\n{}\n{{\"_id\": \"x\", \"tokens\": [[1, 2]]}}\n", lines[0], lines[1]),
    );
    space.run(&["import", "cut.jsonl", "--out", "d"]).fails(3, &["cut.jsonl, line 3", "2 dimensions"]);
    assert_eq!(only(space.run(&["stats", "d", "--json"]))["documents"], 1);
    space.write("none.jsonl", "{\"_id\": \"x\"}\n");
    space.run(&["import", "none.jsonl", "--out", "e"]).fails(2, &["holds no index"]);
}

#[test]
fn upgrading_the_newest_version_changes_nothing() {
    let space = grown(1);
    let before = space.files("ix");
    let info = only(space.run(&["upgrade", "ix", "--json"]));
    assert_eq!((&info["from"], &info["to"], &info["changed"]), (&json!(1), &json!(1), &json!(false)));
    assert_eq!(space.files("ix"), before);
    damage(&space.segment("ix"), 300);
    space.run(&["upgrade", "ix"]).fails(3, &["repair"]);
}

/// Notes of several years and languages.
fn dated() -> Workspace {
    let space = Workspace::new();
    let line = |n: usize| {
        let lang = if n.is_multiple_of(3) { "de" } else { "en" };
        json!({"_id": format!("n{n}"), "text": format!("Note {n} on sails."), "year": 2000 + n, "lang": lang})
    };
    let lines: Vec<String> = (0..12).map(|n| line(n).to_string()).collect();
    space.write("notes.jsonl", lines.join("\n"));
    space.run(&["index", "notes.jsonl", "--out", "ix"]).ok();
    space
}

#[test]
fn a_filter_chooses_hits_and_what_is_deleted() {
    let space = dated();
    let found = |filter: &str| {
        let answer = only(space.run(&["search", "ix", "sails", "-k", "50", "--json", "--filter", filter]));
        let hits = answer["hits"].as_array().unwrap().clone();
        let mut ids: Vec<String> = hits.iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(found("year >= 2006 and lang = 'de'"), ["n6", "n9"]);
    assert_eq!(found("id in ('n1', 'n2') or text like '%10 on%'"), ["n1", "n10", "n2"]);
    space.run(&["search", "ix", "sails", "--filter", "year ="]).fails(2, &["--filter", "byte 6", "a value"]);
    space.run(&["search", "ix", "sails", "--filter", "year > 3000"]).fails(1, &["nothing found"]);

    let listed = space.run(&["delete", "ix", "--filter", "year < 2002", "--dry-run"]).ok();
    assert_eq!(listed.out, "n0\nn1\n");
    assert_eq!(found("year < 2002").len(), 2, "nothing was deleted");
    let deleted =
        only(space.run(&["delete", "ix", "n0", "--filter", "year < 2002 or lang = 'de'", "--json"]));
    assert_eq!((&deleted["deleted"], &deleted["documents"]), (&json!(5), &json!(7)));
    space.run(&["search", "ix", "sails", "--filter", "year < 2002 or lang = 'de'"]).fails(1, &["nothing"]);
    assert_eq!(space.run(&["delete", "ix", "--filter", "lang = 'fr'"]).code, 1);
    space.run(&["verify", "ix", "--full"]).ok();
}

#[test]
fn words_are_found_alone_and_beside_meaning() {
    let space = Workspace::indexed();
    let line = json!({"_id": "part", "text": "Order the gasket XK-4471 for the older pump."});
    space.run_with(&["add", "ix", "-"], &format!("{line}\n")).ok();
    let words = only(space.run(&["search", "ix", "xk 4471 pumps", "--by", "words", "--json"]));
    assert_eq!((&words["hits"][0]["id"], &words["report"]["plan"]), (&json!("part"), &json!("words")));
    let both = only(space.run(&["search", "ix", "gasket 4471", "--by", "both", "-k", "2", "--json"]));
    assert_eq!((&both["hits"][0]["id"], &both["report"]["plan"]), (&json!("part"), &json!("hybrid")));
    let shown = space.run(&["search", "ix", "4471 pumps", "--by", "words"]).ok();
    assert!(shown.out.contains("[4471]") && shown.out.contains("[pump]"), "{}", shown.out);
    space.run(&["search", "ix", "x", "--by", "words", "--explain"]).fails(2, &["--by"]);
    space
        .run(&["index", "ix.jsonl", "--out", "other", "--no-store", "--words", "cjk"])
        .fails(2, &["--no-store"]);
    space.run(&["search", "ix", "zzzz", "--by", "words"]).fails(1, &["nothing found"]);

    space.run(&["export", "ix", "--out", "ix.jsonl"]).ok();
    space.run(&["import", "ix.jsonl", "--out", "again"]).ok();
    let again = only(space.run(&["search", "again", "xk 4471 pumps", "--by", "words", "--json"]));
    assert_eq!(again["hits"][0]["score"], words["hits"][0]["score"]);
    space.run(&["compact", "again", "--full"]).ok();
    let merged = only(space.run(&["search", "again", "xk 4471 pumps", "--by", "words", "--json"]));
    assert_eq!(merged["hits"][0]["score"], words["hits"][0]["score"]);

    space.write("plain.jsonl", "{\"_id\": \"a\", \"text\": \"A note on sails\"}\n");
    space.run(&["index", "plain.jsonl", "--out", "bare", "--words", "none"]).ok();
    space.run(&["search", "bare", "sails", "--by", "both"]).fails(2, &["words"]);
    space.run(&["index", "plain.jsonl", "--out", "bare", "--words", "english"]).fails(2, &["--words"]);
}
