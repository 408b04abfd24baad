//! The loop: chunks, accumulation, dropout, checkpoints and what goes on from them.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use burn_tensor::Device;
use lateen_train::data::{Groups, PairBatch, TextBatch, Tokens};
use lateen_train::feed::Batch;
use lateen_train::loss::{InfoNce, MaxSim};
use lateen_train::model::{Gradients, Model, Task};
use lateen_train::run::{
    DataFailure, End, Flow, Objective, PairLoss, Peers, RunError, Settings, Source, StepReport, TextLoss,
    Watch, differentiate, differentiate_with, train,
};

/// Makes a model and what it is trained for.
type Make = fn() -> (Model, Objective);

fn base(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A small generator: the same numbers for the same seed.
fn random(seed: u64) -> impl FnMut(u32) -> u32 {
    let mut state = seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as u32) % below
    }
}

fn tokens(seed: u64, rows: usize, width: usize) -> Tokens {
    let mut next = random(seed);
    let mut tokens = Tokens { rows, width, ..Tokens::default() };
    for row in 0..rows {
        let length = if row == 0 { width } else { 4 + next(width as u32 - 3) as usize };
        for at in 0..width {
            let there = at < length;
            tokens.ids.push(if there { 5 + next(40) } else { 0 });
            tokens.mask.push(u8::from(there));
            tokens.counted.push(u8::from(there));
            tokens.types.push(0);
        }
    }
    tokens
}

fn text_batch(seed: u64, queries: usize) -> TextBatch {
    let ranges: Vec<_> = (0..queries).map(|query| query * 2..query * 2 + 2).collect();
    TextBatch {
        queries: tokens(seed, queries, 6),
        documents: tokens(seed + 1000, queries * 2, 10),
        groups: Groups { ranges, labels: [1.0, 0.0].repeat(queries) },
        masked: vec![(0, 3)],
    }
}

fn pair_batch(seed: u64, pairs: usize) -> PairBatch {
    let labels = (0..pairs).map(|at| (at % 3) as f32 / 2.0).collect();
    PairBatch {
        pairs: tokens(seed, pairs, 9),
        groups: Groups { ranges: (0..pairs).map(|at| at..at + 1).collect(), labels },
    }
}

fn embedding() -> (Model, Objective) {
    let task = Task::Embedding { pooling: None, dense: None, normalize: true };
    let model = Model::read(&base("bert"), &task, Device::flex(), 3).unwrap();
    let loss = TextLoss::InfoNce(InfoNce::default());
    (model, Objective::Embedding { loss, matryoshka: vec![4, 16], guide: None })
}

fn colbert() -> (Model, Objective) {
    let task = Task::ColBert { dim: 5, bias: false, drop_first: true };
    let model = Model::read(&base("bert"), &task, Device::flex(), 3).unwrap();
    let loss = TextLoss::InfoNce(InfoNce { temperature: 0.3, ..InfoNce::default() });
    (model, Objective::ColBert { loss, max_sim: MaxSim::default(), guide: None, codec: None })
}

fn reranker() -> (Model, Objective) {
    let model = Model::read(&base("bert"), &Task::Reranker { words: None }, Device::flex(), 3).unwrap();
    (model, Objective::Reranker(PairLoss::Bce))
}

fn alike(a: &Gradients, b: &Gradients) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, values) in a {
        let scale = values.iter().fold(1e-3_f32, |most, value| most.max(value.abs()));
        for (x, y) in values.iter().zip(&b[name]) {
            assert!((x - y).abs() <= 1e-5 * scale.max(1.0), "{name}: {x} and {y}");
        }
    }
}

#[test]
fn chunks_and_recomputation_give_the_gradients_of_the_whole_batch() {
    let text = Batch::Texts(text_batch(1, 5));
    let pair = Batch::Pairs(pair_batch(1, 7));
    for ((model, objective), batch) in [(embedding(), &text), (colbert(), &text), (reranker(), &pair)] {
        let whole = differentiate(&model, &objective, batch, Flow::default()).unwrap();
        for (chunk, recompute) in [(3, false), (1, true), (0, true)] {
            let flow = Flow { chunk, recompute, dropout: None };
            let parts = differentiate(&model, &objective, batch, flow).unwrap();
            assert!((whole.loss - parts.loss).abs() < 1e-5, "{} and {}", whole.loss, parts.loss);
            assert_eq!(whole.accuracy, parts.accuracy);
            alike(&whole.gradients, &parts.gradients);
        }
    }
}

