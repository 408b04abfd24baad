//! Whole runs: settings and files in, a model out that Lateen loads.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use lateen::encode::{Model as Encoder, ModelKind, ModelOptions};
use lateen::rerank::{Reranker, RerankerOptions, Scale};
use lateen_train::config::{RunConfig, Settings, Task};
use lateen_train::data::{PaddingSide, PairFormat, PairShape, TextTokenizer};
use lateen_train::model::{Model, Pass, Task as Wanted, floats, write};
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
    let judged = format!("evaluation.folder={}", collection(folder.path()).display());
    let more = [more[0], more[1], &base, &judged, "evaluation.depth=2"];
    let report = run(&config(Task::Reranker, folder.path(), &more), Task::Reranker).unwrap();
    assert!(report.fresh.iter().any(|name| name == "classifier.weight"), "{:?}", report.fresh);
    let onnx = report.onnx.unwrap();
    assert!(onnx.join("onnx/model.onnx").exists());
    // BM25 finds each of these documents; the two best ones are in the model's order.
    let (first, (before, after)) = (report.first_stage.unwrap(), report.metrics.unwrap());
    assert_eq!(first["ndcg@10"], 1.0);
    assert_eq!((before["recall@100"], after["recall@100"]), (1.0, 1.0));
    let card = std::fs::read_to_string(report.model.as_ref().unwrap().join("README.md")).unwrap();
    assert!(card.contains("| ndcg@10 | 1.0000 | ") && card.contains("2 best documents of BM25"), "{card}");
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

fn logged(folder: &Path) -> Vec<f64> {
    let log = std::fs::read_to_string(folder.join("out/log.jsonl")).unwrap();
    let rows = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    rows.filter(|row| row["kind"] == "step").map(|row| row["loss"].as_f64().unwrap()).collect()
}

#[test]
fn a_guide_takes_false_negatives_out() {
    let made = tempfile::tempdir().unwrap();
    let guide = run(&config(Task::Embedding, made.path(), &["training.epochs=1"]), Task::Embedding).unwrap();
    let guide = format!("loss.guide={}", guide.onnx.unwrap().display());
    let losses = |guide: &str, margin: &str| {
        let folder = tempfile::tempdir().unwrap();
        let more = [guide, margin, "training.epochs=1", "log.every_steps=1"];
        run(&config(Task::Embedding, folder.path(), &more), Task::Embedding).unwrap();
        logged(folder.path())
    };
    let unguided = losses("loss.guide=", "loss.guide_margin=0");
    for guide in [guide.as_str(), "loss.guide=self"] {
        // No cosine is further than 2 from another: with this margin nothing is left to tell apart, and with the other all.
        assert!(losses(guide, "loss.guide_margin=2").iter().all(|loss| loss.abs() < 1e-6), "{guide}");
        assert_eq!(losses(guide, "loss.guide_margin=-2"), unguided, "{guide}");
    }
}

#[test]
fn a_run_through_codes_goes_on_to_the_same_bits() {
    let more =
        ["model.dim=6", "training.epochs=2", "loss.temperature=0.3", "loss.code_bits=1", "loss.code_steps=4"];
    let weights = |folder: &Path| std::fs::read(folder.join("out/model/model.safetensors")).unwrap();
    let whole = tempfile::tempdir().unwrap();
    run(&config(Task::Colbert, whole.path(), &more), Task::Colbert).unwrap();
    let parted = tempfile::tempdir().unwrap();
    // The same folder in both, since a data file's name is part of what a run depends on.
    let mut settings = config(Task::Colbert, whole.path(), &more);
    settings.output = parted.path().join("out");
    for _ in 0..2 {
        let stopped = fine_tune(&settings, Task::Colbert, &AtomicBool::new(true), true, None).unwrap();
        assert!(matches!(stopped.end, End::Stopped { .. }));
    }
    run(&settings, Task::Colbert).unwrap();
    assert!(weights(whole.path()) == weights(parted.path()));
    let plain = tempfile::tempdir().unwrap();
    run(&config(Task::Colbert, plain.path(), &more[..3]), Task::Colbert).unwrap();
    assert!(weights(whole.path()) != weights(plain.path()));
}

/// A decoder and a tokenizer of letters and a few words for it.
fn decoder(folder: &Path) -> PathBuf {
    let place = folder.join("decoder");
    std::fs::create_dir_all(&place).unwrap();
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qwen3");
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(fixture.join(name), place.join(name)).unwrap();
    }
    let mut words: Vec<String> =
        ["<unk>", "<pad>", "<s>", "</s>", "yes", "no", "fits", "?", "."].map(String::from).into();
    words.extend((b'a'..=b'z').map(|letter| char::from(letter).to_string()));
    let vocabulary: serde_json::Map<_, _> =
        words.into_iter().enumerate().map(|(id, word)| (word, id.into())).collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "decoder": null, "added_tokens": [],
        "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>" },
    });
    std::fs::write(place.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    place
}

