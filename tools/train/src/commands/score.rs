//! `lateen-train score`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use lateen_train::data::{DataSet, Format};
use lateen_train::score::{ScoreCache, ScoreReport, Shape, score, write_scored};
use serde::Serialize;

use super::data::{Reading, count, document};
use super::teacher::Teaching;
use crate::Global;
use crate::exit::Outcome;

/// Let a teacher score the documents of a training file
///
/// Every pair of query and document is scored once and kept in a file of scores, so a scoring that is stopped goes on
/// where it was, and another file with the same texts costs nothing.
#[derive(Debug, Args)]
pub struct Score {
    /// Training file; candidates to score may stand in it as negatives
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Directory of a judge (cross-encoder, decoder, late interaction) or, with --teacher-kind dense, of an encoder
    #[arg(long, value_name = "DIR")]
    teacher: PathBuf,
    /// The JSONL file to write
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// The file of scores [default: the written file's name and .scores]
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
    /// How records are written [default: grouped where labels alone say what a document is, else lists]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<ShapeName>,
    /// Pairs scored at once
    #[arg(long, default_value_t = 256, value_name = "PAIRS")]
    batch: usize,
    /// Leave bad rows out instead of ending at the first
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    teaching: Teaching,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ShapeName {
    /// query, pos, neg, pos_scores, neg_scores
    Lists,
    /// query, content, score: a row a document
    Pointwise,
    /// query, hits of content and score
    Grouped,
}

impl ShapeName {
    /// The library's name of it.
    pub fn shape(self) -> Shape {
        match self {
            Self::Lists => Shape::Lists,
            Self::Pointwise => Shape::Pointwise,
            Self::Grouped => Shape::Grouped,
        }
    }
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: ScoreReport,
    out: &'a Path,
    cache: &'a Path,
}

impl Score {
    pub fn run(self, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let set = self.reading.open(&self.file, self.skip_bad)?;
        let cache_path = self.cache.clone().unwrap_or_else(|| with(&self.out, ".scores"));
        // First, so that a teacher that cannot be loaded leaves no file behind.
        let teacher = self.teaching.load(&self.teacher)?;
        let mut cache = ScoreCache::open(&cache_path, self.teaching.identity(&self.teacher)?)?;
        let bar = bar(set.len() as u64, global.quiet);
        let report = score(&set, &teacher, self.teaching.scale(), &mut cache, self.batch, |done, _| {
            bar.set_position(done as u64);
            true
        });
        bar.finish_and_clear();
        let report = report?;
        self.write(&set, &cache)?;
        if global.json {
            document(out, "score", &Told { report, out: &self.out, cache: &cache_path })?;
        } else {
            let (pairs, scored) = (count(report.pairs), count(report.scored));
            writeln!(out, "{pairs} pairs, {scored} of them scored now, in {}", self.out.display())?;
        }
        Ok(Outcome::Done)
    }

    fn write(&self, set: &DataSet, cache: &ScoreCache) -> anyhow::Result<()> {
        let shape = self.format.unwrap_or_else(|| usual(set.format())).shape();
        replace(&self.out, |writer| Ok(write_scored(set, cache, shape, writer, &self.out).map(drop)?))
    }
}

/// How records of a format are written with scores.
pub fn usual(format: Format) -> ShapeName {
    match format {
        Format::Grouped | Format::Pointwise | Format::Scored => ShapeName::Grouped,
        _ => ShapeName::Lists,
    }
}

/// A bar on standard error, when that is a terminal.
pub fn bar(total: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar:.cyan/dim} {pos}/{len}  {eta} left");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Writes a file under another name until it is whole.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let unfinished = with(path, ".part");
    let context = || format!("writing {}", path.display());
    let mut writer = BufWriter::new(File::create(&unfinished).with_context(context)?);
    write(&mut writer)?;
    let file = writer.into_inner().map_err(|error| error.into_error()).with_context(context)?;
    file.sync_all().and_then(|()| fs::rename(&unfinished, path)).with_context(context)
}

/// A path with more behind its name.
pub fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
