//! `cargo xtask sanitize`: the tests under the address or the thread sanitizer, on the stable toolchain; and
//! `cargo xtask long`: the tests that take too long for every day.

use crate::build;
use crate::process;
use anyhow::Context as _;
use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sanitizer {
    /// Reads and writes out of bounds, use after free, leaks
    Address,
    /// Races
    Thread,
}

/// Runs the tests of the library and the format under a sanitizer.
#[derive(Debug, Args)]
pub struct Sanitize {
    #[arg(value_enum, default_value_t = Sanitizer::Address)]
    sanitizer: Sanitizer,
    /// Handed to the tests, for example the beginning of their names
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl Sanitize {
    /// Builds with the sanitizer in a target directory of its own, and runs.
    pub fn run(self) -> anyhow::Result<()> {
        let (name, flags) = match self.sanitizer {
            Sanitizer::Address => ("address", "-Zsanitizer=address"),
            // The standard library is not instrumented, which only hides races inside it.
            Sanitizer::Thread => ("thread", "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"),
        };
        let home = build::target_directory()?.join(format!("sanitize-{name}"));
        let triple = process::host()?;
        let mut cargo = process::cargo();
        cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags).env("CARGO_TARGET_DIR", home);
        cargo.env("TSAN_OPTIONS", "halt_on_error=1").env("ASAN_OPTIONS", "detect_leaks=1");
        // A process for each test, where that can be had: some look at the memory of theirs.
        if process::succeeds(process::cargo().args(["nextest", "--version"])) {
            cargo.args(["nextest", "run"]);
        } else {
            cargo.arg("test");
        }
        // Without the runtimes of ONNX models: what they link is not instrumented.
        cargo.args(["--locked", "--package", "lateen", "--package", "lateen-index-format"]);
        cargo.args(["--lib", "--tests", "--no-default-features", "--features", "lateen/bundled-model"]);
        process::run(cargo.args(["--target", &triple, "--"]).args(&self.arguments))
    }
}

/// Runs the tests that are left out of every day's run.
#[derive(Debug, Args)]
pub struct Long {
    /// The beginning of their names, after `long_`
    name: Option<String>,
}

impl Long {
    /// Runs the ignored tests whose names contain `long_`.
    pub fn run(self) -> anyhow::Result<()> {
        let name = format!("long_{}", self.name.unwrap_or_default());
        let mut cargo = process::cargo();
        cargo.args(["test", "--package", "lateen", "--lib", "--test", "reliability", "--"]);
        process::run(cargo.args(["--ignored", "--nocapture", &name])).context("a long test")
    }
}
