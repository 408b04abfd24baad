//! Everything a user can get wrong: the message and the exit code.

use crate::models::{Model, write_model};
use crate::workspace::{DOCUMENTS, Workspace};

#[test]
fn missing_files() {
    let space = Workspace::indexed();
    space.run(&["index", "nowhere.jsonl", "--out", "new"]).fails(2, &["nowhere.jsonl", "cannot open"]);
    assert!(!space.path("new").exists(), "a mistyped input left an index behind");
    space.run(&["search", "nowhere", "tides"]).fails(2, &["nowhere"]);
    space.run(&["add", "nowhere", "docs.jsonl"]).fails(2, &["nowhere"]);
    space.run(&["verify", "nowhere"]).fails(2, &["nowhere"]);
    space.run(&["search", "ix", "--queries", "none.tsv"]).fails(2, &["none.tsv"]);
    space.run(&["delete", "ix", "--from", "none.txt"]).fails(2, &["none.txt"]);
    space.run(&["index", "docs.jsonl", "--out", "new", "--model", "none"]).fails(2, &["none"]);
    space.run(&["model", "convert", "none", "target"]).fails(2, &["none"]);
}

#[test]
fn broken_json_names_the_line_and_keeps_what_came_before() {
    let space = Workspace::new();
    let broken = format!("{DOCUMENTS}{{\"_id\": \"x\", \"text\": \n");
    space.write("docs.jsonl", broken);
    space
        .run(&["index", "docs.jsonl", "--out", "ix"])
        .fails(3, &["docs.jsonl:4", "JSON", "3 documents committed"]);
    let kept = space.run(&["stats", "ix", "--json"]).ok().documents();
    assert_eq!(kept[0]["documents"], 3);
    let skipped = space.run(&["index", "docs.jsonl", "--out", "ix", "--skip-bad", "--json"]).ok();
    assert_eq!(
        (&skipped.documents()[0]["skipped"], &skipped.documents()[0]["unchanged"]),
        (&1.into(), &3.into())
    );
    assert!(skipped.err.contains("left out: docs.jsonl:4"), "{}", skipped.err);
    space.write("first.jsonl", "[]\n");
    space.run(&["index", "first.jsonl", "--out", "other"]).fails(3, &["first.jsonl:1"]);
    assert!(!space.path("other").exists());
}

#[test]
fn empty_input() {
    let space = Workspace::indexed();
    space.write("empty.jsonl", "");
    space.run(&["index", "empty.jsonl", "--out", "new"]).fails(3, &["empty.jsonl", "no document"]);
    assert!(!space.path("new").exists());
    for query in ["", "   "] {
        space.run(&["search", "ix", query]).fails(2, &["query", "empty"]);
    }
    space.run(&["search", "ix"]).fails(2, &["QUERY"]);
    space.run_with(&["delete", "ix", "--from", "-"], "\n\n").fails(2, &["no ids"]);
}

#[test]
fn a_model_of_another_shape() {
    let space = Workspace::indexed();
    write_model(&space, "other", Model::Sound);
    space.run(&["search", "ix", "tides", "--model", "other"]).fails(2, &["lateen-nano-en", "fingerprint"]);
    space.run(&["add", "ix", "docs.jsonl", "--model", "other"]).fails(2, &["fingerprint"]);
    space.run(&["index", "docs.jsonl", "--out", "ix", "--model", "other"]).fails(2, &["fingerprint"]);
    write_model(&space, "narrow", Model::WrongDimension);
    space
        .run(&["index", "docs.jsonl", "--out", "new", "--model", "narrow"])
        .fails(3, &["narrow", "embeddings"]);
    write_model(&space, "nan", Model::NotANumber);
    space.run(&["index", "docs.jsonl", "--out", "new", "--model", "nan"]).fails(3, &["nan", "not finite"]);
    assert!(!space.path("new").exists());
}

#[test]
fn settings_of_an_index_hold() {
    let space = Workspace::indexed();
    space.run(&["index", "docs.jsonl", "--out", "ix", "--bits", "2"]).fails(2, &["--bits", "--out"]);
    space.run(&["index", "docs.jsonl", "--out", "new", "--bits", "3"]).fails(2, &["--bits", "4"]);
    space.run(&["index", "docs.jsonl", "--out", "docs.jsonl"]).fails(2, &["docs.jsonl is a file"]);
    space.write("photos/a.png", "not an index");
    space.run(&["index", "docs.jsonl", "--out", "photos"]).fails(2, &["photos", "a.png"]);
    space
        .run(&["index", "docs.jsonl", "--out", "new", "--memory-budget", "lots"])
        .fails(2, &["lots", "512M"]);
    space.run(&["index", "-", "-", "--out", "new"]).fails(2, &["twice"]);
}

