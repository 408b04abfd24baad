//! `cargo xtask fuzz`: libFuzzer over every reader of foreign bytes, on the stable toolchain.
//!
//! The instrumentation that cargo-fuzz asks a nightly compiler for is asked for here with `RUSTC_BOOTSTRAP`, in a target
//! directory of its own. What the fuzzers find goes to `fuzz/artifacts/`, what they learn to `fuzz/corpus/`, neither of which
//! is committed; `--minimise` puts the least of it that reaches as much into `fuzz/seeds/`, which is.

use crate::build;
use crate::process::{self, root, say};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Counters at every edge, and the operands of comparisons, for libFuzzer; memory errors and overflows are findings.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Cdebug-assertions=on \
    -Coverflow-checks=on -Ccodegen-units=1";

/// Runs the fuzzers: all, or those named.
#[derive(Debug, Args)]
pub struct Fuzz {
    /// Which ones; the names are those of the files in fuzz/fuzz_targets
    targets: Vec<String>,
    /// Seconds for each
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The longest input in bytes
    #[arg(long, default_value_t = 4096)]
    longest: u64,
    /// Do not run; keep in fuzz/seeds what it takes to reach all that was reached
    #[arg(long)]
    minimise: bool,
}

impl Fuzz {
    /// Builds and runs; fails at the first finding.
    pub fn run(self) -> anyhow::Result<()> {
        let targets = self.targets()?;
        let triple = process::host()?;
        let home = build::target_directory()?.join("fuzz");
        say("building the fuzzers");
        let mut cargo = process::cargo();
        cargo.current_dir(root().join("fuzz"));
        cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &home);
        process::run(cargo.args(["build", "--release", "--locked", "--bins", "--target", &triple]))?;
        let binaries = home.join(&triple).join("release");
        let mut total = 0;
        for target in &targets {
            if self.minimise {
                minimise(&binaries, target)?;
            } else {
                let executions = self.one(&binaries, target)?;
                println!("{target}: {executions} executions in {} s", self.seconds);
                total += executions;
            }
        }
        println!("{total} executions of {} fuzzers, nothing found", targets.len());
        Ok(())
    }

    fn targets(&self) -> anyhow::Result<Vec<String>> {
        let folder = root().join("fuzz/fuzz_targets");
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let names = entries.filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()));
        let mut names: Vec<String> = names.collect();
        names.sort();
        if self.targets.is_empty() {
            return Ok(names);
        }
        for target in &self.targets {
            ensure!(names.contains(target), "there is no fuzzer {target}, only {}", names.join(", "));
        }
        Ok(self.targets.clone())
    }

    /// Returns how many inputs were tried.
    fn one(&self, binaries: &Path, target: &str) -> anyhow::Result<u64> {
        let (corpus, artifacts) = (folder("corpus", target)?, folder("artifacts", target)?);
        let mut command = Command::new(binaries.join(target));
        command.arg(&corpus).arg(root().join("fuzz/seeds").join(target));
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        command.arg(format!("-max_total_time={}", self.seconds)).arg(format!("-max_len={}", self.longest));
        command.args(["-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0"]);
        let output =
            command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {target}"))?;
        let told = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("{target} found something, see {}:\n{told}", artifacts.display());
        }
        executions(&told).with_context(|| format!("{target} did not say how often it ran:\n{told}"))
    }
}

fn folder(kind: &str, target: &str) -> anyhow::Result<PathBuf> {
    let folder = root().join("fuzz").join(kind).join(target);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn executions(told: &str) -> Option<u64> {
    let line = told.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

/// The seeds that are there stay, and the fewest others are added.
fn minimise(binaries: &Path, target: &str) -> anyhow::Result<()> {
    let (corpus, seeds) = (folder("corpus", target)?, root().join("fuzz/seeds").join(target));
    let mut command = Command::new(binaries.join(target));
    process::run(command.args(["-merge=1", "-verbosity=0"]).arg(seeds).arg(corpus))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_read_from_the_statistics() {
        let told = "Done 12 runs\nstat::number_of_executed_units: 123456\nstat::peak_rss_mb: 60\n";
        assert_eq!(executions(told), Some(123_456));
        assert_eq!(executions("no statistics"), None);
    }

    #[test]
    fn the_fuzzers_are_those_of_the_folder() {
        let fuzz = |targets: &[&str]| Fuzz {
            targets: targets.iter().map(|&target| target.to_owned()).collect(),
            seconds: 1,
            longest: 1,
            minimise: false,
        };
        let all = fuzz(&[]).targets().unwrap();
        assert!(all.contains(&"segment".to_owned()) && all.contains(&"model".to_owned()), "{all:?}");
        for target in &all {
            let seeds = root().join("fuzz/seeds").join(target);
            assert!(std::fs::read_dir(&seeds).is_ok_and(|mut files| files.next().is_some()), "{target}");
        }
        assert_eq!(fuzz(&["run"]).targets().unwrap(), ["run"]);
        assert!(fuzz(&["other"]).targets().is_err());
    }
}
