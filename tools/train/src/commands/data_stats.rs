//! `lateen-train data stats`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use lateen_train::data::{Lengths, Survey};

use super::data::{Measuring, Reading, count, document};
use crate::Global;
use crate::exit::Outcome;

/// Say what is in training files: counts, lengths in tokens, labels
#[derive(Debug, Args)]
pub struct Stats {
    /// JSONL (.gz, .zst), tab-separated, or a BEIR folder
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Leave bad rows out instead of ending at the first
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    measuring: Measuring,
}

impl Stats {
    pub fn run(self, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let tokenizer = self.measuring.tokenizer()?;
        for file in &self.files {
            let set = self.reading.open(file, self.skip_bad)?;
            let survey = Survey::of(&set, self.measuring.options(tokenizer.as_ref()))?;
            if global.json {
                document(out, "data_stats", &survey)?;
            } else {
                write_survey(out, &survey)?;
            }
        }
        Ok(Outcome::Done)
    }
}

fn write_survey(out: &mut impl Write, survey: &Survey) -> anyhow::Result<()> {
    writeln!(out, "{}", survey.file)?;
    writeln!(out, "  format     {} ({})", survey.format, survey.why)?;
    writeln!(out, "  rows       {} ({} bad)", count(survey.rows), count(survey.bad_rows.count))?;
    writeln!(out, "  queries    {} ({} different)", count(survey.records), count(survey.queries))?;
    for (name, number) in
        [("positives", survey.positives), ("negatives", survey.negatives), ("judged", survey.judged)]
    {
        let each = number as f64 / survey.records.max(1) as f64;
        writeln!(out, "  {name:<10} {} ({each:.1} a record)", count(number))?;
    }
    let about = if survey.tokenised { "tokens" } else { "tokens, estimated" };
    write_lengths(out, "queries", about, &survey.query_tokens)?;
    write_lengths(out, "documents", about, &survey.document_tokens)?;
    if let Some(labels) = &survey.labels {
        writeln!(out, "  labels     {} {} {}", labels.min, labels.sparkline(), labels.max)?;
    }
    Ok(())
}

fn write_lengths(out: &mut impl Write, name: &str, about: &str, lengths: &Lengths) -> anyhow::Result<()> {
    if lengths.texts == 0 {
        return Ok(());
    }
    let cut = 100.0 * lengths.cut as f64 / lengths.texts as f64;
    writeln!(
        out,
        "  {name}: {about}: mean {:.0}, median {}, 90 % {}, 99 % {}, longest {}; {cut:.1} % are cut at {}",
        lengths.mean, lengths.p50, lengths.p90, lengths.p99, lengths.max, lengths.limit
    )?;
    Ok(())
}
