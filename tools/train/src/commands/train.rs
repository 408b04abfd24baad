//! `lateen-train embedding`, `colbert`, `reranker`.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Args;
use lateen_train::config::{RunConfig, Settings, Task};
use lateen_train::run::{End, Peers, Report, fine_tune};
use serde::Serialize;

use super::data::{count, document};
use crate::Global;
use crate::exit::{Outcome, usage};

/// What is told below the options of all three.
pub const HELP: &str = "\
What a run does is in docs/training.md and, with all its settings, in --show-config. Ctrl-C writes a checkpoint and
stops (exit code 1); the same command goes on where it stopped. At the end the output folder has:
  model/       the weights as Hugging Face, sentence-transformers or PyLate read them, and a model card
  onnx/        the same for lateen, where the family has a graph
  log.jsonl    loss, learning rate, gradient and speed; checkpoints/, config.toml

Examples:
  lateen-train embedding --base all-MiniLM-L6-v2 --train pairs.jsonl --output out
  lateen-train colbert --config run.toml --set training.max_steps=300
  lateen-train reranker --config rag-retrieval.yaml --output out --show-config";

/// Set by the first Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// What all three take.
#[derive(Debug, Args)]
pub struct Train {
    /// Settings: TOML, or RAG-Retrieval's YAML
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The model to start from, a Hugging Face directory (model.base)
    #[arg(long, value_name = "FOLDER")]
    base: Option<PathBuf>,
    /// Training data; may be repeated (data.train)
    #[arg(long = "train", value_name = "FILE")]
    train: Vec<PathBuf>,
    /// Where checkpoints, logs and the model go; a run that was stopped there goes on (output)
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// A setting over those of the file, as in --set training.epochs=3; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// How many processes share the work; each is started with the same settings
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    #[arg(help_heading = "Several processes")]
    processes: u16,
    /// The number of this process, from 0; the first one writes and judges
    #[arg(long, value_name = "NUMBER", default_value_t = 0, help_heading = "Several processes")]
    rank: u16,
    /// Where the first process listens for the others
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:29400",
        help_heading = "Several processes"
    )]
    address: String,
    /// Write the settings the run would have, and end
    #[arg(long)]
    show_config: bool,
}

#[derive(Serialize)]
struct Told<'a> {
    finished: bool,
    steps: u64,
    best: Option<f64>,
    model: Option<&'a PathBuf>,
    onnx: Option<&'a PathBuf>,
    onnx_problem: Option<&'a str>,
    before: Option<&'a lateen_train::run::Metrics>,
    after: Option<&'a lateen_train::run::Metrics>,
    first_stage: Option<&'a lateen_train::run::Metrics>,
    trained_parameters: usize,
    parameters: usize,
    fresh: &'a [String],
}

impl Train {
    pub fn run(self, task: Task, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let config = self.config(task, global)?;
        self.start(&config, task, global, out)
    }

    /// The settings of file and flags.
    pub fn config(&self, task: Task, global: &Global) -> anyhow::Result<RunConfig> {
        let mut settings = Settings::of(task);
        if let Some(file) = &self.config {
            settings.file(file)?;
        }
        for (key, path) in [("model.base", &self.base), ("output", &self.output)] {
            if let Some(path) = path {
                settings.set(&format!("{key}={}", quoted(path)))?;
            }
        }
        if !self.train.is_empty() {
            let files: Vec<_> = self.train.iter().map(|path| quoted(path)).collect();
            settings.set(&format!("data.train=[{}]", files.join(",")))?;
        }
        for given in &self.set {
            settings.set(given)?;
        }
        let config = settings.finish()?;
        if !global.quiet && !self.show_config {
            settings.notes().iter().for_each(|note| eprintln!("note: {note}"));
        }
        Ok(config)
    }

    /// Whether settings are to be shown, and nothing done.
    pub fn shows(&self) -> bool {
        self.show_config
    }

    /// Whether several processes share the work.
    pub fn is_shared(&self) -> bool {
        self.processes > 1
    }

