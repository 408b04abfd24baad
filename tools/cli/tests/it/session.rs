//! What people do with an index, start to end.

use crate::workspace::{DOCUMENTS, Workspace};

#[test]
fn index_search_add_delete_verify() {
    let space = Workspace::indexed();
    let found = space.run(&["search", "ix", "why", "does", "dough", "rise", "-k", "1"]).ok();
    assert!(found.out.contains("bread") && found.out.contains("[dough]"), "{}", found.out);
    assert!(!found.out.contains('\x1b'), "{}", found.out);

    space.write("more.jsonl", "{\"_id\": \"bread\", \"text\": \"Rye bread is dense.\"}\n{\"_id\": \"sky\", \"text\": \"Blue light scatters most.\"}\n");
    let added = space.run(&["add", "ix", "more.jsonl", "--json"]).ok().documents();
    assert_eq!(
        (&added[0]["added"], &added[0]["updated"], &added[0]["documents"]),
        (&1.into(), &1.into(), &4.into())
    );

    let deleted = space.run(&["delete", "ix", "moon", "nobody", "--json"]).ok().documents();
    assert_eq!((&deleted[0]["deleted"], &deleted[0]["not_found"][0]), (&1.into(), &"nobody".into()));
    let gone = space.run(&["search", "ix", "tides", "of", "the", "moon", "--format", "trec"]).ok();
    assert!(!gone.out.contains(" moon "), "{}", gone.out);
    assert_eq!(space.run(&["delete", "ix", "moon"]).code, 1);

    let verified = space.run(&["verify", "ix", "--full", "--json"]).ok().documents();
    assert_eq!((&verified[0]["sound"], &verified[0]["findings"]), (&true.into(), &serde_json::json!([])));
    let stats = space.run(&["stats", "ix", "--json"]).ok().documents();
    assert_eq!(stats[0]["documents"], 3);
    let inspected = space.run(&["inspect", "ix", "--json"]).ok().documents();
    assert_eq!(inspected[0]["settings"]["token_storage"], "4-bit codes");
    assert_eq!(inspected[0]["model"]["location"], "nano");
    for command in ["stats", "inspect", "verify"] {
        assert!(!space.run(&[command, "ix"]).ok().out.is_empty());
    }
}

#[test]
fn indexing_again_changes_nothing() {
    let space = Workspace::indexed();
    let before = space.files("ix");
    let again = space.run(&["index", "docs.jsonl", "--out", "ix", "--json"]).ok().documents();
    assert_eq!(
        (&again[0]["unchanged"], &again[0]["added"], &again[0]["tokens"]),
        (&3.into(), &0.into(), &0.into())
    );
    assert_eq!(space.files("ix"), before);
}

#[test]
fn searching_writes_nothing() {
    let space = Workspace::indexed();
    let before = space.files("ix");
    space.run(&["search", "ix", "tides"]).ok();
    space.run(&["stats", "ix"]).ok();
    assert_eq!(space.files("ix"), before);
}

#[test]
fn every_kind_of_input_is_read() {
    let space = Workspace::new();
    space.write("notes/a.md", "# Tides\n\nThe moon pulls the sea.\n");
    space.write("notes/sub/b.txt", "Bread rises in the oven.\n");
    space.write("table.tsv", "id\ttitle\ttext\n1\tTides\tThe moon pulls the sea.\n");
    for input in ["notes", "table.tsv"] {
        let out = format!("{input}.lateen");
        space.run(&["index", input, "--out", &out]).ok();
        assert!(space.run(&["search", &out, "moon", "-k", "1"]).ok().out.contains("[moon]"));
    }
    let piped = space.run_with(&["index", "-", "--out", "piped"], DOCUMENTS).ok();
    assert!(piped.err.contains("3 documents"), "{}", piped.err);
    assert_eq!(piped.out, "");
}

#[test]
fn many_queries_make_a_run() {
    let space = Workspace::indexed();
    space.write("queries.tsv", "q1\twhat raises tides?\nq2\twhy does dough rise?\n");
    let run = space
        .run(&["search", "ix", "--queries", "queries.tsv", "-k", "2", "--format", "trec", "--tag", "me"])
        .ok();
    let rows: Vec<Vec<&str>> = run.out.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!((&rows[0][..4], rows[0][5]), (&["q1", "Q0", "moon", "1"][..], "me"));
    assert_eq!(&rows[2][..4], ["q2", "Q0", "bread", "1"]);
    let lines = space
        .run(&["search", "ix", "--queries", "queries.tsv", "-k", "2", "--format", "jsonl"])
        .ok()
        .documents();
    assert!(lines.iter().all(|line| line["v"] == 1 && line["kind"] == "hit"));
    assert_eq!(lines[0]["query_id"], "q1");
}

