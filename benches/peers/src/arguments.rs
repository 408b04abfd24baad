//! The command line.

use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::suite::Effort;
use crate::worker::{Launcher, can_pin};

/// What was asked on the command line.
pub struct Arguments {
    /// Encoded collections, the one with the queries first.
    pub data: Vec<PathBuf>,
    /// A BEIR folder of texts.
    pub beir: Option<PathBuf>,
    /// What the data set is called in the record.
    pub name: String,
    /// Tokens of the collection, or of each collection of a scaling study.
    pub sizes: Vec<u64>,
    pub work: PathBuf,
    pub record: PathBuf,
    /// What Lateen's writer may use.
    pub memory_mib: u64,
    pub launcher: Launcher,
    pub effort: Effort,
}

impl Arguments {
    pub fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers.py");
        let core = can_pin().then_some(0);
        let mut parsed = Self {
            data: Vec::new(),
            beir: None,
            name: "collection".to_owned(),
            sizes: Vec::new(),
            work: PathBuf::new(),
            record: PathBuf::new(),
            memory_mib: 1024,
            launcher: Launcher { python: None, script, openblas: None, core },
            effort: Effort {
                phases: ["build", "quality", "latency"].map(str::to_owned).to_vec(),
                only: Vec::new(),
                rounds: 5,
                timed: 100,
                seconds: 20.0,
                commit: "unknown".to_owned(),
            },
        };
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            parsed.set(&word, value)?;
        }
        for (path, name) in [(&parsed.work, "--work DIR"), (&parsed.record, "--record FILE")] {
            anyhow::ensure!(!path.as_os_str().is_empty(), "{name} is needed");
        }
        Ok(parsed)
    }

    fn set(&mut self, word: &str, value: String) -> anyhow::Result<()> {
        let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
        match word {
            "--data" => self.data = list().into_iter().map(PathBuf::from).collect(),
            "--beir" => self.beir = Some(value.into()),
            "--name" => self.name = value,
            "--tokens" | "--sizes" => {
                self.sizes = list().iter().map(|n| n.parse()).collect::<Result<_, _>>()?
            }
            "--work" => self.work = std::path::absolute(value)?,
            "--record" => self.record = value.into(),
            "--memory-mib" => self.memory_mib = value.parse()?,
            "--python" => self.launcher.python = Some(value.into()),
            "--openblas" => self.launcher.openblas = Some(value.into()),
            "--core" => self.launcher.core = Some(value.parse()?),
            "--phases" => self.effort.phases = list(),
            "--systems" => self.effort.only = list(),
            "--rounds" => self.effort.rounds = value.parse()?,
            "--timed" => self.effort.timed = value.parse()?,
            "--seconds" => self.effort.seconds = value.parse()?,
            "--commit" => self.effort.commit = value,
            other => bail!("unknown argument {other}"),
        }
        Ok(())
    }
}
