//! One comparison: systems over one data set, built, judged and timed.
//!
//! * **build**: each index in a fresh process on one thread. What was built stays in the working folder and is used
//!   again; Lateen's are rebuilt whenever the commit is another.
//! * **quality**: every query once per setting, hits kept.
//! * **latency**: all indexes open, each in its process; round after round, every setting of every system answers the
//!   same queries once. A setting that has used up its time sits out the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use crate::machine::{self, bytes_below};
use crate::measure::{Measured, rounded};
use crate::protocol::{Job, Search};
use crate::quality::Quality;
use crate::systems::{Setting, System};
use crate::worker::{Launcher, Worker};

/// How much is to be done.
#[derive(Clone)]
pub struct Effort {
    /// Which of `build`, `quality`, `latency` to do; the record is written from what is there.
    pub phases: Vec<String>,
    /// Names of the systems to run; all if empty.
    pub only: Vec<String>,
    pub rounds: usize,
    /// Queries of a round.
    pub timed: usize,
    /// Seconds that one setting may take in all rounds together.
    pub seconds: f64,
    /// The commit of the checkout.
    pub commit: String,
}

impl Effort {
    fn does(&self, phase: &str) -> bool {
        self.phases.iter().any(|named| named == phase)
    }

    /// Whether a system is to be run now.
    fn runs(&self, system: &System) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == system.name)
    }
}

/// A data set and the systems to be compared on it.
pub struct Suite<'a> {
    pub launcher: &'a Launcher,
    pub effort: &'a Effort,
    /// The folder of vectors or texts.
    pub data: PathBuf,
    /// Where indexes and intermediate results go.
    pub work: PathBuf,
    pub systems: Vec<System>,
    pub k: usize,
    pub quality: Quality,
    pub queries: usize,
}

