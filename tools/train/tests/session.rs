//! Whole runs: settings and files in, a model out that Lateen loads.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use lateen::encode::{Model as Encoder, ModelKind, ModelOptions};
use lateen_train::config::{RunConfig, Settings, Task};
use lateen_train::run::{End, Report, RunError, fine_tune};

fn base() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encode/tiny")
}

/// The same model without its classifier.
fn headless(folder: &Path) -> PathBuf {
    let place = folder.join("headless");
    std::fs::create_dir_all(&place).unwrap();
    for entry in std::fs::read_dir(base()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, place.join(path.file_name().unwrap())).unwrap();
        }
    }
    let bytes = std::fs::read(base().join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let kept = tensors.tensors().into_iter().filter(|(name, _)| !name.starts_with("classifier"));
    safetensors::serialize_to_file(kept, None, &place.join("model.safetensors")).unwrap();
    place
}

/// Twelve queries of letters: the positive has the same ones, the negative others.
fn triplets(folder: &Path) -> PathBuf {
    let mut rows = String::new();
    for at in 0..12_u8 {
        let letter = |shift: u8| char::from(b'a' + (at * 2 + shift) % 26);
        let (a, b, c, d) = (letter(0), letter(1), letter(9), letter(14));
        let _ = writeln!(
            rows,
            r#"{{"query":"{a} {b}","pos":["{b} {a} {a} ."],"neg":["{c} {d}","{d} {d} {c}"]}}"#
        );
    }
    let path = folder.join("train.jsonl");
    std::fs::write(&path, rows).unwrap();
    path
}

/// The same texts as a judged collection.
fn collection(folder: &Path) -> PathBuf {
    let place = folder.join("letters");
    std::fs::create_dir_all(place.join("qrels")).unwrap();
    let (mut corpus, mut queries) = (String::new(), String::new());
    let mut qrels = "query-id\tcorpus-id\tscore\n".to_owned();
    for at in 0..12_u8 {
        let letter = |shift: u8| char::from(b'a' + (at * 2 + shift) % 26);
        let (a, b) = (letter(0), letter(1));
        let _ = writeln!(corpus, r#"{{"_id":"d{at}","title":"","text":"{b} {a} {a} ."}}"#);
        let _ = writeln!(queries, r#"{{"_id":"q{at}","text":"{a} {b}"}}"#);
        let _ = writeln!(qrels, "q{at}\td{at}\t1");
    }
    std::fs::write(place.join("corpus.jsonl"), corpus).unwrap();
    std::fs::write(place.join("queries.jsonl"), queries).unwrap();
    std::fs::write(place.join("qrels/test.tsv"), qrels).unwrap();
    place
}

fn config(task: Task, folder: &Path, more: &[&str]) -> RunConfig {
    let mut settings = Settings::of(task);
    let mut set = |given: String| settings.set(&given).unwrap();
    set(format!("model.base={}", base().display()));
    set(format!("output={}", folder.join("out").display()));
    set(format!("data.train={}", triplets(folder).display()));
    for given in
        ["data.negatives=1", "training.batch_size=4", "training.accumulate=1", "optimizer.learning_rate=3e-3"]
    {
        set(given.into());
    }
    if task == Task::Reranker {
        set("model.max_tokens=20".into());
    } else {
        set("model.query_max_tokens=8".into());
        set("model.document_max_tokens=12".into());
    }
    more.iter().for_each(|given| set((*given).into()));
    settings.finish().unwrap()
}

fn run(config: &RunConfig, task: Task) -> Result<Report, RunError> {
    fine_tune(config, task, &AtomicBool::new(false), true, None)
}

#[test]
fn an_embedding_run_ends_with_a_better_model_that_lateen_loads() {
    let folder = tempfile::tempdir().unwrap();
    let judged = format!("evaluation.folder={}", collection(folder.path()).display());
    let more = [judged.as_str(), "training.epochs=10", "loss.temperature=0.1", "log.every_steps=1"];
    let config = config(Task::Embedding, folder.path(), &more);
    let report = run(&config, Task::Embedding).unwrap();
    let End::Finished { steps, best } = report.end else { panic!("{report:?}") };
    assert_eq!(steps, 30);
    let (before, after) = report.metrics.unwrap();
    assert!(after["ndcg@10"] > before["ndcg@10"], "{before:?} {after:?}");
    assert_eq!(best.unwrap().0, after["ndcg@10"]);
    let encoder = Encoder::load(&report.onnx.unwrap(), &ModelOptions::default()).unwrap();
    assert_eq!(encoder.kind(), ModelKind::Dense);
    let card = std::fs::read_to_string(report.model.unwrap().join("README.md")).unwrap();
    assert!(card.contains("| ndcg@10 |") && card.contains("batch_size = 4"), "{card}");
    let log = std::fs::read_to_string(folder.path().join("out/log.jsonl")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains(r#""kind":"step""#)).count(), 30);
}

#[test]
fn a_colbert_run_starts_from_components_and_ends_with_token_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["model.dim=6", "training.epochs=2", "loss.temperature=0.3", "data.validation=[]"];
    let report = run(&config(Task::Colbert, folder.path(), &more), Task::Colbert).unwrap();
    assert_eq!(report.fresh, ["1_Dense.linear.weight"]);
    let encoder = Encoder::load(&report.onnx.unwrap(), &ModelOptions::default()).unwrap();
    assert_eq!(encoder.token_dim(), Some(6));
    assert_eq!(encoder.limits(), (8, 12));
}

#[test]
fn a_reranker_run_ends_with_a_cross_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["loss.name=listwise", "training.epochs=2"];
    // A head with two labels is no head with one.
    let elsewhere = tempfile::tempdir().unwrap();
    let refused = run(&config(Task::Reranker, elsewhere.path(), &more), Task::Reranker).unwrap_err();
    assert!(refused.to_string().contains("classifier.weight"), "{refused}");
    let base = format!("model.base={}", headless(folder.path()).display());
    let more = [more[0], more[1], &base];
    let report = run(&config(Task::Reranker, folder.path(), &more), Task::Reranker).unwrap();
    assert!(report.fresh.iter().any(|name| name == "classifier.weight"), "{:?}", report.fresh);
    let onnx = report.onnx.unwrap();
    assert!(onnx.join("onnx/model.onnx").exists());
    let saved = std::fs::read_to_string(report.model.unwrap().join("config.json")).unwrap();
    assert!(saved.contains("BertForSequenceClassification"));
}

#[test]
fn a_stopped_run_goes_on_under_the_same_settings_only() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(Task::Embedding, folder.path(), &["training.epochs=2"]);
    let stopped = fine_tune(&config, Task::Embedding, &AtomicBool::new(true), true, None).unwrap();
    assert_eq!(stopped.end, End::Stopped { steps: 1 });
    let mut other = config.clone();
    other.optimizer.learning_rate = 1e-3;
    assert!(matches!(run(&other, Task::Embedding), Err(RunError::Changed { .. })));
    let report = run(&config, Task::Embedding).unwrap();
    assert_eq!(report.end, End::Finished { steps: 6, best: None });
}
