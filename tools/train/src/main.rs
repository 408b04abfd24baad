//! `lateen-train`.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![forbid(unsafe_code)]

mod commands;
mod exit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lateen_train::config::Task;

const EXAMPLES: &str = "\
Examples:
  lateen-train colbert --base all-MiniLM-L6-v2 --train pairs.jsonl --output out
  lateen-train reranker --config run.toml --set training.epochs=3
  lateen-train data check train.jsonl test.jsonl     what is wrong, before hours are spent
  lateen-train data split all.jsonl --out split      train and test parts that share no texts";

/// Fine-tunes embedding, ColBERT and reranker models for Lateen.
#[derive(Debug, Parser)]
#[command(name = "lateen-train", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// Write results as JSON documents, one per line
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// No progress and no notes on standard error
    #[arg(long, short, global = true, help_heading = "Output")]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fine-tune a model that makes one vector of a text
    #[command(after_help = commands::train::HELP)]
    Embedding(commands::train::Train),
    /// Fine-tune a model that makes one vector of a token, compared by late interaction
    #[command(after_help = commands::train::HELP)]
    Colbert(commands::train::Train),
    /// Fine-tune a model that scores a query and a document together
    #[command(after_help = commands::train::HELP)]
    Reranker(commands::train::Train),
    Data(commands::data::Data),
    Distil(Box<commands::distil::Distil>),
    Merge(commands::merge::Merge),
    Mine(commands::mine::Mine),
    Prefer(commands::prefer::Prefer),
    Prune(commands::prune::Prune),
    Score(commands::score::Score),
    Student(commands::student::Student),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; a reader that went away changes nothing.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE.into() } else { exit::OK.into() };
        }
    };
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let result = match cli.command {
        Command::Embedding(command) => command.run(Task::Embedding, &cli.global, &mut out),
        Command::Colbert(command) => command.run(Task::Colbert, &cli.global, &mut out),
        Command::Reranker(command) => command.run(Task::Reranker, &cli.global, &mut out),
        Command::Data(command) => command.run(&cli.global, &mut out),
        Command::Distil(command) => command.run(&cli.global, &mut out),
        Command::Merge(command) => command.run(&cli.global, &mut out),
        Command::Mine(command) => command.run(&cli.global, &mut out),
        Command::Prefer(command) => command.run(&cli.global, &mut out),
        Command::Prune(command) => command.run(&cli.global, &mut out),
        Command::Score(command) => command.run(&cli.global, &mut out),
        Command::Student(command) => command.run(&cli.global, &mut out),
    };
    exit::finish(result, &mut out)
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