impl Suite<'_> {
    /// Does the phases and returns the record: `head` with machine, systems and what is missing.
    pub fn run(&self, head: Value) -> anyhow::Result<Value> {
        std::fs::create_dir_all(&self.work)?;
        if self.effort.does("build") {
            self.each("build", |system| self.build(system));
        }
        if self.effort.does("quality") {
            self.each("quality", |system| self.judge(system));
        }
        if self.effort.does("latency") {
            self.time()?;
        }
        self.record(head)
    }

    /// Does something for every system; what fails is written down as missing, and the others go on.
    fn each(&self, phase: &str, work: impl Fn(&System) -> anyhow::Result<()>) {
        for system in self.systems.iter().filter(|system| self.effort.runs(system)) {
            // What was not built is missing already, and why is known.
            if phase == "quality" && !self.built(system).is_file() {
                continue;
            }
            match work(system) {
                Ok(()) => drop(std::fs::remove_file(self.file(system, "missing"))),
                Err(error) => self.miss(system, phase, &error),
            }
        }
    }

    fn miss(&self, system: &System, phase: &str, error: &anyhow::Error) {
        eprintln!("{} ({}): MISSING, {phase}: {error:#}", system.name, system.variant);
        let note = json!({ "phase": phase, "why": format!("{error:#}") });
        if let Err(error) = write(&self.file(system, "missing"), &note) {
            eprintln!("{error:#}");
        }
    }

    /// A file of intermediate results of one system.
    fn file(&self, system: &System, what: &str) -> PathBuf {
        let variant = system.variant.replace([' ', ','], "-");
        self.work.join(format!("{}-{variant}.{what}.json", system.name))
    }

    /// What is known of the build of a system's index.
    fn built(&self, system: &System) -> PathBuf {
        self.work.join(format!("{}.build.json", system.index))
    }

    fn index(&self, system: &System) -> PathBuf {
        self.work.join(system.index)
    }

    fn job(&self, system: &System) -> Job {
        Job { data: self.data.clone(), index: self.index(system), settings: system.build.clone() }
    }

    /// Whether `file` holds a result that still counts: of this commit, if it is of Lateen.
    fn current(&self, system: &System, file: &Path) -> bool {
        let Ok(found) = read(file) else { return false };
        system.name != "lateen" || found["commit"] == self.effort.commit.as_str()
    }

    fn build(&self, system: &System) -> anyhow::Result<()> {
        // Another system's index of the same name is taken as it is.
        let file = self.built(system);
        if self.current(system, &file) {
            return Ok(());
        }
        let (mut worker, about) = self.launcher.start(system.home, system.engine)?;
        let index = self.index(system);
        if index.exists() {
            std::fs::remove_dir_all(&index)?;
        }
        eprintln!("building {} ({})", system.name, system.variant);
        let built = worker.build(self.job(system))?;
        drop(worker);
        // Some write more files, or measure, when they first open what they have built.
        let (_, note) = self.launcher.start(system.home, system.engine)?.0.open(self.job(system))?;
        let bytes = if index.exists() { bytes_below(&index)? } else { 0 };
        let report = json!({
            "about": about, "settings": system.build, "commit": self.effort.commit, "bytes": bytes,
            "wall_seconds": rounded(built.wall_seconds), "cpu_seconds": rounded(built.cpu_seconds),
            "peak_mib": built.peak_mib.round(), "input_mib": built.input_mib.round(),
            "first_opened": note,
        });
        eprintln!("  {report}");
        write(&file, &report)
    }

    fn judge(&self, system: &System) -> anyhow::Result<()> {
        let file = self.file(system, "quality");
        if self.current(system, &file) {
            return Ok(());
        }
        let mut worker = self.open(system)?.0;
        let mut settings = json!({});
        for setting in &system.settings {
            let found = worker.search(self.search(setting, 0..self.queries as u32, true))?;
            let mut quality = self.quality.of(&found.hits)?;
            quality["note"] = found.note;
            eprintln!("  {} ({}), {}: {quality}", system.name, system.variant, setting.label);
            settings[&setting.label] = quality;
        }
        write(&file, &json!({ "commit": self.effort.commit, "settings": settings }))
    }

    fn open(&self, system: &System) -> anyhow::Result<(Worker, Option<f64>)> {
        let (mut worker, _) = self.launcher.start(system.home, system.engine)?;
        let (milliseconds, _) = worker.open(self.job(system))?;
        Ok((worker, milliseconds))
    }

    fn search(&self, setting: &Setting, queries: impl Iterator<Item = u32>, hits: bool) -> Search {
        Search { settings: setting.settings.clone(), k: self.k, queries: queries.collect(), hits }
    }

    /// The queries of a round, spread evenly.
    fn timed(&self) -> impl Iterator<Item = u32> + use<> {
        let (all, timed) = (self.queries, self.effort.timed.min(self.queries));
        (0..timed).map(move |at| (at * all / timed) as u32)
    }

    fn time(&self) -> anyhow::Result<()> {
        let mut running = Vec::new();
        for system in self.systems.iter().filter(|system| self.effort.runs(system)) {
            if !self.built(system).is_file() || self.file(system, "missing").is_file() {
                continue;
            }
            match self.open(system) {
                Ok((worker, open)) => {
                    let measured = system.settings.iter().map(|_| Measured::default()).collect();
                    running.push(Running { system, worker, open, measured, peak_mib: 0.0 });
                }
                Err(error) => self.miss(system, "latency", &error),
            }
        }
        // The first round warms up and is not counted.
        for round in 0..=self.effort.rounds {
            for running in &mut running {
                running.round(self, round)?;
            }
        }
        for running in &running {
            write(&self.file(running.system, "latency"), &running.report(&self.effort.commit))?;
        }
        Ok(())
    }

    fn record(&self, head: Value) -> anyhow::Result<Value> {
        let mut record = head;
        let mut missing = Vec::new();
        let mut systems = Vec::new();
        for system in &self.systems {
            let note = read(&self.file(system, "missing"));
            if let Ok(note) = note {
                missing.push(json!({ "system": system.name, "variant": system.variant, "why": note["why"] }));
                continue;
            }
            let Ok(build) = read(&self.built(system)) else {
                let why = "it was not run";
                missing.push(json!({ "system": system.name, "variant": system.variant, "why": why }));
                continue;
            };
            let quality = read(&self.file(system, "quality")).unwrap_or_default();
            let latency = read(&self.file(system, "latency")).unwrap_or_default();
            let settings = system.settings.iter().map(|setting| {
                let mut row = json!({ "setting": setting.label, "asked": setting.settings, "default": setting.default });
                merge(&mut row, &quality["settings"][&setting.label]);
                merge(&mut row, &latency["settings"][&setting.label]);
                row
            });
            systems.push(json!({
                "system": system.name, "variant": system.variant, "build": build,
                "open_ms": latency["open_ms"], "search_peak_mib": latency["search_peak_mib"],
                "settings": settings.collect::<Vec<_>>(),
            }));
        }
        let ours = json!({
            "k": self.k, "queries": self.queries, "timed_queries": self.effort.timed.min(self.queries),
            "rounds": self.effort.rounds, "threads": 1, "commit": self.effort.commit,
            "cpu": machine::cpu(), "memory_mib": machine::memory_mib().round(),
            "pinned_to_one_core": self.launcher.core.is_some(), "systems": systems, "missing": missing,
        });
        merge(&mut record, &ours);
        Ok(record)
    }
}

/// A system with its index open.
struct Running<'a> {
    system: &'a System,
    worker: Worker,
    open: Option<f64>,
    measured: Vec<Measured>,
    peak_mib: f64,
}

impl Running<'_> {
    fn round(&mut self, suite: &Suite<'_>, round: usize) -> anyhow::Result<()> {
        for (setting, measured) in self.system.settings.iter().zip(&mut self.measured) {
            // A slow setting's warm-up round is its first and, if it takes all the time there is, its last.
            if measured.spent() > suite.effort.seconds && measured.rounds() > 0 {
                continue;
            }
            let search = suite.search(setting, suite.timed(), false);
            let queries = search.queries.len();
            let found = self.worker.search(search).with_context(|| self.system.name)?;
            self.peak_mib = self.peak_mib.max(found.peak_mib);
            if round == 1 && measured.spent() <= suite.effort.seconds {
                *measured = Measured::default();
            }
            measured.add(found.seconds, queries);
        }
        Ok(())
    }

    fn report(&self, commit: &str) -> Value {
        let settings: BTreeMap<&str, Value> = self
            .system
            .settings
            .iter()
            .zip(&self.measured)
            .map(|(setting, measured)| (setting.label.as_str(), measured.report()))
            .collect();
        let open = self.open.filter(|ms| ms.is_finite()).map(rounded);
        json!({
            "commit": commit, "open_ms": open, "search_peak_mib": self.peak_mib.round(), "settings": settings,
        })
    }
}

/// Puts the fields of `from` into `into`.
fn merge(into: &mut Value, from: &Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}

pub fn read(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

pub fn write(path: &Path, value: &Value) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
