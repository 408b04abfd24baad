//! The repository's own commands: `cargo xtask demo`, `cargo xtask test`, `cargo xtask bench-peers` and the rest.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![forbid(unsafe_code)]

mod bench_peers;
mod build;
mod chart;
mod charts;
mod demo;
mod fetch;
mod peer_tables;
mod process;
mod tables;
mod test;

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
    /// Measure Lateen beside other engines on the same vectors
    BenchPeers(bench_peers::BenchPeers),
    /// Build the release binary, index the sample corpus, and search it
    Demo(demo::Demo),
    /// Write the README's tables from the records of the benches
    Tables(tables::Tables),
    /// Fetch what the tests need, then run every test
    Test(test::Test),
}

fn main() -> anyhow::Result<()> {
    match Xtask::parse().command {
        Command::BenchPeers(bench) => bench.run(),
        Command::Demo(demo) => demo.run(),
        Command::Tables(tables) => tables.run(),
        Command::Test(test) => test.run(),
    }
}