#[test]
fn a_damaged_index_is_found_out() {
    let space = Workspace::indexed();
    let segment = space.segment("ix");
    let sound = std::fs::read(&segment).unwrap();
    // The codes lie in the middle; a search must read them.
    let mut bytes = sound.clone();
    bytes[900] ^= 0x10;
    std::fs::write(&segment, &bytes).unwrap();
    let verified = space.run(&["verify", "ix", "--full"]);
    assert_eq!(verified.code, 1, "{}", verified.err);
    assert!(verified.out.contains("damaged") && verified.out.contains("checksum"), "{}", verified.out);
    space.run(&["search", "ix", "tides"]).fails(3, &["checksum"]);
    std::fs::write(&segment, &sound[..sound.len() / 2]).unwrap();
    space.run(&["search", "ix", "tides"]).fails(3, &["segment-"]);
    std::fs::write(&segment, &sound).unwrap();
    space.run(&["verify", "ix", "--full"]).ok();
    std::fs::write(space.manifest("ix"), b"nothing of the kind").unwrap();
    space.run(&["search", "ix", "tides"]).fails(3, &["manifest-"]);
    space.run(&["verify", "ix"]).fails(3, &["manifest-"]);
}

#[test]
fn an_index_of_another_version() {
    let space = Workspace::indexed();
    let manifest = space.manifest("ix");
    let mut bytes = std::fs::read(&manifest).unwrap();
    // The version stands behind the eight bytes of the magic number; the head ends with its own checksum.
    bytes[8..10].copy_from_slice(&999u16.to_le_bytes());
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes[..56]);
    bytes[56..64].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(&manifest, bytes).unwrap();
    space.run(&["search", "ix", "tides"]).fails(3, &["999", "newer"]);
}

#[test]
fn a_locked_index() {
    let space = Workspace::indexed();
    let lock = std::fs::OpenOptions::new().read(true).write(true).open(space.path("ix/lock")).unwrap();
    lock.lock().unwrap();
    space.run(&["add", "ix", "docs.jsonl"]).fails(4, &["another writer", "lock"]);
    space.run(&["delete", "ix", "moon"]).fails(4, &["another writer"]);
    let locked = space.run(&["delete", "ix", "moon", "--json"]);
    assert_eq!(locked.documents()[0]["code"], 4);
    space.run(&["search", "ix", "tides"]).ok();
    drop(lock);
    space.run(&["delete", "ix", "moon"]).ok();
}

#[test]
fn onnx_runtime_that_is_not_there() {
    let space = Workspace::new();
    let status = space.run(&["runtime", "status", "--onnxruntime", "nowhere.so"]);
    assert_eq!(status.code, 1, "{}", status.err);
    assert!(
        status.out.contains("nowhere.so") && status.out.contains("lateen runtime install"),
        "{}",
        status.out
    );
    let install = space.run(&["runtime", "install", "--python", "no-such-python"]);
    install.fails(3, &["pip"]);
    space.write("fake.whl", "no wheel");
    space.run(&["runtime", "install", "--wheel", "fake.whl"]).fails(3, &["fake.whl", "sha256"]);
}

#[test]
fn nothing_to_rerank() {
    let space = Workspace::new();
    let arguments = ["rerank", "--model", "none"];
    space.run_with(&arguments, "").fails(3, &["standard input", "--format jsonl"]);
    space.run_with(&arguments, "{\"v\":1}\n").fails(3, &["standard input:1", "query"]);
    let hit = "{\"v\":1,\"kind\":\"hit\",\"query\":\"q\",\"query_id\":null,\"id\":\"a\",\"score\":1,\"text\":\"t\"}\n";
    space.run_with(&arguments, hit).fails(2, &["none"]);
    space.write("docs.jsonl", DOCUMENTS);
    space.run(&["rerank", "--model", "none", "--documents", "docs.jsonl"]).fails(2, &["--query"]);
}
