//! `cargo xtask demo`.

use crate::process::{self, say};
use crate::{build, process::root};
use anyhow::Context as _;
use clap::Args;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const QUERIES: [&str; 3] = [
    "why are there two high tides a day",
    "how do bees tell each other where flowers are",
    "which knot makes a loop that does not slip",
];

/// Indexes the sample corpus with the default model and searches it.
#[derive(Debug, Args)]
pub struct Demo {
    /// Queries instead of the three of the demo
    queries: Vec<String>,
}

impl Demo {
    /// Builds, indexes, searches.
    pub fn run(self) -> anyhow::Result<()> {
        say("building the release binary");
        let lateen = build::release()?;
        let home = build::target_directory()?.join("demo");
        std::fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        let index = home.join("sample.lateen");
        prepare(&lateen, &index)?;
        let given: Vec<&str> = self.queries.iter().map(String::as_str).collect();
        for query in if given.is_empty() { &QUERIES[..] } else { &given } {
            println!("\n$ lateen search {} \"{query}\" -k 3 -v", index.display());
            let mut search = Command::new(&lateen);
            process::run(search.arg("search").arg(&index).arg(query).args(["-k", "3", "-v"]))?;
        }
        Ok(())
    }
}

/// Makes the index, or goes on with the one of an earlier run.
fn prepare(lateen: &Path, index: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    let there = index.exists();
    if there {
        say(format_args!("reusing the index of an earlier run: {}", index.display()));
    } else {
        say(format_args!("indexing samples/corpus.jsonl into {}", index.display()));
    }
    let mut command = make(lateen, index);
    match process::run(&mut command) {
        // An index of an older model or format is no use any more.
        Err(error) if there => {
            say(format_args!("{error}; making the index again"));
            std::fs::remove_dir_all(index).with_context(|| format!("cannot remove {}", index.display()))?;
            process::run(&mut make(lateen, index))?;
        }
        other => other?,
    }
    say(format_args!("the index was ready after {:.2} s", start.elapsed().as_secs_f64()));
    Ok(())
}

fn make(lateen: &Path, index: &Path) -> Command {
    let mut command = Command::new(lateen);
    command.arg("index").arg(root().join("samples").join("corpus.jsonl")).arg("--out").arg(index);
    command
}
