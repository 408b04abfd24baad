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
    assert_eq!(negatives(&rows(Path::new(&out))[0]), [CORPUS[1].1, CORPUS[4].1]);
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

/// A base that is fine-tuned in a blink: letters are its words.
fn tiny() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encode/tiny")
}

impl Place {
    /// Twelve queries of letters with a positive of the same ones and negatives of others.
    fn letters(&self) -> String {
        let row = |at: u8| {
            let letter = |shift: u8| char::from(b'a' + (at * 2 + shift) % 26);
            let (a, b, c, d) = (letter(0), letter(1), letter(9), letter(14));
            serde_json::json!({"query": format!("{a} {b}"), "pos": [format!("{b} {a} {a} .")],
                "neg": [format!("{c} {d}"), format!("{d} {d} {c}")]})
        };
        let rows: String = (0..12).map(|at| format!("{}\n", row(at))).collect();
        std::fs::write(self.folder.path().join("letters.jsonl"), rows).unwrap();
        self.path("letters.jsonl")
    }

    /// The tiny base, without its head of two labels.
    fn headless(&self) -> String {
        let place = self.folder.path().join("headless");
        std::fs::create_dir_all(&place).unwrap();
        for name in ["config.json", "tokenizer.json"] {
            std::fs::copy(tiny().join(name), place.join(name)).unwrap();
        }
        let bytes = std::fs::read(tiny().join("model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let kept = tensors.tensors().into_iter().filter(|(name, _)| !name.starts_with("classifier"));
        safetensors::serialize_to_file(kept, None, &place.join("model.safetensors")).unwrap();
        self.path("headless")
    }
}

/// A static table of 12 columns for the tokens of `base`; the first row has no direction.
fn table(place: &Place, base: &str) -> String {
    use safetensors::tensor::{Dtype, TensorView};
    let folder = place.folder.path().join("table");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(Path::new(base).join("tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    std::fs::write(folder.join("config.json"), r#"{"model_type":"lateen-static","version":1,"dim":12}"#)
        .unwrap();
    let rows: Vec<u8> =
        (0..70 * 12).map(|at: usize| if at < 12 { 0 } else { (at * at * 31 % 251) as u8 }).collect();
    let view = TensorView::new(Dtype::I8, vec![70, 12], &rows).unwrap();
    safetensors::serialize_to_file([("embeddings", view)], None, &folder.join("model.safetensors")).unwrap();
    place.path("table")
}

#[test]
fn a_student_begins_as_a_table_and_takes_over_vectors_of_tokens() {
    let place = Place::new();
    let (letters, base, teacher) = (place.letters(), place.headless(), place.path("teacher"));
    let (table, begun, out) = (table(&place, &base), place.path("begun"), place.path("out"));
    let dim = ["--set", "model.dim=6"];
    let head = ["colbert", "--base", &base, "--train", &letters, "--output", &teacher];
    done(&[&head[..], &QUICK, &LENGTHS, &dim].concat());
    let refused = command(&["student", &table, "--heads", "5", "--out", &begun]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("num_attention_heads"));
    let shape = ["--layers", "1", "--heads", "2", "--inner", "24", "--max-tokens", "32"];
    let told = done(&[&["student", &table, "--out", &begun][..], &shape].concat());
    assert!(told.starts_with("70 tokens of 12 dimensions"), "{told}");
    let teacher = format!("{teacher}/onnx");
    let head =
        ["distil", "colbert", "--teacher", &teacher, "--base", &begun, "--train", &letters, "--output", &out];
    let more =
        ["--set", "loss.name=token_cosine", "--set", "training.epochs=25", "--set", "log.every_steps=1"];
    let rate = ["--set", "optimizer.learning_rate=1e-2"];
    let arguments = [&head[..], &QUICK, &LENGTHS, &dim, &more, &rate].concat();
    done(&arguments);
    let losses: Vec<f64> =
        rows(&Path::new(&out).join("log.jsonl")).iter().filter_map(|row| row["loss"].as_f64()).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..5]), mean(&losses[losses.len() - 5..]));
    assert!(last < 0.5 * first, "{first} to {last}");
    // What was killed in the middle of writing goes on behind the last text that all files have.
    let (whole, cut) = (Path::new(&out).join("teacher/tokens.bin"), place.path("cut"));
    let tokens = std::fs::read(&whole).unwrap();
    assert_eq!(tokens.len() % (4 + 2 * 6), 0);
    let texts = rows(&Path::new(&out).join("teacher/texts.jsonl")).len();
    std::fs::create_dir_all(Path::new(&cut).join("teacher")).unwrap();
    for name in ["texts.jsonl", "tokens.bin", "tokens.ends", "teachers.json"] {
        let from = Path::new(&out).join("teacher").join(name);
        let bytes = std::fs::read(from).unwrap();
        let kept = if name == "tokens.bin" { bytes.len() / 2 + 5 } else { bytes.len() };
        std::fs::write(Path::new(&cut).join("teacher").join(name), &bytes[..kept]).unwrap();
    }
    let again = command(&[&arguments[..9], &[&cut], &arguments[10..]].concat());
    let error = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.success() && error.contains(&format!("{texts} texts, ")), "{error}");
    assert!(!error.contains(&format!(" {texts} of them")) && !error.contains(" 0 of them"), "{error}");
    assert!(std::fs::read(Path::new(&cut).join("teacher/tokens.bin")).unwrap() == tokens);
    // A student of other dimensions cannot take them over.
    let wide = place.path("wide");
    let other = [&arguments[..9], &[&wide], &arguments[10..], &["--set", "model.dim=8"]].concat();
    let refused = command(&other);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the teacher has 6 dimensions, the student 8"));
}

