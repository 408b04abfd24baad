//! `lateen-torture`: programs that are killed, unplugged, or run out of room while they write an index, and others
//! that look what is left. `cargo xtask crash` and `cargo xtask soak` drive it; its tests are the short versions.
//!
//! Every command prints one JSON object with what it did. A broken promise is an error that says what was promised.

#![forbid(unsafe_code)]

mod child;
mod full;
mod hazards;
mod image;
mod kill;
mod ledger;
mod power;
mod process;
mod soak;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "lateen-torture")]
struct Torture {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kill the writer again and again while others read
    Kill(kill::Kill),
    /// Cut the power of the file system under the writer again and again
    Power(power::Power),
    /// Fill the file system under the writer
    Full(full::Full),
    /// Damage files under a process that reads them
    Hazards(hazards::Hazards),
    /// Read and write for minutes, and watch memory, descriptors, threads, disk and latency
    Soak(soak::Soak),
    /// The writer of `kill`, `power` and `full`: commits until it is stopped
    #[command(hide = true)]
    Write(child::Write),
    /// The reader of `kill`: reads until its input ends
    #[command(hide = true)]
    Read(child::Read),
    /// The reader of `hazards`: opens, waits for a line of input, reads everything
    #[command(hide = true)]
    Victim(hazards::Victim),
}

fn main() -> anyhow::Result<()> {
    match Torture::parse().command {
        Command::Kill(command) => command.run(),
        Command::Power(command) => command.run(),
        Command::Full(command) => command.run(),
        Command::Hazards(command) => command.run(),
        Command::Soak(command) => command.run(),
        Command::Write(command) => command.run(),
        Command::Read(command) => command.run(),
        Command::Victim(command) => command.run(),
    }
}
