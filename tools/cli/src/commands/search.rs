use super::filter::FilterChoice;
use super::hits::{Format, HitFormat, HitRow};
use super::model_choice::{ModelChoice, tell};
use super::queries::{Query, QueryChoice};
use super::standing::{self, StandingRow, add_ways, standings};
use crate::exit::{Outcome, usage};
use crate::output::{DIM, Output};
use crate::progress::Progress;
use crate::size;
use crate::text::summing;
use clap::{Args, ValueEnum};
use lateen::kernel::Isa;
use lateen::retriever::{Answer, AnswerReport, Retriever, SearchBy};
use lateen::search::{Effort, EffortSource, Fusion, PlanChoice, Recall, SearchOptions};
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  lateen search my.lateen how do tides work
  lateen search my.lateen tides -k 3 --json
  lateen search my.lateen tides --filter 'year >= 2020 and lang = \"de\"'
  lateen search my.lateen tides --explain --why bread --html tides.html
  lateen search my.lateen --queries queries.jsonl -k 100 --format trec > run.trec";

/// Queries that are searched together: many enough for all cores, few enough to stop between.
const BATCH: usize = 64;

/// Find the documents that fit a query
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Search {
    /// The index
    index: PathBuf,
    #[command(flatten)]
    queries: QueryChoice,
    /// How many documents to find
    #[arg(short, long = "top", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    k: u32,
    /// What to search by: vectors (the meaning), words (BM25), or both, their rankings fused
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    by: By,
    #[command(flatten)]
    filter: FilterChoice,
    /// Say how each hit got its score: which word of it fits each word of the query, how well, and what each stage made of it
    #[arg(long)]
    explain: bool,
    /// Say what becomes of this document, and why it is no hit; may be repeated
    #[arg(long, value_name = "ID")]
    why: Vec<String>,
    /// Write a page that shows every token of the query against every token of the hits (one query only)
    #[arg(long, value_name = "FILE", conflicts_with = "queries")]
    html: Option<PathBuf>,
    #[command(flatten)]
    tuning: Tuning,
    #[command(flatten)]
    format: HitFormat,
    #[command(flatten)]
    model: ModelChoice,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    #[default]
    Vectors,
    Words,
    Both,
}

impl By {
    fn search_by(self) -> SearchBy {
        match self {
            Self::Vectors => SearchBy::Vectors,
            Self::Words => SearchBy::Words,
            Self::Both => SearchBy::Both(Fusion::default()),
        }
    }
}

/// How the index is searched; what is not given is planned.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Search")]
pub struct Tuning {
    /// auto plans; exact scores every document; two-stage scores the candidates of a first stage
    #[arg(long, value_enum, default_value_t, value_name = "PLAN")]
    plan: Plan,
    /// How much of the exact answer to find: a share such as 0.9, or exact (the index knows what it takes) [default: 0.99]
    #[arg(long, value_name = "R", conflicts_with_all = ["nprobe", "candidates"])]
    recall: Option<Recall>,
    /// Centroids looked at for each query token (two-stage)
    #[arg(long, value_name = "N", value_parser = positive)]
    nprobe: Option<usize>,
    /// Documents scored in the second stage (two-stage)
    #[arg(long, value_name = "N", value_parser = positive)]
    candidates: Option<usize>,
    /// Instruction set: scalar, avx2, avx512, avx512-vnni [default: the best of this machine]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    kernel: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Plan {
    #[default]
    Auto,
    Exact,
    TwoStage,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("write a number from 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

impl Tuning {
    /// The library's options.
    pub fn options(&self, k: usize, threads: usize) -> anyhow::Result<SearchOptions> {
        let plan = match self.plan {
            Plan::Auto => PlanChoice::Auto,
            Plan::Exact => PlanChoice::Exact,
            Plan::TwoStage => PlanChoice::TwoStage,
        };
        let isa = match &self.kernel {
            None => Isa::detect(),
            Some(name) => match Isa::named(name) {
                Ok(isa) => isa,
                Err(error) => return usage(format!("--kernel {name}: {error}")),
            },
        };
        let mut options = SearchOptions::top(k);
        options.plan = plan;
        options.recall = self.recall.unwrap_or_default();
        options.effort = self.effort(k);
        options.isa = isa;
        options.threads = threads;
        Ok(options)
    }

    /// `None` unless something was asked for.
    fn effort(&self, k: usize) -> Option<Effort> {
        if self.nprobe.is_none() && self.candidates.is_none() {
            return None;
        }
        let usual = Effort::for_top(k);
        let nprobe = self.nprobe.unwrap_or(usual.nprobe);
        Some(Effort::with(nprobe, self.candidates.unwrap_or(usual.candidates)))
    }

    /// Exact scores, whatever else is asked for.
    pub fn exact(mut self, exact: bool) -> Self {
        if exact {
            self.plan = Plan::Exact;
        }
        self
    }
}

/// What is told of one query's answer.
#[derive(Serialize)]
struct AnswerBody<'a> {
    query_id: Option<&'a str>,
    query: &'a str,
    hits: &'a [HitRow],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    standings: Vec<StandingRow>,
    report: ReportBody<'a>,
}

#[derive(Serialize)]
struct ReportBody<'a> {
    plan: &'static str,
    why: &'a str,
    kernel: &'static str,
    precision: &'static str,
    recall: String,
    runtime: &'a str,
    segments: usize,
    documents: u64,
    nprobe: usize,
    candidates: usize,
    milliseconds: f64,
    stages: Vec<StageBody>,
}