/// The fixture's dropout is 0; this base has some.
fn base_with_dropout(folder: &Path) {
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(base("bert").join(name), folder.join(name)).unwrap();
    }
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config = config.replace("dropout_prob\": 0.0", "dropout_prob\": 0.2");
    assert!(config.contains("0.2"));
    std::fs::write(folder.join("config.json"), config).unwrap();
}

#[test]
fn dropout_is_a_function_of_its_seed() {
    let folder = tempfile::tempdir().unwrap();
    base_with_dropout(folder.path());
    let task = Task::Embedding { pooling: None, dense: None, normalize: true };
    let model = Model::read(folder.path(), &task, Device::flex(), 3).unwrap();
    let (_, objective) = embedding();
    let batch = Batch::Texts(text_batch(2, 5));
    let run = |dropout, chunk, recompute| {
        differentiate(&model, &objective, &batch, Flow { chunk, recompute, dropout }).unwrap()
    };
    assert_eq!(run(Some(1), 0, false), run(Some(1), 0, false));
    assert_ne!(run(Some(1), 0, false).loss, run(Some(2), 0, false).loss);
    assert_ne!(run(Some(1), 0, false).loss, run(None, 0, false).loss);
    // What runs twice drops the same numbers: the gradient belongs to the loss that was told.
    let (plain, layers) = (run(Some(1), 3, false), run(Some(1), 3, true));
    assert_eq!(plain.loss, layers.loss);
    alike(&plain.gradients, &layers.gradients);
}

/// The same pairs, so many a batch.
struct Pairs {
    per_batch: usize,
    batches: u64,
}

impl Source for Pairs {
    fn batches(&mut self, _epoch: u64) -> Result<u64, DataFailure> {
        Ok(self.batches)
    }

    fn batch(&mut self, epoch: u64, batch: u64) -> Result<Batch, DataFailure> {
        let all = pair_batch(epoch, self.per_batch * self.batches as usize);
        let rows = batch as usize * self.per_batch..(batch as usize + 1) * self.per_batch;
        let cells = rows.start * all.pairs.width..rows.end * all.pairs.width;
        let pairs = Tokens {
            ids: all.pairs.ids[cells.clone()].to_vec(),
            mask: all.pairs.mask[cells.clone()].to_vec(),
            counted: all.pairs.counted[cells.clone()].to_vec(),
            types: all.pairs.types[cells].to_vec(),
            rows: self.per_batch,
            width: all.pairs.width,
        };
        let ranges = (0..self.per_batch).map(|at| at..at + 1).collect();
        let labels = all.groups.labels[rows].to_vec();
        Ok(Batch::Pairs(PairBatch { pairs, groups: Groups { ranges, labels } }))
    }
}

#[derive(Default)]
struct Log {
    losses: Vec<f64>,
    stop_after: Option<u64>,
    judgements: Vec<f64>,
    judged: Vec<u64>,
}

impl Watch for Log {
    fn stepped(&mut self, report: &StepReport) -> Result<(), RunError> {
        self.losses.push(report.loss);
        Ok(())
    }

    fn stop(&self) -> bool {
        self.stop_after.is_some_and(|steps| self.losses.len() as u64 >= steps)
    }

    fn judge(&mut self, _model: &Model, step: u64) -> Result<Option<f64>, RunError> {
        let value = self.judgements.get(self.judged.len()).copied();
        self.judged.push(step);
        Ok(value)
    }
}

fn settings(output: &Path) -> Settings {
    Settings {
        output: output.to_owned(),
        epochs: 3,
        rate: 1e-3,
        warmup: 0.2,
        digest: "a".into(),
        ..Settings::default()
    }
}

fn weights(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("model.safetensors")).unwrap()
}

