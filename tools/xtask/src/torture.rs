//! `cargo xtask crash` and `cargo xtask soak`: the trials of `tools/torture`, as long as one likes.

use crate::process::{self, root};
use clap::{Args, Subcommand};
use std::ffi::OsString;

/// Kills, cuts, fills and damages, and looks what is left.
#[derive(Debug, Args)]
pub struct Crash {
    #[command(subcommand)]
    trial: Trial,
}

#[derive(Debug, Subcommand)]
enum Trial {
    /// Kill the writer again and again while others read: --rounds N
    Kill(Handed),
    /// Cut the power of a file system under the writer: --fs ext4|xfs --cuts N. Needs root
    Power(Handed),
    /// Fill a small file system under the writer: --rounds N. Needs root
    Full(Handed),
    /// Truncate, replace and unlink files under a reader: --rounds N
    Hazards(Handed),
}

/// Arguments of the trial itself.
#[derive(Debug, Args)]
struct Handed {
    /// See `--help` of the trial
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Crash {
    /// Builds the trials and runs one.
    pub fn run(self) -> anyhow::Result<()> {
        let (name, handed) = match self.trial {
            Trial::Kill(handed) => ("kill", handed),
            Trial::Power(handed) => ("power", handed),
            Trial::Full(handed) => ("full", handed),
            Trial::Hazards(handed) => ("hazards", handed),
        };
        run(name, handed.arguments)
    }
}

/// Reads and writes for minutes, and watches memory, descriptors, threads, disk and latency.
#[derive(Debug, Args)]
pub struct Soak {
    /// How long
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
}

impl Soak {
    /// Builds the trials and runs this one.
    pub fn run(self) -> anyhow::Result<()> {
        run("soak", vec!["--minutes".into(), self.minutes.to_string().into()])
    }
}

fn run(trial: &str, arguments: Vec<OsString>) -> anyhow::Result<()> {
    let mut cargo = process::cargo();
    cargo.current_dir(root()).args(["run", "--quiet", "--package", "lateen-torture", "--", trial]);
    process::run(cargo.args(arguments))
}