#[derive(Serialize)]
struct StageBody {
    name: &'static str,
    milliseconds: f64,
    examined: u64,
    kept: u64,
    skipped: u64,
}

impl Search {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let asks = self.explain || !self.why.is_empty();
        if asks && matches!(self.format.chosen(output), Format::Trec) {
            return usage("a TREC run has no room for explanations; choose --format text or json");
        }
        if !self.why.is_empty() && self.format.chosen(output) == Format::Jsonl {
            return usage("--why is about documents that are no hits; choose --format text or json");
        }
        if (asks || self.html.is_some()) && self.by != By::Vectors {
            return usage("--explain, --why and --html are about vectors; leave --by out");
        }
        let by = self.by.search_by();
        let mut options = self.tuning.options(self.k as usize, self.model.engine.threads)?;
        options.filter = self.filter.filter();
        let queries = self.queries.read()?;
        let retriever = Retriever::open(&self.index, self.model.source()?)?;
        tell(output, retriever.model());
        let progress = Progress::start(output, Some(queries.len() as u64));
        let (mut found, mut done) = (0, 0);
        let mut promised = self.tuning.recall.is_none() || self.by == By::Words;
        for batch in queries.chunks(BATCH) {
            let texts: Vec<&str> = batch.iter().map(|query| query.text.as_str()).collect();
            let answers = if let [text] = texts[..] {
                vec![retriever.search_by(&by, text, &options)?]
            } else {
                retriever.search_batch_by(&by, &texts, &options)?
            };
            for (query, answer) in batch.iter().zip(answers) {
                found += answer.hits.len();
                if !std::mem::replace(&mut promised, true) {
                    tell_promise(output, &answer.report.search.effort_source);
                }
                self.write(output, query, answer, (&retriever, &options))?;
            }
            done += batch.len() as u64;
            progress.set(done, done, "query");
        }
        drop(progress);
        if found == 0 {
            output.note("nothing found");
            return Ok(Outcome::Nothing);
        }
        Ok(Outcome::Done)
    }

    fn write(
        &self,
        output: &mut Output,
        query: &Query,
        answer: Answer,
        searched: (&Retriever, &SearchOptions),
    ) -> anyhow::Result<()> {
        let mut hits: Vec<HitRow> =
            answer.hits.into_iter().map(|hit| HitRow::found(hit, &query.text)).collect();
        if self.explain {
            add_ways(&mut hits, query, searched)?;
        }
        let standings = standings(&self.why, query, searched)?;
        if let Some(path) = &self.html {
            standing::write_page(path, query, (&hits, &standings), searched.0)?;
            output.note(format_args!("wrote {}", path.display()));
        }
        if self.format.chosen(output) == Format::Json {
            let report = ReportBody::of(&answer.report);
            let (query_id, query) = (query.id.as_deref(), &query.text);
            output.document("answer", &AnswerBody { query_id, query, hits: &hits, standings, report })?;
            return Ok(());
        }
        self.format.write(output, query, &hits)?;
        if self.explain && self.format.chosen(output) == Format::Text {
            for hit in &hits {
                explain(output, query, hit)?;
            }
        }
        for standing in &standings {
            standing.write(output)?;
        }
        tell_stages(output, &answer.report);
        Ok(())
    }
}

