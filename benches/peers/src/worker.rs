//! The processes that systems run in.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::protocol::{Built, Job, Request, Search, Searched};

/// How workers are started on this machine.
pub struct Launcher {
    /// The Python of the peers' virtual environment; without one, Python peers are missing.
    pub python: Option<PathBuf>,
    /// `peers.py`.
    pub script: PathBuf,
    /// This program built with next-plaid's OpenBLAS; without it, that variant is missing.
    pub openblas: Option<PathBuf>,
    /// The core that workers are pinned to, where `taskset` is there.
    pub core: Option<usize>,
}

/// Where a system's code runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// In this program.
    Rust,
    /// In this program, built with OpenBLAS.
    RustOpenBlas,
    /// In the peers' virtual environment.
    Python,
}

/// Thread pools that would otherwise take every core.
const ONE_THREAD: [&str; 5] = [
    "RAYON_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
];
/// Settings that would keep a library from the kernels it would choose itself.
const CLEARED: [&str; 3] = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_VERBOSE"];

impl Launcher {
    /// Starts the worker of the engine `name`; says hello.
    pub fn start(&self, home: Home, name: &str) -> anyhow::Result<(Worker, Value)> {
        let (program, words) = match home {
            Home::Rust => (std::env::current_exe()?, vec!["worker".into(), name.into()]),
            Home::RustOpenBlas => {
                let program = self.openblas.clone().context("it was not built with OpenBLAS")?;
                (program, vec!["worker".into(), name.into()])
            }
            Home::Python => {
                let program = self.python.clone().context("there is no Python environment")?;
                (program, vec![self.script.clone().into_os_string(), name.into()])
            }
        };
        let mut command = match self.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.arg("--cpu-list").arg(core.to_string()).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.envs(ONE_THREAD.map(|name| (name, "1")));
        for name in CLEARED {
            command.env_remove(name);
        }
        let mut child = command.spawn().with_context(|| format!("cannot start the worker of {name}"))?;
        let input = child.stdin.take().context("a worker without an input")?;
        let output = BufReader::new(child.stdout.take().context("a worker without an output")?);
        let mut worker = Worker { name: name.to_owned(), child, input: Some(input), output };
        let about = worker.ask(&Request::Hello)?;
        Ok((worker, about))
    }
}

/// A running worker; it ends when this is dropped.
pub struct Worker {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    pub fn build(&mut self, job: Job) -> anyhow::Result<Built> {
        self.ask(&Request::Build(job))
    }

    /// Opens an index; returns the milliseconds that it took, and what the engine notes.
    pub fn open(&mut self, job: Job) -> anyhow::Result<(Option<f64>, Value)> {
        let reply: Value = self.ask(&Request::Open(job))?;
        Ok((reply["milliseconds"].as_f64(), reply["note"].clone()))
    }

    pub fn search(&mut self, search: Search) -> anyhow::Result<Searched> {
        self.ask(&Request::Search(search))
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> anyhow::Result<T> {
        let name = &self.name;
        let input = self.input.as_mut().context("the worker has ended")?;
        writeln!(input, "{}", serde_json::to_string(request)?)
            .with_context(|| format!("the worker of {name} does not listen"))?;
        input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            bail!("the worker of {name} ended without an answer");
        }
        let reply: Value = serde_json::from_str(&line).with_context(|| format!("{name} replied {line:?}"))?;
        if let Some(error) = reply["error"].as_str() {
            bail!("{name}: {error}");
        }
        serde_json::from_value(reply).with_context(|| format!("the reply of {name}"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A closed input is the word to end; what does not hear it is killed.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether workers can be pinned to a core here.
pub fn can_pin() -> bool {
    let quiet = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    quiet(Command::new("taskset").args(["--cpu-list", "0", "true"]))
}