#[test]
fn plans_and_kernels_can_be_demanded() {
    let space = Workspace::indexed();
    let plans = [("exact", "exact-codes"), ("two-stage", "two-stage")];
    for (plan, name) in plans {
        let answer = space
            .run(&["search", "ix", "tides", "--plan", plan, "--kernel", "scalar", "--json"])
            .ok()
            .documents();
        assert_eq!(
            (&answer[0]["report"]["plan"], &answer[0]["report"]["kernel"]),
            (&name.into(), &"scalar".into())
        );
        assert_eq!(answer[0]["hits"][0]["id"], "moon");
    }
    space.run(&["search", "ix", "tides", "--kernel", "abacus"]).fails(2, &["abacus"]);
}

#[test]
fn explanations_sum_to_the_score() {
    let space = Workspace::indexed();
    let answer = space.run(&["search", "ix", "tides of the sea", "-k", "1", "--json"]).ok().documents();
    let hit = &answer[0]["hits"][0];
    let sum: f64 =
        hit["matches"].as_array().unwrap().iter().map(|row| row["contribution"].as_f64().unwrap()).sum();
    assert!((sum - hit["score"].as_f64().unwrap()).abs() < 1e-3, "{hit}");
    let text = space.run(&["search", "ix", "tides of the sea", "-k", "1", "--explain"]).ok();
    assert!(text.out.contains("tides → tides"), "{}", text.out);
}

#[test]
fn terminals_are_safe_from_documents_unless_asked() {
    let space = Workspace::new();
    space.write("docs.jsonl", "{\"_id\": \"x\", \"text\": \"red \\u001b[31malarm\\u0007 bell\"}\n");
    space.run(&["index", "docs.jsonl", "--out", "ix"]).ok();
    let safe = space.run(&["search", "ix", "alarm", "--color", "always"]).ok();
    assert!(safe.out.contains("\x1b[1m") && !safe.out.contains("\x1b[31m") && !safe.out.contains('\x07'));
    let raw = space.run(&["search", "ix", "alarm", "--color", "always", "--raw"]).ok();
    assert!(raw.out.contains("\x1b[31m"), "{:?}", raw.out);
}

#[test]
fn colours_come_only_when_wanted() {
    let space = Workspace::indexed();
    let colored = space.run(&["search", "ix", "tides", "--color", "always"]).ok();
    assert!(colored.out.contains('\x1b') && !colored.out.contains("[tides]"));
    let output = space.command().args(["search", "ix", "tides"]).env("NO_COLOR", "1").output().unwrap();
    assert!(!output.stdout.contains(&0x1b));
}

#[test]
fn quiet_is_quiet_and_verbose_tells_stages() {
    let space = Workspace::indexed();
    assert_eq!(space.run(&["index", "docs.jsonl", "--out", "ix", "-q"]).ok().err, "");
    let told = space.run(&["search", "ix", "tides", "-v"]).ok();
    for word in ["plan: ", "encode", "fetch", " ms"] {
        assert!(told.err.contains(word), "{word} is not in {}", told.err);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let space = Workspace::indexed();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("lateen"))
        .current_dir(space.path("."))
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn help_names_the_exit_codes() {
    let space = Workspace::new();
    let help = space.run(&["--help"]).ok();
    for line in ["Exit codes:", "130  interrupted", "4  the index is locked"] {
        assert!(help.out.contains(line), "{}", help.out);
    }
    for command in [
        "index",
        "add",
        "delete",
        "search",
        "rerank",
        "calibrate",
        "stats",
        "inspect",
        "verify",
        "eval",
        "encode",
        "model",
        "runtime",
        "completions",
    ] {
        assert!(help.out.contains(&format!("  {command} ")), "{command}");
        let own = space.run(&[command, "--help"]).ok();
        assert!(own.out.contains("Usage: lateen"), "{}", own.out);
    }
    assert!(space.run(&["completions", "bash"]).ok().out.contains("lateen"));
    assert!(space.run(&["--version"]).ok().out.starts_with("lateen "));
}

#[test]
fn vectors_are_written_for_machines() {
    let space = Workspace::new();
    let lines = space.run(&["encode", "ebb and flow", "the sea"]).ok().documents();
    assert_eq!(lines.len(), 2);
    let dim = lines[0]["dim"].as_u64().unwrap() as usize;
    let rows = lines[0]["tokens"].as_array().unwrap();
    assert_eq!(
        (rows[0].as_array().unwrap().len(), rows.len()),
        (dim, lines[0]["token_ids"].as_array().unwrap().len())
    );
    space.write("texts.txt", "ebb and flow\nthe sea\n");
    space.run(&["encode", "--from", "texts.txt", "--out", "v.npy"]).ok();
    let bytes = std::fs::read(space.path("v.npy")).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY"));
    let rows: usize = lines.iter().map(|line| line["tokens"].as_array().unwrap().len()).sum();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!(bytes.len(), header + rows * dim * 4);
    assert!(space.path("v.lengths.npy").is_file());
    space.run(&["encode", "x", "--out", "v.txt"]).fails(2, &[".npy"]);
}

#[test]
fn the_bundled_model_is_shown() {
    let space = Workspace::new();
    let shown = space.run(&["model", "inspect", "bundled", "--json"]).ok().documents();
    assert_eq!((&shown[0]["kind"], &shown[0]["runtime"]), (&"model".into(), &"native".into()));
}
