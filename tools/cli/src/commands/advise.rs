use super::model_choice::{ModelChoice, tell};
use crate::exit::Outcome;
use crate::output::{BOLD, Output};
use crate::progress::Progress;
use crate::{interrupt, size};
use clap::Args;
use lateen::corpus::{Queries, ReadOptions};
use lateen::format::QuerySource;
use lateen::retriever::{AdviceReport, AdviseSample, Retriever, VectorSource};
use lateen::search::{Advice, AdviseOptions, PseudoQueries, recommend};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen advise my.lateen
  lateen advise my.lateen --queries questions.jsonl --keep 0.9";

/// Compare bytes a document with what is kept, for other bits, pooling factors and dimensions
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Advise {
    /// The index
    index: PathBuf,
    /// Queries of the kind that will be asked (JSONL, TSV, or one per line); without them some are made of the
    /// index's own documents
    #[arg(long, value_name = "FILE")]
    queries: Option<PathBuf>,
    /// How many documents to look at
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    documents: u32,
    /// How many queries to make of documents
    #[arg(long, value_name = "N", default_value_t = 200, conflicts_with = "queries", value_parser = clap::value_parser!(u32).range(1..))]
    sample: u32,
    /// The share of the best ten that what is recommended has to keep
    #[arg(long, value_name = "R", default_value_t = 0.9)]
    keep: f64,
    /// Pooling factors to compare; may be repeated [default: 1 2 3 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pool: Vec<u8>,
    /// Dimensions to compare, fewer than the model's; may be repeated [default: 96 64 48]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    dim: Vec<u16>,
    /// Start of all random choices
    #[arg(long, value_name = "N", default_value_t = 42, hide_short_help = true)]
    seed: u64,
    #[command(flatten)]
    model: ModelChoice,
}

#[derive(Serialize)]
struct Body<'a> {
    index: &'a Path,
    documents: usize,
    queries: usize,
    query_source: &'static str,
    vectors: &'static str,
    keep: f64,
    recommended: Option<Row>,
    variants: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    storage: &'static str,
    pooling: usize,
    dim: usize,
    bytes_per_document: f64,
    vectors_per_document: f64,
    recall_10: Measured,
    recall_100: Measured,
    overlap_10: f64,
    needs_model: bool,
}

#[derive(Serialize)]
struct Measured {
    mean: f64,
    lower: f64,
    upper: f64,
}

impl Advise {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let queries = match &self.queries {
            Some(path) => Queries::open(path, ReadOptions::default())?.read_all()?,
            None => Vec::new(),
        };
        let texts: Vec<&str> = queries.iter().map(|(_, text)| text.as_str()).collect();
        let retriever = Retriever::open(&self.index, self.model.source()?)?;
        tell(output, retriever.model());
        let progress = Progress::start(output, None);
        let graceful = interrupt::Graceful::begin();
        let report = retriever.advise(&texts, &self.sample(), &self.options(), &mut |done, _| {
            progress.set(done as u64, done as u64, "variant");
            !interrupt::requested()
        })?;
        drop((progress, graceful));
        let Some(report) = report else { return Ok(Outcome::Interrupted) };
        let body = self.body(&report);
        if output.json {
            output.document("advice", &body)?;
        } else {
            body.write(output)?;
        }
        Ok(Outcome::Done)
    }

    fn sample(&self) -> AdviseSample {
        let queries =
            PseudoQueries { count: self.sample as usize, seed: self.seed, ..PseudoQueries::default() };
        AdviseSample { documents: self.documents as usize, queries }
    }

    fn options(&self) -> AdviseOptions {
        let mut options = AdviseOptions { seed: self.seed, ..AdviseOptions::default() };
        if !self.pool.is_empty() {
            options.poolings = self.pool.iter().map(|&factor| factor.into()).collect();
        }
        if !self.dim.is_empty() {
            options.dims = self.dim.iter().map(|&dim| dim.into()).collect();
        }
        options
    }

    fn body(&self, report: &AdviceReport) -> Body<'_> {
        let row = |advice: &Advice| Row::of(advice, report.dim);
        Body {
            index: &self.index,
            documents: report.documents,
            queries: report.queries,
            query_source: match report.query_source {
                QuerySource::Sampled => "sampled",
                QuerySource::Given => "given",
            },
            vectors: match report.vector_source {
                VectorSource::Model => "model",
                VectorSource::Index => "index",
            },
            keep: self.keep,
            recommended: recommend(&report.advice, report.dim, self.keep).map(row),
            variants: report.advice.iter().map(row).collect(),
        }
    }
}

impl Row {
    fn of(advice: &Advice, dim: usize) -> Self {
        let round = |value: f64| (value * 1e4).round() / 1e4;
        let measured = |interval: lateen::eval::Interval| Measured {
            mean: round(interval.mean),
            lower: round(interval.lower),
            upper: round(interval.upper),
        };
        Self {
            storage: advice.variant.storage.name(),
            pooling: advice.variant.pooling,
            dim: advice.variant.dim,
            bytes_per_document: advice.bytes_per_document.round(),
            vectors_per_document: (advice.vectors_per_document * 10.0).round() / 10.0,
            recall_10: measured(advice.recall_10),
            recall_100: measured(advice.recall_100),
            overlap_10: round(advice.overlap_10),
            needs_model: advice.variant.dim != dim,
        }
    }

    /// How to get it.
    fn command(&self) -> String {
        let bits = match self.storage {
            "f16" => "16",
            "f32" => "32",
            name => name.split('-').next().unwrap_or(name),
        };
        let bits = if self.storage.starts_with("ternary") { "ternary" } else { bits };
        let pool = if self.pooling > 1 { format!(" --pool {}", self.pooling) } else { String::new() };
        format!("lateen index --bits {bits}{pool}")
    }
}

impl Body<'_> {
    fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        let documents = size::count(self.documents as u64, "document");
        let queries = size::count(self.queries as u64, "query");
        output.line(format_args!("{documents}, {queries} ({}), beside full precision", self.query_source))?;
        let heading = format!(
            "{:<14} {:>4} {:>4} {:>10} {:>8}  {:<24} {:>10}  order",
            "tokens as", "pool", "dim", "B/document", "vectors", "recall@10", "recall@100"
        );
        output.line(output.paint(BOLD, heading))?;
        for row in &self.variants {
            let recall = format!(
                "{:.3} ({:.3} to {:.3})",
                row.recall_10.mean, row.recall_10.lower, row.recall_10.upper
            );
            let bytes = size::grouped(row.bytes_per_document as u64);
            let mark = if row.needs_model { " *" } else { "" };
            output.line(format_args!(
                "{:<14} {:>4} {:>4} {bytes:>10} {:>8.1}  {recall:<24} {:>10.3}  {:.3}{mark}",
                row.storage,
                row.pooling,
                row.dim,
                row.vectors_per_document,
                row.recall_100.mean,
                row.overlap_10
            ))?;
        }
        if self.variants.iter().any(|row| row.needs_model) {
            output.line(
                "* projected to fewer dimensions: needs a model made by `lateen model convert --dim N`",
            )?;
        }
        if self.vectors == "index" {
            output.line("the index keeps no texts: compared with its own vectors, which are no more exact than it stores them")?;
        }
        match &self.recommended {
            Some(row) => output.line(format_args!(
                "smallest that keeps {} of the best ten: {}",
                self.keep,
                row.command()
            ))?,
            None => output.line(format_args!("none of these keeps {} of the best ten", self.keep))?,
        }
        Ok(())
    }
}