    /// Whether a run can begin with these settings and flags.
    pub fn check(&self, config: &RunConfig) -> anyhow::Result<()> {
        let missing = [
            ("--base or model.base", config.model.base.as_os_str().is_empty()),
            ("--output or output", config.output.as_os_str().is_empty()),
            ("--train or data.train", config.data.train.is_empty()),
        ];
        if let Some((what, _)) = missing.iter().find(|(_, missing)| *missing) {
            return usage(format!("{what} is needed"));
        }
        if self.rank >= self.processes {
            return usage("--rank must be below --processes");
        }
        Ok(())
    }

    /// Shows the settings, or trains.
    pub fn start(
        &self,
        config: &RunConfig,
        task: Task,
        global: &Global,
        out: &mut impl Write,
    ) -> anyhow::Result<Outcome> {
        if self.show_config {
            out.write_all(config.to_toml(task).as_bytes())?;
            return Ok(Outcome::Done);
        }
        self.check(config)?;
        let quiet = global.quiet;
        // Without a handler the run still goes on from its last checkpoint another time; so failure here is harmless.
        let _ = ctrlc::set_handler(move || {
            if STOP.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            if !quiet {
                eprintln!("\nstopping after this step (Ctrl-C again: at once)");
            }
        });
        let (rank, size) = (usize::from(self.rank), usize::from(self.processes));
        let peers = match size {
            1 => None,
            _ => Some(Peers::join(&self.address, rank, size).context("meeting the other processes")?),
        };
        let report = fine_tune(config, task, &STOP, global.quiet, peers)?;
        if rank > 0 {
            return Ok(Outcome::Done);
        }
        tell(&report, global, out)?;
        Ok(if matches!(report.end, End::Finished { .. }) { Outcome::Done } else { Outcome::Nothing })
    }
}

/// A path as a TOML text.
fn quoted(path: &std::path::Path) -> String {
    toml::Value::String(path.to_string_lossy().into_owned()).to_string()
}

fn tell(report: &Report, global: &Global, out: &mut impl Write) -> anyhow::Result<()> {
    let (steps, best) = match report.end {
        End::Finished { steps, best } => (steps, best.map(|(value, _)| value)),
        End::Stopped { steps } => (steps, None),
    };
    if global.json {
        let told = Told {
            finished: matches!(report.end, End::Finished { .. }),
            steps,
            best,
            model: report.model.as_ref(),
            onnx: report.onnx.as_ref().ok(),
            onnx_problem: report.onnx.as_ref().err().map(String::as_str),
            before: report.metrics.as_ref().map(|(before, _)| before),
            after: report.metrics.as_ref().map(|(_, after)| after),
            first_stage: report.first_stage.as_ref(),
            trained_parameters: report.parameters.0,
            parameters: report.parameters.1,
            fresh: &report.fresh,
        };
        return document(out, "train", &told);
    }
    let (trained, all) = (count(report.parameters.0 as u64), count(report.parameters.1 as u64));
    writeln!(out, "{steps} steps, {trained} of {all} numbers trained")?;
    let Some(model) = &report.model else {
        writeln!(out, "stopped; the same command goes on")?;
        return Ok(());
    };
    writeln!(out, "model  {}", model.display())?;
    match &report.onnx {
        Ok(onnx) => writeln!(out, "onnx   {}", onnx.display())?,
        Err(problem) => writeln!(out, "no ONNX model: {problem}")?,
    }
    if let Some((before, after)) = &report.metrics {
        let first = |metric: &str| match &report.first_stage {
            Some(first) => format!(" {:>8.4}", first.get(metric).copied().unwrap_or(0.0)),
            None => String::new(),
        };
        let heading = if report.first_stage.is_some() { "     BM25" } else { "" };
        writeln!(out, "{:<12}{heading} {:>8} {:>8}", "", "before", "after")?;
        for (metric, value) in after {
            let base = before.get(metric).copied().unwrap_or(0.0);
            writeln!(out, "{metric:<12}{} {base:>8.4} {value:>8.4}", first(metric))?;
        }
    }
    Ok(())
}
