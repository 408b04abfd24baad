//! The `lateen` command: builds, queries and checks Lateen indexes.
//!
//! Arguments, words and exit codes live here; whatever is worth testing by itself is in the library.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![forbid(unsafe_code)]

mod args;
mod commands;
mod exit;
mod interrupt;
mod output;
mod page;
mod progress;
mod size;
mod study;
mod text;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; a reader that went away changes nothing.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE.into() } else { exit::OK.into() };
        }
    };
    interrupt::install();
    let mut output = output::Output::new(&cli.global);
    let result = cli.command.run(&mut output);
    exit::finish(result, &mut output)
}
