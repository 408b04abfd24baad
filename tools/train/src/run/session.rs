//! A whole run from its settings: data, model, loop, logs, judgement before and after, ONNX, model card.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use burn_tensor::Device;

use super::batches::Batches;
use super::card::{Card, write_card};
use super::configure;
use super::error::RunError;
use super::judgement::{before, judge, judge_files};
use super::objective::Objective;
use super::onnx::export;
use super::pca::start_from_components;
use super::peers::Peers;
use super::settings::Settings;
use super::step::evaluate;
use super::trainer::{End, StepReport, Watch, train_with};
use crate::config::{RunConfig, Task};
use crate::feed::Feed;
use crate::log::{Progress, RunLog, StepRecord};
use crate::model::{Model, write_whole};

/// Metrics by name.
pub type Metrics = BTreeMap<String, f64>;

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How it ended.
    pub end: End,
    /// The trained model, once it has finished.
    pub model: Option<PathBuf>,
    /// The same as an ONNX directory that Lateen loads, or why there is none.
    pub onnx: Result<PathBuf, String>,
    /// On the evaluation's collection, before and after.
    pub metrics: Option<(Metrics, Metrics)>,
    /// Of the first stage that a reranker reorders.
    pub first_stage: Option<Metrics>,
    /// Weights that the base did not have.
    pub fresh: Vec<String>,
    /// Numbers that were trained, and all numbers of the model.
    pub parameters: (usize, usize),
}

/// Trains as `config` says, from the newest checkpoint in the output folder if there is one.
///
/// `stop` is looked at after each step: once it is set the run writes a checkpoint and ends, and the same call goes on
/// from there another time. `quiet` runs write no progress to the terminal. With `peers`, every process calls this with
/// the same settings; the first one writes and judges.
///
/// # Errors
/// [`RunError`].
pub fn fine_tune(
    config: &RunConfig,
    task: Task,
    stop: &AtomicBool,
    quiet: bool,
    peers: Option<Peers>,
) -> Result<Report, RunError> {
    let first = peers.as_ref().is_none_or(|peers| peers.rank() == 0);
    let base = &config.model.base;
    let failed =
        |source: crate::data::DataError| RunError::Data { epoch: 0, batch: 0, source: Box::new(source) };
    let feed = Feed::train(config, task, base).map_err(failed)?;
    let validation = Feed::validation(config, task, base).map_err(failed)?;
    let settings = configure::settings(config, task, &feed.fingerprint())?;
    let objective = configure::objective(config, task, feed.loss())?;
    let teacher = match &objective {
        // All files have the same teachers, or the first batch says otherwise.
        Objective::Stella(_) => config.data.train.first().map(|file| file.vector_dims.iter().sum()),
        _ => None,
    };
    let wanted = configure::task(config, task, teacher, feed.words());
    let mut model = Model::read(base, &wanted, Device::flex(), config.seed)?;
    let no_guide = |source| RunError::Data { epoch: 0, batch: 0, source };
    let mut source = Batches::new(&feed, &config.loss).map_err(no_guide)?;
    start_from_components(&mut model, &mut source, config.model.bias)?;
    if config.training.lora_rank > 0 {
        model.add_lora(config.training.lora_rank, config.training.lora_alpha, config.seed);
    }
    if !config.training.freeze.is_empty() {
        let frozen = |name: &str| config.training.freeze.iter().any(|start| name.starts_with(start.as_str()));
        model.params.restrict(|name| !frozen(name));
    }
    let before = if first { begin(config, task, &model, &settings)? } else { None };
    let mut watch = Onlooker::new(config, &settings, &objective, validation.as_ref(), stop, (quiet, first))?;
    let end = train_with(&mut model, &objective, &mut source, &mut watch, &settings, peers)?;
    drop(watch);
    let parameters = model.params.count();
    let mut report = Report {
        end,
        model: None,
        onnx: Err("the run has not finished".into()),
        metrics: None,
        first_stage: None,
        fresh: model.fresh.clone(),
        parameters,
    };
    if matches!(end, End::Stopped { .. }) || !first {
        return Ok(report);
    }
    let (saved, onnx) = (config.output.join("model"), config.output.join("onnx"));
    report.onnx = match export(&saved, &onnx, &model.head, &settings.texts) {
        Ok(_) => Ok(onnx),
        Err(error) => Err(error.to_string()),
    };
    if let (Some(before), Ok(onnx)) = (before, &report.onnx) {
        let after = judge_files(config, &model.head, onnx)?;
        report.metrics = Some((before, after.metrics));
        report.first_stage = after.first;
    }
    let card = Card { config, task, loss: feed.loss(), report: &report };
    write_card(&card, &saved)?;
    report.model = Some(saved);
    Ok(report)
}

