use crate::args::Cli;
use crate::exit::Outcome;
use crate::output::Output;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

/// Print a script that completes `lateen` in a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lateen completions bash > ~/.local/share/bash-completion/completions/lateen"
)]
pub struct Completions {
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        // Made in memory first: a reader that goes away must not panic the generator.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "lateen", &mut script);
        output.raw().write_all(&script)?;
        Ok(Outcome::Done)
    }
}
