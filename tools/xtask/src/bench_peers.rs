//! `cargo xtask bench-peers`: Lateen beside other engines, on the same vectors.

use crate::process::{self, root, say};
use crate::{build, fetch};
use anyhow::Context as _;
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Measures Lateen beside its peers: builds, installs and encodes what is missing, writes benches/record/peers-*.json.
#[derive(Debug, Args)]
pub struct BenchPeers {
    /// Collections and corpora: `collections/scifact`, `corpora/open-english-wordnet`, `corpora/books-en`
    /// [default: what LATEEN_DATA names, else ../shared/data]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where indexes, the Python environment and intermediate results go; some 15 GB for everything
    #[arg(long)]
    work: PathBuf,
    /// Where the encoded collections are, or are to be put; in the working folder unless given
    #[arg(long)]
    encoded: Option<PathBuf>,
    /// A late-interaction model directory to encode with; all-MiniLM-L6-v2, fetched and converted, unless given
    #[arg(long)]
    model: Option<PathBuf>,
    /// Which comparisons; all unless given
    #[arg(long, value_delimiter = ',')]
    only: Vec<Comparison>,
    /// Handed to the harness, for example `--systems lateen,next-plaid --phases latency`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// A comparison, and the record that it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Comparison {
    /// Late interaction on SciFact
    Scifact,
    /// Late interaction on five million tokens
    Books,
    /// One vector per document
    Dense,
    /// MaxSim kernels
    Maxsim,
    /// BM25
    Text,
    /// Growth from 0.1 to 20 million tokens
    Scaling,
}

const ALL: [Comparison; 6] = [
    Comparison::Maxsim,
    Comparison::Text,
    Comparison::Dense,
    Comparison::Scifact,
    Comparison::Books,
    Comparison::Scaling,
];

/// The encoded collections, in the order in which larger ones are made of them.
const COLLECTIONS: [&str; 3] = ["scifact", "wordnet", "books"];

impl BenchPeers {
    /// Prepares, then runs one comparison after another.
    pub fn run(self) -> anyhow::Result<()> {
        let work = std::path::absolute(&self.work)?;
        std::fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        let harness = harness(None)?;
        let openblas = openblas();
        let python = python(&work);
        let chosen = if self.only.is_empty() { ALL.to_vec() } else { self.only.clone() };
        let encoded = self.encoded(&work, &chosen)?;
        let commit = commit();
        for comparison in chosen {
            say(format_args!("comparing: {comparison:?}"));
            let mut command = Command::new(&harness);
            self.describe(comparison, &encoded, &mut command);
            command.arg("--work").arg(&work).args(["--commit", &commit]);
            for (option, path) in [("--python", &python), ("--openblas", &openblas)] {
                if let Some(path) = path {
                    command.arg(option).arg(path);
                }
            }
            process::run(command.args(&self.arguments))?;
        }
        say("done; `cargo xtask tables` writes tables and charts from the records");
        Ok(())
    }

    /// A folder or file of the collections.
    fn data(&self, path: &str) -> PathBuf {
        let given = self.data.clone().or_else(|| Some(std::env::var_os("LATEEN_DATA")?.into()));
        given.unwrap_or_else(|| root().join("../shared/data")).join(path)
    }

    fn describe(&self, comparison: Comparison, encoded: &Path, command: &mut Command) {
        let folders = |names: &[&str]| {
            let paths = names.iter().map(|name| encoded.join(name).display().to_string());
            paths.collect::<Vec<_>>().join(",")
        };
        let (first, all) = (folders(&COLLECTIONS[..1]), folders(&COLLECTIONS));
        let record = |name: &str| root().join("benches/record").join(name).display().to_string();
        let beir = self.data("collections/scifact").display().to_string();
        let words = match comparison {
            Comparison::Scifact => {
                ["tokens --name scifact --data", &first, "--record", &record("peers-scifact.json")]
                    .map(str::to_owned)
            }
            Comparison::Books => {
                let head = "tokens --name books --tokens 5000000 --data";
                [head, &all, "--record", &record("peers-books.json")].map(str::to_owned)
            }
            Comparison::Dense => [
                "dense --name scifact --timed 1000 --data",
                &first,
                "--record",
                &record("peers-dense-100k.json"),
            ]
            .map(str::to_owned),
            Comparison::Maxsim => {
                ["maxsim --name scifact --rounds 20 --data", &first, "--record", &record("peers-maxsim.json")]
                    .map(str::to_owned)
            }
            Comparison::Text => {
                ["text --name scifact --timed 300 --beir", &beir, "--record", &record("peers-text.json")]
                    .map(str::to_owned)
            }
            Comparison::Scaling => {
                let head = "scaling --name mixture --sizes 100000,1000000,5000000,20000000 --data";
                [head, &all, "--record", &record("scaling.json")].map(str::to_owned)
            }
        };
        let [head, data, option, record] = words;
        command.args(head.split(' ')).args([data, option, record]);
    }

