//! The repository's own commands: `cargo xtask demo`, `cargo xtask test` and the rest.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![forbid(unsafe_code)]

mod build;
mod demo;
mod fetch;
mod fuzz;
mod process;
mod sanitize;
mod tables;
mod test;
mod torture;

use clap::{Parser, Subcommand};

/// The commands of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the release binary, index the sample corpus, and search it
    Demo(demo::Demo),
    /// Kill, unplug, fill up and damage, and look what is left
    Crash(torture::Crash),
    /// Run the fuzzers
    Fuzz(fuzz::Fuzz),
    /// Run the tests that take too long for every day
    Long(sanitize::Long),
    /// Run the tests under a sanitizer
    Sanitize(sanitize::Sanitize),
    /// Read and write for minutes, and watch what the process holds
    Soak(torture::Soak),
    /// Write the README's tables from the records of the benches
    Tables(tables::Tables),
    /// Fetch what the tests need, then run every test
    Test(test::Test),
}

fn main() -> anyhow::Result<()> {
    match Xtask::parse().command {
        Command::Demo(demo) => demo.run(),
        Command::Crash(crash) => crash.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
        Command::Long(long) => long.run(),
        Command::Sanitize(sanitize) => sanitize.run(),
        Command::Soak(soak) => soak.run(),
        Command::Tables(tables) => tables.run(),
        Command::Test(test) => test.run(),
    }
}