/// Makes the output folder, writes down the settings, and measures the base.
fn begin(
    config: &RunConfig,
    task: Task,
    model: &Model,
    settings: &Settings,
) -> Result<Option<Metrics>, RunError> {
    let output = &config.output;
    fs::create_dir_all(output).map_err(|source| RunError::Io { path: output.clone(), source })?;
    let path = output.join("config.toml");
    write_whole(&path, config.to_toml(task).as_bytes()).map_err(|source| RunError::Io { path, source })?;
    before(config, model, settings)
}

/// Writes logs, shows progress, judges.
struct Onlooker<'a> {
    config: &'a RunConfig,
    settings: &'a Settings,
    objective: &'a Objective,
    validation: Option<&'a Feed>,
    stop: &'a AtomicBool,
    quiet: bool,
    /// Whether this process writes the logs.
    first: bool,
    progress: Option<Progress>,
    log: Option<RunLog>,
    window: Window,
}

/// Steps since the last line of the log.
#[derive(Default)]
struct Window {
    steps: f64,
    loss: f64,
    right: f64,
    told: f64,
    tokens: usize,
    seconds: f64,
    all_steps: f64,
    all_seconds: f64,
}

impl<'a> Onlooker<'a> {
    fn new(
        config: &'a RunConfig,
        settings: &'a Settings,
        objective: &'a Objective,
        validation: Option<&'a Feed>,
        stop: &'a AtomicBool,
        (quiet, first): (bool, bool),
    ) -> Result<Self, RunError> {
        let (progress, log, window) = (None, None, Window::default());
        Ok(Self { config, settings, objective, validation, stop, quiet, first, progress, log, window })
    }

    /// Opens logs at the first step: only then it is known where the run goes on.
    fn log(&mut self, done: u64) -> Result<&mut RunLog, RunError> {
        if self.log.is_none() {
            let given = &self.config.log;
            self.log = Some(RunLog::open(&self.config.output, done, given.jsonl, given.tensorboard)?);
        }
        match &mut self.log {
            Some(log) => Ok(log),
            None => unreachable!("opened above"),
        }
    }

    /// The mean loss over the validation sets.
    fn validate(&self, model: &Model) -> Result<Option<f64>, RunError> {
        let Some(feed) = self.validation else { return Ok(None) };
        let failed =
            |source: crate::data::DataError| RunError::Data { epoch: 0, batch: 0, source: Box::new(source) };
        let plan = feed.plan(0).map_err(failed)?;
        let (mut sum, mut examples) = (0.0, 0.0);
        for step in 0..plan.steps() {
            let batch = feed.batch(&plan, step).map_err(failed)?;
            let outcome = evaluate(model, self.objective, &batch, self.settings.chunk)?;
            sum += f64::from(outcome.loss) * batch.examples() as f64;
            examples += batch.examples() as f64;
        }
        Ok(Some(sum / f64::max(examples, 1.0)))
    }
}

impl Watch for Onlooker<'_> {
    fn stepped(&mut self, report: &StepReport) -> Result<(), RunError> {
        if !self.first {
            return Ok(());
        }
        self.log(report.step - 1)?;
        let seconds = report.time.as_secs_f64();
        let window = &mut self.window;
        window.steps += 1.0;
        window.loss += report.loss;
        if let Some(accuracy) = report.accuracy {
            window.right += accuracy;
            window.told += 1.0;
        }
        window.tokens += report.tokens;
        window.seconds += seconds;
        window.all_steps += 1.0;
        window.all_seconds += seconds;
        let record = StepRecord {
            step: report.step,
            epoch: report.epochs,
            loss: window.loss / window.steps,
            accuracy: (window.told > 0.0).then(|| window.right / window.told),
            learning_rate: report.rate,
            grad_norm: report.gradient,
            tokens_per_second: window.tokens as f64 / window.seconds.max(1e-9),
            seconds_left: (report.total - report.step) as f64 * window.all_seconds / window.all_steps,
            ..StepRecord::default()
        };
        let quiet = self.quiet;
        self.progress.get_or_insert_with(|| Progress::start(report.total, quiet)).step(&record);
        if report.step.is_multiple_of(self.config.log.every_steps.max(1)) || report.step == report.total {
            self.log(report.step - 1)?.step(&record)?;
            let (all_steps, all_seconds) = (self.window.all_steps, self.window.all_seconds);
            self.window = Window { all_steps, all_seconds, ..Window::default() };
        }
        Ok(())
    }

    fn stop(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn judge(&mut self, model: &Model, step: u64) -> Result<Option<f64>, RunError> {
        let mut value = None;
        if let Some(loss) = self.validate(model)? {
            self.log(step)?.evaluation(step, "validation", &Metrics::from([("loss".into(), loss)]))?;
            value = Some(-loss);
        }
        if !self.config.evaluation.folder.as_os_str().is_empty() {
            let metrics = judge(self.config, model, self.settings)?.metrics;
            let name =
                self.config.evaluation.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.log(step)?.evaluation(step, &name, &metrics)?;
            value = metrics.get(&self.config.evaluation.metric).copied();
        }
        Ok(value)
    }
}