/// Whether what `--recall` asks for is known to be kept.
fn tell_promise(output: &mut Output, source: &EffortSource) {
    if matches!(source, EffortSource::NotTuned | EffortSource::Outdated(_)) {
        output.warn(format_args!("--recall: {source}"));
    }
}

/// Every stage with its time, for people who asked for details.
fn tell_stages(output: &mut Output, report: &AnswerReport) {
    let search = &report.search;
    let facts = format!("{} ({}), {}, {}", search.plan.name(), search.why, search.kernel, search.precision);
    output.detail(format_args!("plan: {facts}"));
    output.detail(format_args!("recall: {}", search.effort_source));
    for stage in stages(report) {
        let counts = match (stage.examined, stage.kept) {
            (0, 0) => String::new(),
            (examined, kept) => format!("  {} → {}", size::grouped(examined), size::grouped(kept)),
        };
        let skipped = match stage.skipped {
            0 => String::new(),
            skipped => format!(", {} skipped", size::grouped(skipped)),
        };
        output.detail(format_args!("  {:<12} {:>9.3} ms{counts}{skipped}", stage.name, stage.milliseconds));
    }
}

/// Encoding, the stages of the search, and fetching what was stored, in order.
fn stages(report: &AnswerReport) -> Vec<StageBody> {
    let outer =
        |name, nanos| StageBody { name, milliseconds: size::millis(nanos), examined: 0, kept: 0, skipped: 0 };
    let inner = report.search.stages.iter().map(|stage| StageBody {
        name: stage.name,
        milliseconds: size::millis(stage.nanos),
        examined: stage.examined,
        kept: stage.kept,
        skipped: stage.skipped,
    });
    let mut stages = vec![outer("encode", report.encode_nanos)];
    stages.extend(inner);
    stages.push(outer("fetch", report.fetch_nanos));
    stages
}

impl<'a> ReportBody<'a> {
    fn of(report: &'a AnswerReport) -> Self {
        let search = &report.search;
        let stages = stages(report);
        Self {
            plan: search.plan.name(),
            why: &search.why,
            kernel: search.kernel,
            precision: search.precision,
            recall: search.effort_source.to_string(),
            runtime: report.runtime.name,
            segments: search.segments,
            documents: search.documents,
            nprobe: search.effort.map_or(0, |effort| effort.nprobe),
            candidates: search.effort.map_or(0, |effort| effort.candidates),
            milliseconds: stages.iter().map(|stage| stage.milliseconds).sum(),
            stages,
        }
    }
}

/// One line for each token of the query: what it found in the document, and where.
fn explain(output: &mut Output, query: &Query, hit: &HitRow) -> anyhow::Result<()> {
    let full = hit.full_text();
    output.line(format_args!("     {}:", crate::text::plain(&hit.id)))?;
    let contributions: Vec<f32> = hit.matches.iter().map(|row| row.contribution).collect();
    for (row, adds) in hit.matches.iter().zip(summing(&contributions, hit.score)) {
        let word = |text: &str, span: (u32, u32)| {
            let word = text.get(span.0 as usize..span.1 as usize).filter(|word| !word.is_empty());
            crate::text::plain(word.unwrap_or("(mark)")).into_owned()
        };
        let (asked, found) = (word(&query.text, row.query), word(&full, row.document));
        let ((a, b), (c, d)) = (row.query_characters, row.document_characters);
        let places = output.paint(DIM, format_args!("{a}..{b} → {c}..{d}"));
        output.line(format_args!("     {adds:>8}  {asked} → {found}  ({:.3})  {places}", row.similarity))?;
    }
    let sum = output.paint(DIM, "the sum");
    output.line(format_args!("     {:>8.4}  {sum}", hit.score))?;
    if let Some(way) = hit.way.as_deref().filter(|way| !way.is_empty()) {
        output.line(format_args!("     {}", standing::way(way)))?;
    }
    Ok(())
}