const QUICK: [&str; 8] = [
    "--set",
    "training.epochs=1",
    "--set",
    "training.batch_size=4",
    "--set",
    "training.accumulate=1",
    "--set",
    "data.negatives=1",
];
const LENGTHS: [&str; 4] = ["--set", "model.query_max_tokens=8", "--set", "model.document_max_tokens=12"];

#[test]
fn judges_are_distilled_into_rerankers_and_late_interaction_models() {
    let place = Place::new();
    let (letters, base, teacher) = (place.letters(), place.headless(), bundled());
    let teacher = teacher.to_str().unwrap();
    for (kind, loss, lengths) in [
        ("reranker", "kl", &["--set", "model.max_tokens=20"][..]),
        ("reranker", "margin_mse", &["--set", "model.max_tokens=20"]),
        ("reranker", "bce", &["--set", "model.max_tokens=20"]),
        ("colbert", "kl", &LENGTHS),
    ] {
        let out = place.path(&format!("{kind}-{loss}"));
        let loss = format!("loss.name={loss}");
        let head =
            ["distil", kind, "--teacher", teacher, "--base", &base, "--train", &letters, "--output", &out];
        let dim: &[&str] =
            if kind == "colbert" { &["--set", "model.dim=6", "--set", "loss.code_bits=2"] } else { &[] };
        let arguments = [&head[..], &QUICK, lengths, dim, &["--set", &loss]].concat();
        let told = done(&arguments);
        assert!(told.starts_with("3 steps") || told.starts_with("9 steps"), "{told}");
        assert!(Path::new(&out).join("model/model.safetensors").exists());
        let scored = rows(&Path::new(&out).join("teacher/0.jsonl"));
        let scores = scored.iter().flat_map(|row| row["pos_scores"].as_array().unwrap());
        let unit = scores.map(|score| score.as_f64().unwrap()).all(|score| (0.0..=1.0).contains(&score));
        assert!(unit || loss != "loss.name=bce", "{scored:?}");
    }
    // Without a teacher the files must hold scores.
    let out = place.path("none");
    let head = ["distil", "colbert", "--base", &base, "--train", &letters, "--output", &out];
    let refused = command(&[&head[..], &QUICK, &LENGTHS].concat());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a teacher's scores"));
}

