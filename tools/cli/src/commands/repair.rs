use crate::exit::Outcome;
use crate::output::Output;
use crate::size;
use crate::text::plain;
use clap::Args;
use lateen::index::{RepairReport, RepairedSegment, repair};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Example:
  lateen repair my.lateen

Copy the folder away first if what is damaged may matter: damaged files go with the next change of
the index. Exit code 1 means that documents are lost; their ids are listed.";

/// Make a damaged index whole again: keep every document that can be read, list those that are lost
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Repair {
    /// The index
    index: PathBuf,
}

#[derive(Serialize)]
struct Body<'a> {
    index: &'a Path,
    sound: bool,
    newest_generation: u64,
    repaired_generation: u64,
    generation: Option<u64>,
    documents: u64,
    segments: Vec<SegmentBody<'a>>,
}

#[derive(Serialize)]
struct SegmentBody<'a> {
    number: u64,
    kept: u64,
    lost: &'a [String],
    lost_unnamed: u64,
    deletions_lost: bool,
    problem: Option<&'a str>,
}

impl Repair {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let report = repair(&self.index)?;
        let lost = report.repaired != report.newest
            || report.segments.iter().any(|segment| {
                !segment.lost.is_empty() || segment.lost_unnamed > 0 || segment.deletions_lost
            });
        if output.json {
            output.document("repair", &self.body(&report))?;
        } else {
            self.write(&report, output)?;
        }
        Ok(if lost { Outcome::Nothing } else { Outcome::Done })
    }

    fn body<'a>(&'a self, report: &'a RepairReport) -> Body<'a> {
        let segment = |segment: &'a RepairedSegment| SegmentBody {
            number: segment.number,
            kept: segment.kept,
            lost: &segment.lost,
            lost_unnamed: segment.lost_unnamed,
            deletions_lost: segment.deletions_lost,
            problem: segment.unreadable.as_deref(),
        };
        Body {
            index: &self.index,
            sound: report.was_whole(),
            newest_generation: report.newest,
            repaired_generation: report.repaired,
            generation: report.generation,
            documents: report.documents,
            segments: report.segments.iter().map(segment).collect(),
        }
    }

    fn write(&self, report: &RepairReport, output: &mut Output) -> anyhow::Result<()> {
        if report.repaired != report.newest {
            output.line(format_args!(
                "commit {} cannot be read; commit {} takes its place, and what was committed since is lost",
                report.newest, report.repaired
            ))?;
        }
        for segment in &report.segments {
            let lost = segment.lost.len() as u64 + segment.lost_unnamed;
            output.line(format_args!(
                "segment {}: {} kept, {} lost",
                segment.number,
                size::count(segment.kept, "document"),
                size::grouped(lost)
            ))?;
            if segment.deletions_lost {
                output.line("  its list of deleted documents is lost: those may be back")?;
            }
            if let Some(problem) = &segment.unreadable {
                output.line(plain(&format!("  {problem}")))?;
            }
            for id in &segment.lost {
                output.line(plain(&format!("  lost: {id}")))?;
            }
            if segment.lost_unnamed > 0 {
                let unnamed = size::count(segment.lost_unnamed, "document");
                output.line(format_args!("  lost: {unnamed} whose ids cannot be read"))?;
            }
        }
        let verdict = if report.was_whole() { "sound, nothing to repair" } else { "repaired" };
        let documents = size::count(report.documents, "document");
        output.line(format_args!("{}: {verdict}; {documents}", self.index.display()))?;
        Ok(())
    }
}