#[test]
fn batches_of_a_step_count_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = |per_batch, batches, accumulate, name: &str| {
        let (mut model, objective) = reranker();
        let settings = Settings { accumulate, ..settings(&folder.path().join(name)) };
        let mut log = Log::default();
        train(&mut model, &objective, &mut Pairs { per_batch, batches }, &mut log, &settings).unwrap();
        (log.losses, model)
    };
    let (whole, one) = run(8, 2, 1, "whole");
    let (parts, four) = run(2, 8, 4, "parts");
    assert_eq!((whole.len(), parts.len()), (6, 6));
    for (a, b) in whole.iter().zip(&parts) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
    for ((name, a), (_, b)) in one.params.iter().zip(four.params.iter()) {
        for (x, y) in a.values().iter().zip(b.values()) {
            // AdamW's first steps turn rounding of tiny gradients into steps of up to the rate.
            assert!((x - y).abs() < 2e-3, "{name}: {x} and {y}");
        }
    }
}

#[test]
fn a_stopped_run_goes_on_as_if_it_had_not() {
    let folder = tempfile::tempdir().unwrap();
    let with_dropout = folder.path().join("base");
    std::fs::create_dir(&with_dropout).unwrap();
    base_with_dropout(&with_dropout);
    let run = |name: &str, stop_after| {
        let mut model =
            Model::read(&with_dropout, &Task::Reranker { words: None }, Device::flex(), 3).unwrap();
        let (_, objective) = reranker();
        let settings = Settings { ema: Some(0.9), ..settings(&folder.path().join(name)) };
        let mut log = Log { stop_after, ..Log::default() };
        let mut data = Pairs { per_batch: 3, batches: 4 };
        (train(&mut model, &objective, &mut data, &mut log, &settings).unwrap(), log.losses)
    };
    let (end, straight) = run("straight", None);
    assert_eq!(end, End::Finished { steps: 12, best: None });
    let (end, mut first) = run("broken", Some(5));
    assert_eq!(end, End::Stopped { steps: 5 });
    let (_, second) = run("broken", Some(2));
    let (end, third) = run("broken", None);
    assert_eq!(end, End::Finished { steps: 12, best: None });
    first.extend(second);
    first.extend(third);
    assert_eq!(first, straight);
    let place = |name: &str| folder.path().join(name).join("model");
    assert_eq!(weights(&place("broken")), weights(&place("straight")));
}

#[test]
fn other_settings_or_damaged_checkpoints_do_not_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = |settings: &Settings| {
        let (mut model, objective) = reranker();
        let mut log = Log { stop_after: Some(1), ..Log::default() };
        train(&mut model, &objective, &mut Pairs { per_batch: 3, batches: 4 }, &mut log, settings)
    };
    let first = settings(folder.path());
    run(&first).unwrap();
    let other = Settings { digest: "b".into(), ..first.clone() };
    assert!(matches!(run(&other), Err(RunError::Changed { .. })));
    // A folder whose writing was cut off is not looked at.
    std::fs::create_dir(folder.path().join("checkpoints/part-00000009")).unwrap();
    assert_eq!(run(&first).unwrap(), End::Stopped { steps: 2 });
    let newest = folder.path().join("checkpoints/step-00000002/weights.safetensors");
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&newest, bytes).unwrap();
    assert!(matches!(run(&first), Err(RunError::Model(_))));
}

#[test]
fn old_checkpoints_go_and_the_best_model_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (mut model, objective) = reranker();
    let settings =
        Settings { save_every: 2, judge_every: 3, keep: 2, patience: Some(2), ..settings(folder.path()) };
    let mut log = Log { judgements: vec![0.5, 0.4, 0.3, 0.9], ..Log::default() };
    let mut data = Pairs { per_batch: 3, batches: 8 };
    let end = train(&mut model, &objective, &mut data, &mut log, &settings).unwrap();
    assert_eq!(end, End::Finished { steps: 9, best: Some((0.5, 3)) });
    assert_eq!(log.judged, [3, 6, 9]);
    let mut left: Vec<_> = std::fs::read_dir(folder.path().join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["step-00000008", "step-00000009"]);
    assert_eq!(weights(&folder.path().join("model")), weights(&folder.path().join("best")));
}