#[test]
fn a_decoder_that_answers_with_words_is_trained_saved_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let base = format!("model.base={}", decoder(folder.path()).display());
    let more = [
        base.as_str(),
        "model.kind=decoder",
        "model.words=[\"yes\", \"no\"]",
        "model.document_format=fits {} ?",
        "model.end= ?",
        "loss.name=listwise",
        "training.epochs=1",
    ];
    let report = run(&config(Task::Reranker, folder.path(), &more), Task::Reranker).unwrap();
    assert!(report.fresh.is_empty(), "{:?}", report.fresh);
    let saved = report.model.unwrap();
    let settings = std::fs::read_to_string(saved.join("config.json")).unwrap();
    assert!(settings.contains("Qwen3ForCausalLM"), "{settings}");
    let model =
        Model::read(&saved, &Wanted::Reranker { words: Some((4, 5)) }, burn_tensor::Device::flex(), 1);
    let model = model.unwrap();
    let shape = PairShape::Joined { separator: "\n".into(), end: " ?".into() };
    let format = PairFormat { shape, query: "{}".into(), document: "fits {} ?".into(), max_tokens: 20 };
    let tokenizer = TextTokenizer::open(&saved, PaddingSide::Right).unwrap();
    let pairs = [("a b", "b a ."), ("c d", "x y z z y x")];
    let tokens = tokenizer.pairs(&pairs, &format).unwrap();
    let own = floats(model.score(&Pass::inference(&model.params), &tokens).unwrap());
    let judge = Reranker::load(&report.onnx.unwrap(), &RerankerOptions::default()).unwrap();
    for (own, theirs) in own.iter().zip(judge.compute_score(&pairs, Scale::Raw).unwrap()) {
        assert!((own - theirs).abs() < 1e-4, "{own} {theirs}");
    }
}

#[test]
fn a_bare_projection_is_read_and_a_pickle_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let base = headless(folder.path());
    let task = Wanted::ColBert { dim: 6, bias: false, drop_first: false };
    let read = || Model::read(&base, &task, burn_tensor::Device::flex(), 1);
    std::fs::write(base.join("colbert_linear.pt"), b"PK").unwrap();
    let refused = read().unwrap_err().to_string();
    assert!(refused.contains("colbert_linear.pt is a pickle"), "{refused}");
    let weight: Vec<f32> = (0..60).map(|at| at as f32 / 60.0).collect();
    let bias = [1.0, 2.0, 3.0, 4.0, 5.0];
    let tensors = [("weight", &[5, 12][..], weight.as_slice()), ("bias", &[5][..], bias.as_slice())];
    write(&base.join("colbert_linear.safetensors"), tensors).unwrap();
    let model = read().unwrap();
    assert!(model.fresh.is_empty(), "{:?}", model.fresh);
    let found = model.params.iter().find(|(name, _)| *name == "1_Dense.linear.bias").unwrap();
    assert_eq!(found.1.values(), bias);
}

#[test]
fn a_thousand_steps_of_distillation_stay_finite() {
    let folder = tempfile::tempdir().unwrap();
    // Thirteen texts make batches of 4, 4, 4 and 1; two of them are alike, and two have vectors without a direction.
    let letters = |at: u8| char::from(b'a' + at % 26);
    let texts: String = (0..13_u8)
        .map(|at| format!("{{\"query\":\"{} {}\"}}\n", letters(at % 12), letters(at % 12 * 3)))
        .collect();
    let path = folder.path().join("texts.jsonl");
    std::fs::write(&path, texts).unwrap();
    let mut files = Vec::new();
    for (teacher, dims) in [(0_u32, 5_u32), (1, 3)] {
        let number = |row: u32, column: u32| match row {
            3 => 0.0,
            7 => f32::NAN,
            _ => ((row % 12 * 31 + column * 17 + teacher * 7) % 19) as f32 - 9.0,
        };
        let numbers = (0..13).flat_map(|row| (0..dims).map(move |column| number(row, column)));
        let file = folder.path().join(format!("{teacher}.f32"));
        std::fs::write(&file, numbers.flat_map(f32::to_le_bytes).collect::<Vec<u8>>()).unwrap();
        files.push(format!("{:?}", file.display().to_string()));
    }
    let train = format!(
        "data.train=[{{path={:?}, vectors=[{}], vector_dims=[5, 3]}}]",
        path.display().to_string(),
        files.join(", ")
    );
    let more = [
        train.as_str(),
        "data.drop_last=false",
        "model.mrl_dims=[2, 8]",
        "training.epochs=1000",
        "training.max_steps=1000",
        "checkpoint.every_epoch=false",
        "log.every_steps=1",
    ];
    let refused = run(&config(Task::Embedding, folder.path(), &more), Task::Embedding).unwrap_err();
    assert!(refused.to_string().contains("is zero or not finite"), "{refused}");
    let more = [&more[..], &["data.skip_bad=true"]].concat();
    let report = run(&config(Task::Embedding, folder.path(), &more), Task::Embedding).unwrap();
    assert!(matches!(report.end, End::Finished { steps: 1000, .. }));
    let losses = logged(folder.path());
    assert!(losses.len() == 1000 && losses.iter().all(|loss| loss.is_finite()));
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert!(mean(&losses[980..]) < mean(&losses[..20]), "{} {}", mean(&losses[..20]), mean(&losses[980..]));
}
