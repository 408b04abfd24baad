//! `lateen-train data split`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lateen_train::data::{DataSet, Division, SplitOptions, Together, divide};
use serde::Serialize;

use super::data::{Reading, count, document};
use crate::Global;
use crate::exit::{Outcome, usage};

/// Divide a file into parts that do not know each other's texts
///
/// Writes the rows unchanged to train.jsonl, test.jsonl and validation.jsonl (or .tsv) in a folder. Records that belong
/// together are in one part, and the part depends on their texts alone: another order of the file, or more rows, changes
/// nothing for the others.
#[derive(Debug, Args)]
pub struct Split {
    /// JSONL (.gz, .zst) or tab-separated
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder to write to
    #[arg(long, short, value_name = "FOLDER")]
    out: PathBuf,
    /// Share of the records for testing
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    test: f64,
    /// Share of the records for validation
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    validation: f64,
    /// What keeps records together
    #[arg(long, value_enum, default_value_t)]
    together: Keep,
    /// A field, such as an article: records with the same value stay together too
    #[arg(long, value_name = "NAME")]
    group_field: Option<String>,
    /// Chooses another division
    #[arg(long, default_value_t = 666)]
    seed: u64,
    /// Leave bad rows out instead of ending at the first
    #[arg(long)]
    skip_bad: bool,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Keep {
    /// The same query
    Queries,
    /// The same query, or a document that answers both
    #[default]
    Positives,
    /// Any text in common, negatives included
    Texts,
}

#[derive(Serialize)]
struct Report {
    parts: Vec<PartReport>,
    groups: usize,
    largest_group: usize,
}

#[derive(Serialize)]
struct PartReport {
    name: String,
    file: PathBuf,
    records: u64,
}

impl Split {
    pub fn run(self, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let in_range = |share: f64| (0.0..1.0).contains(&share);
        if !in_range(self.test) || !in_range(self.validation) || self.test + self.validation >= 1.0 {
            return usage("--test and --validation are shares from 0 to below 1, together below 1");
        }
        let set = self.reading.open(&self.file, self.skip_bad)?;
        let shares = [("test", self.test), ("validation", self.validation)];
        let parts: Vec<(String, f64)> = shares
            .into_iter()
            .filter(|(_, share)| *share > 0.0)
            .map(|(name, share)| (name.to_owned(), share))
            .collect();
        let together = match self.together {
            Keep::Queries => Together::Queries,
            Keep::Positives => Together::Positives,
            Keep::Texts => Together::Texts,
        };
        let options = SplitOptions {
            parts: parts.clone(),
            together,
            group_field: self.group_field.clone(),
            seed: self.seed,
        };
        let division = divide(&set, &options)?;
        let names: Vec<String> =
            std::iter::once("train".to_owned()).chain(parts.into_iter().map(|part| part.0)).collect();
        let report = self.write(&set, &division, &names)?;
        if global.json {
            document(out, "data_split", &report)?;
        } else {
            write_report(out, &report, set.len())?;
        }
        let empty = report.parts.iter().any(|part| part.records == 0);
        Ok(if empty { Outcome::Nothing } else { Outcome::Done })
    }

    fn write(&self, set: &DataSet, division: &Division, names: &[String]) -> anyhow::Result<Report> {
        fs::create_dir_all(&self.out).with_context(|| format!("creating {}", self.out.display()))?;
        let header = set.header();
        let ending = if header.is_some() || is_table(set)? { "tsv" } else { "jsonl" };
        let mut writers = Vec::with_capacity(names.len());
        for name in names {
            let path = self.out.join(format!("{name}.{ending}"));
            if path.exists() && !self.force {
                return usage(format!("{} is there already; --force writes over it", path.display()));
            }
            let mut writer = BufWriter::new(File::create(unfinished(&path)).with_context(|| writing(&path))?);
            if let Some(header) = &header {
                writeln!(writer, "{header}").with_context(|| writing(&path))?;
            }
            writers.push((writer, path, 0u64));
        }
        for (record, &part) in division.part.iter().enumerate() {
            let (writer, path, records) = &mut writers[part as usize];
            writeln!(writer, "{}", set.line(record)?).with_context(|| writing(path))?;
            *records += 1;
        }
        let mut parts = Vec::with_capacity(names.len());
        for ((writer, path, records), name) in writers.into_iter().zip(names) {
            let file =
                writer.into_inner().map_err(|error| error.into_error()).with_context(|| writing(&path))?;
            file.sync_all()
                .and_then(|()| fs::rename(unfinished(&path), &path))
                .with_context(|| writing(&path))?;
            parts.push(PartReport { name: name.clone(), file: path, records });
        }
        Ok(Report { parts, groups: division.groups, largest_group: division.largest })
    }
}

fn is_table(set: &DataSet) -> anyhow::Result<bool> {
    Ok(!set.line(0)?.trim_start().starts_with(['{', '[']))
}

/// Where a file is written until it is whole.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn writing(path: &Path) -> String {
    format!("writing {}", path.display())
}

fn write_report(out: &mut impl Write, report: &Report, records: usize) -> anyhow::Result<()> {
    for part in &report.parts {
        let share = 100.0 * part.records as f64 / records.max(1) as f64;
        writeln!(
            out,
            "{}: {} records ({share:.1} %) in {}",
            part.name,
            count(part.records),
            part.file.display()
        )?;
    }
    writeln!(
        out,
        "{} groups of records that belong together, the largest of {}",
        count(report.groups as u64),
        count(report.largest_group as u64)
    )?;
    if report.largest_group * 2 > records && report.groups > 1 {
        writeln!(
            out,
            "more than half of the records are one group, so the shares are far from what was asked"
        )?;
    }
    Ok(())
}
