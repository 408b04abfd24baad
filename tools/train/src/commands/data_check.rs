//! `lateen-train data check`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use lateen_train::data::{DataSet, Leakage, Survey, Trouble};

use super::data::{Measuring, Reading, count, document};
use crate::Global;
use crate::exit::Outcome;

/// Say what is wrong with training files before hours are spent
///
/// Tells the format and why it was taken, bad rows with their lines, empty texts, repeated queries and records,
/// negatives that are known positives, and how many texts would be cut. Files after the first are test files: what they
/// share with the first is told too. Ends with 1 if rows are bad, negatives contradict positives, or texts are shared.
#[derive(Debug, Args)]
pub struct Check {
    /// JSONL (.gz, .zst), tab-separated, or a BEIR folder; the first is what shall be trained on
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    measuring: Measuring,
}

impl Check {
    pub fn run(self, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let tokenizer = self.measuring.tokenizer()?;
        let mut bad = false;
        let mut first: Option<DataSet> = None;
        for file in &self.files {
            let set = self.reading.open(file, true)?;
            let survey = Survey::of(&set, self.measuring.options(tokenizer.as_ref()))?;
            bad |= survey.is_bad();
            if global.json {
                document(out, "data_check", &survey)?;
            } else {
                write_survey(out, &survey)?;
            }
            let Some(train) = &first else {
                first = Some(set);
                continue;
            };
            let leakage = Leakage::between(train, &set, 3)?;
            bad |= leakage.is_bad();
            if global.json {
                document(out, "data_leakage", &leakage)?;
            } else {
                write_leakage(out, &leakage)?;
            }
        }
        Ok(if bad { Outcome::Nothing } else { Outcome::Done })
    }
}

fn write_survey(out: &mut impl Write, survey: &Survey) -> anyhow::Result<()> {
    writeln!(out, "{}: {} ({})", survey.file, survey.format, survey.why)?;
    writeln!(
        out,
        "  {} records, {} different queries, {} positives, {} negatives, {} judged",
        count(survey.records),
        count(survey.queries),
        count(survey.positives),
        count(survey.negatives),
        count(survey.judged)
    )?;
    for (name, trouble) in survey.troubles() {
        write_trouble(out, name, trouble)?;
    }
    for (name, lengths) in [("queries", &survey.query_tokens), ("documents", &survey.document_tokens)] {
        if lengths.cut > 0 {
            let share = 100.0 * lengths.cut as f64 / lengths.texts.max(1) as f64;
            let about = if survey.tokenised { "" } else { "about " };
            writeln!(
                out,
                "  {about}{share:.1} % of {name} are longer than {} tokens and are cut",
                lengths.limit
            )?;
        }
    }
    writeln!(out, "  {}", if survey.is_bad() { "mend it before training" } else { "fit to train on" })?;
    Ok(())
}

fn write_leakage(out: &mut impl Write, leakage: &Leakage) -> anyhow::Result<()> {
    if !leakage.is_bad() {
        writeln!(out, "  shares no query and no positive with {}", leakage.train)?;
        return Ok(());
    }
    write_trouble(out, &format!("queries that are in {} too", leakage.train), &leakage.queries)?;
    write_trouble(out, &format!("positives that are in {} too", leakage.train), &leakage.positives)
}

fn write_trouble(out: &mut impl Write, name: &str, trouble: &Trouble) -> anyhow::Result<()> {
    if trouble.count == 0 {
        return Ok(());
    }
    writeln!(out, "  {} {name}", count(trouble.count))?;
    for example in &trouble.examples {
        writeln!(out, "    {example}")?;
    }
    Ok(())
}