struct Poisoned(Pairs);

impl Source for Poisoned {
    fn batches(&mut self, epoch: u64) -> Result<u64, DataFailure> {
        self.0.batches(epoch)
    }

    fn batch(&mut self, epoch: u64, batch: u64) -> Result<Batch, DataFailure> {
        let mut made = self.0.batch(epoch, batch)?;
        if let (Batch::Pairs(pairs), (1, 2)) = (&mut made, (epoch, batch)) {
            pairs.groups.labels[0] = f32::NAN;
        }
        Ok(made)
    }
}

#[test]
fn a_batch_without_a_finite_loss_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (mut model, objective) = reranker();
    let mut data = Poisoned(Pairs { per_batch: 3, batches: 4 });
    let failed = train(&mut model, &objective, &mut data, &mut Log::default(), &settings(folder.path()));
    match failed {
        Err(RunError::NotFinite { step: 7, epoch: 1, batch: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_processes_give_what_one_gives() {
    let text = Batch::Texts(text_batch(4, 5));
    let pair = Batch::Pairs(pair_batch(4, 7));
    let kinds: [(Make, &Batch); 3] = [(embedding, &text), (colbert, &text), (reranker, &pair)];
    for (make, batch) in kinds {
        let (model, objective) = make();
        let alone = differentiate(&model, &objective, batch, Flow::default()).unwrap();
        for (chunk, recompute) in [(0, false), (2, false), (2, true)] {
            let flow = Flow { chunk, recompute, dropout: None };
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let (first, second) = std::thread::scope(|scope| {
                let other = scope.spawn(move || {
                    let (model, objective) = make();
                    let mut peers = Peers::connect(address, 1, 2).unwrap();
                    differentiate_with(&model, &objective, batch, flow, Some(&mut peers)).unwrap()
                });
                let mut peers = Peers::gather(&listener, 2).unwrap();
                let first = differentiate_with(&model, &objective, batch, flow, Some(&mut peers)).unwrap();
                (first, other.join().unwrap())
            });
            assert_eq!(first, second);
            assert!((first.loss - alone.loss).abs() < 1e-5);
            alike(&alone.gradients, &first.gradients);
        }
    }
}

/// Pairs that take their time, so that a kill finds the run in the middle.
struct Slow(Pairs);

impl Source for Slow {
    fn batches(&mut self, epoch: u64) -> Result<u64, DataFailure> {
        self.0.batches(epoch)
    }

    fn batch(&mut self, epoch: u64, batch: u64) -> Result<Batch, DataFailure> {
        std::thread::sleep(Duration::from_millis(5));
        self.0.batch(epoch, batch)
    }
}

const CHILD: &str = "LATEEN_TRAIN_TEST_OUTPUT";

fn killable(output: &Path) {
    let base = output.parent().unwrap().join("base");
    let mut model = Model::read(&base, &Task::Reranker { words: None }, Device::flex(), 3).unwrap();
    let (_, objective) = reranker();
    let settings = Settings { save_every: 1, ema: Some(0.9), epochs: 6, ..settings(output) };
    let mut data = Slow(Pairs { per_batch: 3, batches: 4 });
    train(&mut model, &objective, &mut data, &mut Log::default(), &settings).unwrap();
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child() {
    if let Some(output) = std::env::var_os(CHILD) {
        killable(Path::new(&output));
    }
}

#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("base")).unwrap();
    base_with_dropout(&folder.path().join("base"));
    killable(&folder.path().join("straight"));
    let output = folder.path().join("killed");
    let mut next = random(9);
    let mut kills = 0;
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored"])
            .env(CHILD, &output)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Later kills wait longer, so that the run ends however slow the machine is.
        std::thread::sleep(Duration::from_millis(u64::from(20 + next(60) + kills * 10)));
        if child.try_wait().unwrap().is_some_and(|status| status.success()) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0, "the run was never killed");
    assert_eq!(weights(&output.join("model")), weights(&folder.path().join("straight/model")));
}
