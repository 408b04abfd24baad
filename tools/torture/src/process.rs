//! Starting this program again, as somebody who may die.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// This program, run once more.
pub fn again(arguments: &[&str], index: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this program's path")?);
    command.args(arguments).arg(index).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// A running writer, and what it promised so far.
pub struct Writing {
    child: Child,
    promised: Arc<AtomicU64>,
    reader: Option<JoinHandle<()>>,
}

/// How a writer ended.
pub struct Ended {
    pub status: ExitStatus,
    /// The last commit that it promised.
    pub promised: u64,
    /// What it said on standard error.
    pub told: String,
}

impl Writing {
    /// Starts a writer, and waits until it has the lock.
    pub fn start(index: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let mut child =
            again(&[&["write"][..], more].concat(), index)?.spawn().context("starting a writer")?;
        let out = child.stdout.take().context("the writer's output")?;
        let promised = Arc::new(AtomicU64::new(0));
        let (ready, started) = mpsc::channel();
        let reader = {
            let promised = Arc::clone(&promised);
            std::thread::spawn(move || read_promises(out, &promised, &ready))
        };
        let mut writing = Self { child, promised, reader: Some(reader) };
        if started.recv_timeout(Duration::from_secs(60)).is_err() {
            let ended = writing.kill()?;
            bail!("a writer did not get going ({}): {}", ended.status, ended.told);
        }
        Ok(writing)
    }

    /// The last commit that it promised so far.
    pub fn promised(&self) -> u64 {
        self.promised.load(Ordering::SeqCst)
    }

    /// Ends it without a warning (SIGKILL).
    pub fn kill(&mut self) -> anyhow::Result<Ended> {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> anyhow::Result<Ended> {
        let status = self.child.wait()?;
        if let Some(reader) = self.reader.take() {
            reader.join().ok().context("the thread that reads promises")?;
        }
        let mut told = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            std::io::Read::read_to_string(&mut stderr, &mut told)?;
        }
        Ok(Ended { status, promised: self.promised(), told })
    }
}

fn read_promises(out: ChildStdout, promised: &AtomicU64, ready: &mpsc::Sender<()>) {
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        if let Ok(commit) = line.parse() {
            promised.store(commit, Ordering::SeqCst);
            let _ = ready.send(());
        }
    }
}

/// Ends readers by closing their input; returns how often they read.
pub fn end_readers(readers: Vec<Child>) -> anyhow::Result<u64> {
    let mut times = 0;
    for reader in readers {
        let output = reader.wait_with_output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("a reader failed ({}): {told}", output.status);
        }
        let out = String::from_utf8_lossy(&output.stdout);
        times +=
            out.split(' ').next().and_then(|times| times.parse::<u64>().ok()).context("a reader's count")?;
    }
    Ok(times)
}
