//! Somebody truncates, replaces, unlinks or locks away files of an index while another process reads it.
//!
//! Files of an index are never changed in place by this library, so all of this is somebody else's doing. What the
//! reader may not do is answer wrongly; what it may do depends on how it reads. A mapped file that is truncated ends
//! the process (SIGBUS): that is the documented price of `ReadMode::Mmap`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use lateen::index::{FileDirectory, Index, IndexOptions, MergeMode, ReadMode};
use lateen::search::{PlanChoice, SearchOptions, search_tokens};
use lateen::types::TokenMatrix;
use serde_json::json;

use crate::child::writer_options;
use crate::ledger;
use crate::process::again;

const COMMITS: u64 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Mmap,
    Memory,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Mmap => "mmap",
            Self::Memory => "memory",
        }
    }
}

/// What happens to every segment between opening and reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Unlink,
    Replace,
    Forbid,
    Truncate(u64),
}

const EVENTS: [Event; 5] =
    [Event::Unlink, Event::Replace, Event::Forbid, Event::Truncate(2), Event::Truncate(u64::MAX)];

/// Opens, waits for a line of input, reads everything; prints the commit it saw.
#[derive(Debug, Args)]
pub struct Victim {
    #[arg(long, value_enum)]
    mode: Mode,
    index: PathBuf,
}

impl Victim {
    pub fn run(self) -> anyhow::Result<()> {
        let mode = match self.mode {
            Mode::Mmap => ReadMode::Mmap,
            Mode::Memory => ReadMode::InMemory,
        };
        let options = IndexOptions::default().with_read_mode(mode);
        let index = Index::open_in(Arc::new(FileDirectory::new(&self.index)), options)?;
        let mut out = std::io::stdout();
        writeln!(out, "opened")?;
        out.flush()?;
        std::io::stdin().read_line(&mut String::new())?;
        let snapshot = index.snapshot();
        let rows: Vec<f32> = (0..64).map(|at| (at as f32).sin()).collect();
        for plan in [PlanChoice::Exact, PlanChoice::Auto] {
            let query = TokenMatrix::new(&rows, 16)?;
            let found = search_tokens(&snapshot, query, &SearchOptions { plan, ..SearchOptions::top(5) })?;
            ensure!(found.hits.len() == 5, "{} hits", found.hits.len());
        }
        writeln!(out, "read {}", ledger::check(&snapshot)?)?;
        Ok(())
    }
}

#[derive(Debug, Args)]
pub struct Hazards {
    /// How often each event happens in each mode
    #[arg(long, default_value_t = 20)]
    rounds: u64,
}

#[derive(Debug, Default)]
struct Counts {
    right: u64,
    refused: u64,
    ended: u64,
}

impl Hazards {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let sound = folder.path().join("sound");
        let index = Index::create(&sound, &ledger::settings(), &ledger::model())?;
        let mut writer = index.writer(writer_options(MergeMode::Manual))?;
        (1..=COMMITS).try_for_each(|commit| ledger::commit(&mut writer, commit))?;
        drop((writer, index));
        let mut report = serde_json::Map::new();
        for mode in [Mode::Mmap, Mode::Memory] {
            for event in EVENTS {
                let mut counts = Counts::default();
                for round in 0..self.rounds {
                    let copy = folder.path().join(format!("{}-{round}", mode.name()));
                    copy_folder(&sound, &copy)?;
                    one(mode, event, &copy, &mut counts).with_context(|| format!("{mode:?}, {event:?}"))?;
                    std::fs::remove_dir_all(&copy)?;
                }
                let Counts { right, refused, ended } = counts;
                let value =
                    json!({ "right": right, "refused": refused, "ended_by_a_signal": ended, "wrong": 0 });
                report.insert(format!("{} {event:?}", mode.name()), value);
            }
        }
        println!("{}", json!({ "trial": "hazards", "rounds": self.rounds, "events": report }));
        Ok(())
    }
}

fn one(mode: Mode, event: Event, index: &Path, counts: &mut Counts) -> anyhow::Result<()> {
    let mut child = again(&["victim", "--mode", mode.name()], index)?.spawn()?;
    let mut out = BufReader::new(child.stdout.take().context("the victim's output")?);
    let mut line = String::new();
    out.read_line(&mut line)?;
    ensure!(line == "opened\n", "the victim said {line:?}");
    for path in segments(index)? {
        happen(event, &path)?;
    }
    child.stdin.take().context("the victim's input")?.write_all(b"\n")?;
    line.clear();
    out.read_to_string(&mut line)?;
    let output = child.wait_with_output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(!told.contains("panicked"), "the victim panicked: {told}");
    let truncated = matches!(event, Event::Truncate(_)) && mode == Mode::Mmap;
    match output.status.code() {
        Some(0) => {
            ensure!(line == format!("read {COMMITS}\n"), "a wrong answer: {line:?}");
            counts.right += 1;
        }
        Some(_) if truncated => counts.refused += 1,
        None if truncated => counts.ended += 1,
        _ => bail!("the victim ended with {}: {told}", output.status),
    }
    Ok(())
}

fn happen(event: Event, path: &Path) -> anyhow::Result<()> {
    match event {
        Event::Unlink => std::fs::remove_file(path)?,
        Event::Replace => {
            let other = path.with_extension("other");
            std::fs::write(&other, vec![0x5a; 4096])?;
            std::fs::rename(&other, path)?;
        }
        Event::Forbid => forbid(path)?,
        Event::Truncate(part) => {
            let file = std::fs::OpenOptions::new().write(true).open(path)?;
            file.set_len(file.metadata()?.len() / part)?;
        }
    }
    Ok(())
}

/// Nobody may read it any more; who has it open still can.
fn forbid(path: &Path) -> std::io::Result<()> {
    let mut permissions = std::fs::metadata(path)?.permissions();
    #[cfg(unix)]
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0);
    #[cfg(not(unix))]
    permissions.set_readonly(true);
    std::fs::set_permissions(path, permissions)
}

fn segments(index: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(index)?.map(|entry| Ok(entry?.path()));
    let paths = entries.collect::<std::io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|found| found == "lts")).collect())
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