    /// Where the encoded collections are; those that are needed and missing are made.
    fn encoded(&self, work: &Path, chosen: &[Comparison]) -> anyhow::Result<PathBuf> {
        let encoded = self.encoded.clone().unwrap_or_else(|| work.join("encoded"));
        let encoded = std::path::absolute(encoded)?;
        let large = [Comparison::Books, Comparison::Scaling];
        let needed =
            if chosen.iter().any(|one| large.contains(one)) { &COLLECTIONS[..] } else { &COLLECTIONS[..1] };
        let missing = needed.iter().filter(|name| !encoded.join(name).join("lengths.npy").is_file());
        let missing: Vec<&&str> = missing.collect();
        if missing.is_empty() {
            return Ok(encoded);
        }
        let model = match &self.model {
            Some(model) => model.clone(),
            None => self.convert_model(work)?,
        };
        for name in missing {
            say(format_args!("encoding {name}; on two cores this takes minutes per million tokens"));
            let mut command = process::cargo();
            command.args(["run", "--quiet", "--release", "--example", "encode_collection", "--"]);
            command.arg(&model).arg(encoded.join(name));
            match *name {
                "scifact" => command.arg("--beir").arg(self.data("collections/scifact")),
                "wordnet" => command.arg(self.data("corpora/open-english-wordnet/synsets.jsonl.gz")),
                _ => command.args(files(&self.data("corpora/books-en"), ".jsonl.gz")?),
            };
            process::run(&mut command)?;
        }
        Ok(encoded)
    }

    /// all-MiniLM-L6-v2 as a late-interaction model of 128 dimensions, fitted to SciFact.
    fn convert_model(&self, work: &Path) -> anyhow::Result<PathBuf> {
        let model = work.join("minilm-tokens128");
        if !model.join("model.onnx").is_file() {
            let lateen = build::release()?;
            let source = fetch::minilm(&lateen)?;
            let mut command = Command::new(&lateen);
            command
                .args(["model", "convert"])
                .arg(source)
                .arg(&model)
                .args(["--head", "tokens", "--dim", "128"]);
            command.arg("--fit").arg(self.data("collections/scifact/corpus.jsonl.gz"));
            process::run(&mut command)?;
        }
        Ok(model)
    }
}

/// Builds the harness, in a workspace of its own, with a feature if one is named; returns the program under a name of
/// its own.
fn harness(feature: Option<&str>) -> anyhow::Result<PathBuf> {
    say(format_args!("building benches/peers {}", feature.unwrap_or_default()));
    let target = build::target_directory()?.join("peers");
    let mut command = process::cargo();
    command.args(["build", "--release", "--locked", "--manifest-path", "benches/peers/Cargo.toml"]);
    command.arg("--target-dir").arg(&target);
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
    process::run(&mut command)?;
    let built = target.join("release").join("lateen-peers");
    let named = target.join(format!("lateen-peers-{}", feature.unwrap_or("plain")));
    std::fs::copy(&built, &named).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(named)
}

/// The harness with next-plaid on OpenBLAS, where the system has that library.
fn openblas() -> Option<PathBuf> {
    if !process::succeeds(Command::new("pkg-config").args(["--exists", "openblas"])) {
        say("WITHOUT next-plaid on OpenBLAS: pkg-config finds no openblas here");
        return None;
    }
    match harness(Some("openblas")) {
        Ok(path) => Some(path),
        Err(error) => {
            say(format_args!("WITHOUT next-plaid on OpenBLAS: {error:#}"));
            None
        }
    }
}

/// The Python of an environment with the peers in it. What cannot be installed is said, and missing in the records.
fn python(work: &Path) -> Option<PathBuf> {
    let home = work.join("venv");
    let python = home.join("bin/python");
    if !python.is_file() {
        let made = process::run(fetch::python().args(["-m", "venv"]).arg(&home));
        if let Err(error) = made {
            say(format_args!("WITHOUT the Python peers: {error:#}"));
            return None;
        }
    }
    let requirements =
        std::fs::read_to_string(root().join("benches/peers/requirements.txt")).unwrap_or_default();
    let packages = requirements.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for package in packages {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]);
        if let Err(error) = process::run(&mut pip) {
            say(format_args!("WITHOUT {package}: {error:#}"));
        }
    }
    Some(python)
}

/// The files of a folder that end so, sorted.
fn files(folder: &Path, end: &str) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.to_string_lossy().ends_with(end)).collect();
    paths.sort();
    Ok(paths)
}

/// The checkout's commit, marked where files differ from it.
fn commit() -> String {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["describe", "--always", "--dirty=+", "--exclude=*"]);
    process::read(&mut git).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}