#[test]
fn two_encoders_are_distilled_into_one_and_asked_once() {
    let place = Place::new();
    let (letters, base, first) = (place.letters(), place.headless(), place.path("first"));
    let head = ["embedding", "--base", &base, "--train", &letters, "--output", &first];
    done(&[&head[..], &QUICK, &LENGTHS].concat());
    let (teacher, out) = (format!("{first}/onnx"), place.path("student"));
    let head = [
        "distil",
        "embedding",
        "--teacher",
        &teacher,
        "--teacher",
        &teacher,
        "--base",
        &base,
        "--train",
        &letters,
        "--output",
        &out,
        "--set",
        "model.mrl_dims=[6, 24]",
        "--set",
        "model.query_max_tokens=12",
    ];
    let arguments = [&head[..], &QUICK].concat();
    let told = done(&arguments);
    let texts = rows(&Path::new(&out).join("teacher/texts.jsonl")).len() as u64;
    assert!(texts > 20 && told.contains("steps"), "{told}");
    for teacher in ["0.f32", "1.f32"] {
        let file = Path::new(&out).join("teacher").join(teacher);
        assert_eq!(std::fs::metadata(file).unwrap().len(), texts * 12 * 4);
    }
    let dense: Value = serde_json::from_str(
        &std::fs::read_to_string(Path::new(&out).join("model/2_Dense/config.json")).unwrap(),
    )
    .unwrap();
    assert_eq!(dense["out_features"], 24);
    // What was killed in the middle of writing goes on behind the last text that all files have.
    let cut = Path::new(&out).join("teacher/1.f32");
    let whole = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2 + 7]).unwrap();
    std::fs::remove_dir_all(Path::new(&out).join("checkpoints")).unwrap();
    let again = command(&arguments);
    assert!(again.status.success());
    let error = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(error.contains(&format!("{texts} texts, {} of them", texts - texts / 2)), "{error}");
    assert!(std::fs::read(&cut).unwrap() == whole);
    let other = command(&[&["distil", "embedding", "--teacher", &teacher], &arguments[6..]].concat());
    assert!(String::from_utf8_lossy(&other.stderr).contains("other teachers"));
}

#[test]
fn a_language_models_preferences_become_training_data() {
    let place = Place::new();
    let model = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/causal");
    let (index, pairs, out) = (place.index(), place.path("pairs.jsonl"), place.path("preferred.jsonl"));
    let arguments = [
        "prefer",
        &pairs,
        "--index",
        &index,
        "--model",
        model.to_str().unwrap(),
        "--out",
        &out,
        "--depth",
        "3",
        "--max-tokens",
        "64",
        "--temperature",
        "0.1",
        "--prompt",
        "D : {passage} Q : {question} A :",
    ];
    let told = done(&arguments);
    assert!(told.starts_with("2 questions with 6 passages"), "{told}");
    assert!(told.contains("1 questions had no answer or fewer than two passages"), "{told}");
    for row in rows(Path::new(&out)) {
        let scores: Vec<f64> =
            row["scores"].as_array().unwrap().iter().map(|score| score.as_f64().unwrap()).collect();
        assert_eq!((scores.len(), texts(&row["pos"]).len()), (3, 3));
        assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-5 && scores[0] != scores[1], "{scores:?}");
    }
    let first = std::fs::read(&out).unwrap();
    let report: Value = serde_json::from_str(&done(&[&arguments[..], &["--json"]].concat())).unwrap();
    assert_eq!((report["asked"].as_u64(), report["passages"].as_u64()), (Some(0), Some(6)));
    assert_eq!(std::fs::read(&out).unwrap(), first);
    // The file trains a retriever by the divergence from these shares.
    let (base, trained) = (place.headless(), place.path("trained"));
    let head = ["embedding", "--base", &base, "--train", &out, "--output", &trained, "--set", "loss.name=kl"];
    let more = ["--set", "data.drop_last=false"];
    done(&[&head[..], &QUICK, &LENGTHS, &more].concat());
}

#[test]
fn a_checkpoint_is_pruned_and_trained() {
    let place = Place::new();
    let (letters, base, out) = (place.letters(), place.headless(), place.path("small"));
    let refused = command(&["prune", &base, "--out", &out]);
    assert_eq!(refused.status.code(), Some(2));
    let told = done(&["prune", &base, "--out", &out, "--train", &letters, "--layers", "1"]);
    assert!(told.contains("of 70 tokens") && told.contains("1 of 2 layers"), "{told}");
    let trained = place.path("trained");
    let head = ["embedding", "--base", &out, "--train", &letters, "--output", &trained];
    assert!(done(&[&head[..], &QUICK, &LENGTHS].concat()).contains("onnx"));
}
