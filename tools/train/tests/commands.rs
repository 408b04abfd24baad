//! The commands, as people start them.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use lateen::corpus::{ReadOptions, Source};
use lateen::encode::{Model, ModelOptions};
use lateen::retriever::{CreateOptions, Flow, Retriever, WriteOptions};
use serde_json::Value;

/// The late-interaction model that the repository carries.
fn bundled() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/lateen-static-en")
}

fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lateen-train")).args(arguments).output().unwrap()
}

fn done(arguments: &[&str]) -> String {
    let output = command(arguments);
    let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{arguments:?}: {out}{error}");
    out
}

fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// What all commands here are about.
struct Place {
    folder: tempfile::TempDir,
}

const CORPUS: [(&str, &str); 6] = [
    ("moon", "The Moon pulls the water of the oceans, and so makes the tides."),
    ("tides", "A table of tides for the harbour."),
    ("wind", "Wind fills the sails of ships."),
    ("bread", "Bread is baked of flour, water and yeast."),
    ("yeast", "Yeast makes dough rise."),
    ("sail", "Sails are sewn of strong cloth."),
];

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let corpus: String = CORPUS
            .iter()
            .map(|(id, text)| format!("{}\n", serde_json::json!({"_id": id, "text": text})))
            .collect();
        std::fs::write(folder.path().join("corpus.jsonl"), corpus).unwrap();
        let pairs =
            [("what makes the tides?", CORPUS[0].1), ("what makes dough rise?", CORPUS[4].1), ("?", "!")];
        let pairs: String =
            pairs.iter().map(|(q, d)| format!("{}\n", serde_json::json!({"query": q, "pos": [d]}))).collect();
        std::fs::write(folder.path().join("pairs.jsonl"), pairs).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// An index of the corpus with texts, words and token vectors.
    fn index(&self) -> String {
        let (place, model) =
            (self.path("index"), Arc::new(Model::load(&bundled(), &ModelOptions::default()).unwrap()));
        let retriever = Retriever::create(Path::new(&place), model, &CreateOptions::default()).unwrap();
        let mut writer = retriever.writer(&WriteOptions { tune: false, ..WriteOptions::default() }).unwrap();
        let source = Source::open(self.path("corpus.jsonl"), ReadOptions::default()).unwrap();
        writer.add_all(source, &mut |_| Flow::Continue).unwrap();
        writer.commit().unwrap();
        place
    }
}

#[test]
fn negatives_are_mined_by_vectors_by_words_and_by_both() {
    let place = Place::new();
    let (index, pairs, out) = (place.index(), place.path("pairs.jsonl"), place.path("mined.jsonl"));
    for by in ["vectors", "words", "both"] {
        let told = done(&[
            "mine",
            &pairs,
            "--index",
            &index,
            "--out",
            &out,
            "--by",
            by,
            "--negatives",
            "2",
            "--json",
        ]);
        let report: Value = serde_json::from_str(&told).unwrap();
        let mined = rows(Path::new(&out));
        assert_eq!(mined.len(), 3, "{by}");
        assert_eq!(report["records"], 3);
        for row in &mined[..2] {
            let negatives = texts(&row["neg"]);
            assert!(!negatives.contains(&texts(&row["pos"])[0]), "{by}: {row}");
        }
        // The third query has nothing to search for, and ends nothing.
        assert_eq!(report["without_hits"], 1, "{by}: {told}");
        // Words keep no margin unless one is asked for.
        assert!(by == "vectors" || report["fates"].get("suspect").is_none(), "{told}");
    }
    let negatives = |row: &Value| texts(&row["neg"]).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let told = done(&["mine", &pairs, "--index", &index, "--out", &out, "--by", "words"]);
    assert_eq!(negatives(&rows(Path::new(&out))[0]), [CORPUS[1].1]);
    assert!(told.contains("1 records found nothing in the index") && told.contains("positive"), "{told}");
}

#[test]
fn a_teacher_scores_each_pair_once() {
    let place = Place::new();
    let (pairs, out, teacher) = (place.path("pairs.jsonl"), place.path("scored.jsonl"), bundled());
    let teacher = teacher.to_str().unwrap();
    let missing = command(&["score", &pairs, "--teacher", &place.path("none"), "--out", &out]);
    assert!(!missing.status.success() && !Path::new(&format!("{out}.scores")).exists());
    let told = done(&["score", &pairs, "--teacher", teacher, "--out", &out]);
    assert!(told.starts_with("3 pairs, 3 of them scored now"), "{told}");
    assert!(rows(Path::new(&out)).iter().all(|row| row["pos_scores"][0].is_number()));
    let again = done(&["score", &pairs, "--teacher", teacher, "--out", &out]);
    assert!(again.starts_with("3 pairs, 0 of them scored now"), "{again}");
}
