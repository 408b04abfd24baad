//! `cargo xtask test`.

use crate::process::{self, root, say};
use crate::{build, fetch};
use clap::Args;
use std::process::Command;

/// Fetches what the tests need into Lateen's cache, then runs every test.
#[derive(Debug, Args)]
pub struct Test {
    /// Fetch nothing: tests that need what is missing say that they skip
    #[arg(long)]
    offline: bool,
    /// Handed to the test runner, for example the name of a test
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl Test {
    /// Fetches, runs the tests, runs the examples of the documentation.
    pub fn run(self) -> anyhow::Result<()> {
        let minilm = if self.offline { None } else { self.fetch()? };
        let prepared = |mut command: Command| {
            let data = root().join("../shared/data");
            if std::env::var_os("LATEEN_DATA").is_none() && data.is_dir() {
                command.env("LATEEN_DATA", data);
            }
            if let Some(minilm) = &minilm {
                command.env("LATEEN_MINILM", minilm);
            }
            command
        };
        let mut tests = prepared(process::cargo());
        if process::succeeds(process::cargo().args(["nextest", "--version"])) {
            tests.args(["nextest", "run", "--workspace"]);
        } else {
            say("cargo-nextest is not installed; running cargo test");
            tests.args(["test", "--workspace", "--all-targets"]);
        }
        process::run(tests.args(&self.arguments))?;
        if self.arguments.is_empty() {
            process::run(prepared(process::cargo()).args(["test", "--workspace", "--doc"]))?;
        }
        Ok(())
    }

    /// What cannot be fetched is said aloud, and the tests that need it skip.
    fn fetch(&self) -> anyhow::Result<Option<std::path::PathBuf>> {
        let lateen = build::tests()?;
        match fetch::onnxruntime(&lateen) {
            Ok(path) => say(format_args!("ONNX Runtime: {}", path.display())),
            Err(error) => say(format_args!("WITHOUT ONNX Runtime, tests that need it will skip: {error:#}")),
        }
        if let Some(given) = std::env::var_os("LATEEN_MINILM") {
            return Ok(Some(given.into()));
        }
        match fetch::minilm(&lateen) {
            Ok(path) => {
                say(format_args!("all-MiniLM-L6-v2: {}", path.display()));
                Ok(Some(path))
            }
            Err(error) => {
                say(format_args!("WITHOUT the MiniLM weights, tests that need them will skip: {error:#}"));
                Ok(None)
            }
        }
    }
}
