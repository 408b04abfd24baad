use crate::exit::Outcome;
use crate::output::Output;
use crate::size;
use crate::text::plain;
use clap::Args;
use lateen::index::{VerifyLevel, verify};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Check that no file of an index is missing or damaged
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lateen verify my.lateen --full\n\nExit code 1 means that damage was found."
)]
pub struct Verify {
    /// The index
    index: PathBuf,
    /// Also check what the bytes mean: that every list, id and link points where something is
    #[arg(long)]
    full: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    index: &'a Path,
    sound: bool,
    level: &'static str,
    generation: u64,
    files: u64,
    bytes: u64,
    findings: Vec<FindingBody>,
}

#[derive(Serialize)]
struct FindingBody {
    file: PathBuf,
    section: Option<String>,
    problem: String,
}

impl Verify {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let (level, name) =
            if self.full { (VerifyLevel::Full, "full") } else { (VerifyLevel::Quick, "quick") };
        let report = verify(&self.index, level)?;
        let finding = |finding: &lateen::index::Finding| FindingBody {
            file: finding.file.clone(),
            section: finding.section.map(|section| section.to_string()),
            problem: finding.problem.to_string(),
        };
        let body = Body {
            index: &self.index,
            sound: report.findings.is_empty(),
            level: name,
            generation: report.generation,
            files: report.files,
            bytes: report.bytes,
            findings: report.findings.iter().map(finding).collect(),
        };
        if output.json {
            output.document("verify", &body)?;
        } else {
            body.write(output)?;
        }
        Ok(if body.sound { Outcome::Done } else { Outcome::Nothing })
    }
}

impl Body<'_> {
    fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        for finding in &self.findings {
            let section = finding.section.as_deref().map_or_else(String::new, |name| format!(", {name}"));
            output.line(plain(&format!("{}{section}: {}", finding.file.display(), finding.problem)))?;
        }
        let checked = format!("{} and {} checked", size::count(self.files, "file"), size::bytes(self.bytes));
        let verdict = match self.findings.len() as u64 {
            0 => "sound".to_owned(),
            count => format!(
                "damaged, {}; restore the files from a copy, or index again",
                size::count(count, "finding")
            ),
        };
        output.line(format_args!("{}: {verdict} ({}, {checked})", self.index.display(), self.level))?;
        Ok(())
    }
}
