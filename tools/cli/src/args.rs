//! The command line as typed. What the values mean together is checked by each command.

use crate::{commands, exit};
use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  lateen index docs.jsonl --out my.lateen      index a file or a folder
  lateen search my.lateen how do tides work    search it
  lateen search my.lateen tides --json         the same for machines";

/// Embedded retrieval with late-interaction (ColBERT) models.
#[derive(Debug, Parser)]
#[command(name = "lateen", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Write results as JSON documents, one per line (docs/json.md)
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// No progress and no notes on standard error
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
    /// Say more on standard error: what ran, and how long each stage took
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
    /// Colours: auto honours NO_COLOR and asks whether there is a terminal
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", help_heading = "Output")]
    pub color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// Makes this the choice of the process.
    pub fn write_global(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Index(commands::index::Index),
    Add(commands::add::Add),
    Delete(commands::delete::Delete),
    Compact(commands::compact::Compact),
    Search(commands::search::Search),
    Rerank(commands::rerank::Rerank),
    Calibrate(commands::calibrate::Calibrate),
    Stats(commands::stats::Stats),
    Inspect(commands::inspect::Inspect),
    Verify(commands::verify::Verify),
    Repair(commands::repair::Repair),
    Backup(commands::backup::Backup),
    Export(commands::export::Export),
    Import(commands::import::Import),
    Upgrade(commands::upgrade::Upgrade),
    Eval(commands::eval::Eval),
    Tune(commands::tune::Tune),
    Advise(commands::advise::Advise),
    Encode(commands::encode::Encode),
    Model(commands::model::Model),
    Runtime(commands::runtime::Runtime),
    Completions(commands::completions::Completions),
}

impl Command {
    /// Does what was asked for.
    pub fn run(self, output: &mut crate::output::Output) -> anyhow::Result<exit::Outcome> {
        match self {
            Self::Index(command) => command.run(output),
            Self::Add(command) => command.run(output),
            Self::Delete(command) => command.run(output),
            Self::Compact(command) => command.run(output),
            Self::Search(command) => command.run(output),
            Self::Rerank(command) => command.run(output),
            Self::Calibrate(command) => command.run(output),
            Self::Stats(command) => command.run(output),
            Self::Inspect(command) => command.run(output),
            Self::Verify(command) => command.run(output),
            Self::Repair(command) => command.run(output),
            Self::Backup(command) => command.run(output),
            Self::Export(command) => command.run(output),
            Self::Import(command) => command.run(output),
            Self::Upgrade(command) => command.run(output),
            Self::Eval(command) => command.run(output),
            Self::Tune(command) => command.run(output),
            Self::Advise(command) => command.run(output),
            Self::Encode(command) => command.run(output),
            Self::Model(command) => command.run(output),
            Self::Runtime(command) => command.run(output),
            Self::Completions(command) => command.run(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
