//! Holds `docs/json.md`: what the commands write has the fields, and the types, of the examples there.

use crate::workspace::{Ran, Workspace};
use serde_json::Value;
use std::collections::BTreeMap;

/// Objects whose keys are the user's or a matter of choice.
const OPEN: &[&str] = &["metadata", "metrics", "build", "loss", "exact_metrics", "effort", "all"];

/// Fields that are there only if they were asked for.
const OPTIONAL: &[&str] = &["way", "standings"];

/// The examples of the page, by kind.
fn examples() -> BTreeMap<String, Value> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/json.md")).unwrap();
    let blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let parsed =
        blocks.map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}")));
    parsed.map(|value: Value| (value["kind"].as_str().unwrap().to_owned(), value)).collect()
}

/// Says where `found` differs in shape from `example`.
fn differences(path: &str, example: &Value, found: &Value, out: &mut Vec<String>) {
    match (example, found) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(expected), Value::Object(object)) => {
            let asked_for = |key: &&String| OPTIONAL.contains(&key.as_str());
            for key in expected.keys().filter(|key| !object.contains_key(*key) && !asked_for(key)) {
                out.push(format!("{path}.{key} is not written"));
            }
            for (key, value) in object {
                match expected.get(key) {
                    None => out.push(format!("{path}.{key} is not documented")),
                    Some(_) if OPEN.contains(&key.as_str()) => {}
                    Some(example) => differences(&format!("{path}.{key}"), example, value, out),
                }
            }
        }
        (Value::Array(expected), Value::Array(values)) => {
            if let Some(example) = expected.first() {
                values.iter().for_each(|value| differences(&format!("{path}[]"), example, value, out));
            }
        }
        (example, found) if std::mem::discriminant(example) == std::mem::discriminant(found) => {}
        (example, found) => out.push(format!("{path} is {found}, documented as {example}")),
    }
}

#[track_caller]
fn check(ran: &Ran, kind: &str) {
    let example = examples().remove(kind).unwrap_or_else(|| panic!("docs/json.md has no example of {kind}"));
    let documents = ran.documents();
    assert!(!documents.is_empty(), "nothing was written: {}", ran.err);
    for document in documents {
        assert_eq!((&document["v"], &document["kind"]), (&1.into(), &kind.into()));
        let mut found = Vec::new();
        differences(kind, &example, &document, &mut found);
        assert!(found.is_empty(), "{found:#?}\nin {document}");
    }
}

#[test]
fn documents_are_as_documented() {
    let space = Workspace::indexed();
    check(&space.run(&["index", "docs.jsonl", "--out", "other", "--json"]), "write");
    check(&space.run(&["add", "ix", "docs.jsonl", "--json"]), "write");
    check(&space.run(&["search", "ix", "tides", "--json"]), "answer");
    check(&space.run(&["search", "ix", "tides", "-k1", "--explain", "--why", "bread", "--json"]), "answer");
    check(&space.run(&["search", "ix", "tides", "--format", "jsonl"]), "hit");
    check(&space.run(&["stats", "ix", "--json"]), "stats");
    check(&space.run(&["inspect", "ix", "--json"]), "inspect");
    check(&space.run(&["advise", "ix", "--json"]), "advice");
    check(&space.run(&["tune", "ix", "--json"]), "tuned");
    check(&space.run(&["inspect", "ix", "--json"]), "inspect");
    check(&space.run(&["verify", "ix", "--json"]), "verify");
    check(&space.run(&["encode", "tides", "--json"]), "vectors");
    check(&space.run(&["model", "inspect", "bundled", "--json"]), "model");
    check(&space.run(&["runtime", "status", "--json"]), "runtimes");
    check(&space.run(&["delete", "ix", "moon", "--json"]), "delete");
    check(&space.run(&["stats", "ix", "--json"]), "stats");
    check(&space.run(&["compact", "ix", "--json"]), "compact");
    check(&space.run(&["backup", "ix", "copy", "--json"]), "backup");
    check(&space.run(&["repair", "ix", "--json"]), "repair");
    check(&space.run(&["export", "ix", "--out", "ix.jsonl", "--json"]), "export");
    check(&space.run(&["import", "ix.jsonl", "--out", "again", "--json"]), "import");
    check(&space.run(&["upgrade", "ix", "--json"]), "upgrade");
    check(&space.run(&["stats", "nowhere", "--json"]), "error");
    space.write("qrels", "q 0 a 1\n");
    space.write("run", "q Q0 a 1 0.9 x\n");
    check(&space.run(&["eval", "--run-file", "run", "--qrels", "qrels", "--json"]), "eval");
    let study = crate::study::space();
    check(&study.run(&["eval", "study.toml", "--json"]), "comparison");
    check(&study.run(&["eval", "position-bias", "squad.json", "--json"]), "comparison");
    check(&study.run(&["eval", "reranking", "set.jsonl", "--json"]), "reranking");
}

#[test]
fn undocumented_and_missing_fields_are_found() {
    let (mut out, example) = (Vec::new(), serde_json::json!({"a": 1, "b": [{"c": "x"}]}));
    differences("k", &example, &serde_json::json!({"a": "1", "b": [{"d": 1}]}), &mut out);
    out.sort();
    let expected = ["k.a is \"1\", documented as 1", "k.b[].c is not written", "k.b[].d is not documented"];
    assert_eq!(out, expected);
}
