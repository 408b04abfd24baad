use super::hits::{Format, HitFormat, HitRow};
use super::input::Documents;
use super::model_choice::{Engine, located};
use super::queries::Query;
use super::results;
use crate::exit::{Outcome, usage};
use crate::output::Output;
use crate::progress::Progress;
use crate::size;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lateen::corpus::{Queries, ReadOptions};
use lateen::encode::{PairOptions, PairTemplate};
use lateen::rerank::{
    Document, JudgeKind, LongDocuments, RerankOptions, Reranker, RerankerOptions, Scale, Weights,
};
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  lateen search my.lateen tides -k 100 --format jsonl | lateen rerank --model models/judge -k 10
  lateen rerank --model models/judge --query 'how do tides work' --documents docs.jsonl
  lateen rerank --model models/judge --scale unit --min-score 0.5 -k 5 hits.jsonl";

/// Let a judge reorder the hits of a search, or any documents
///
/// A judge is a cross-encoder, a decoder that is asked whether a document fits, or a late-interaction model; the model's
/// own files say which.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Rerank {
    /// Hits of `lateen search --format jsonl` (or json), or `-` for standard input
    #[arg(value_name = "RESULTS", default_value = "-")]
    results: PathBuf,
    /// Directory of the judge, or its name on the hub
    #[arg(long, value_name = "DIR")]
    #[cfg_attr(feature = "remote", arg(required_unless_present = "remote"))]
    #[cfg_attr(not(feature = "remote"), arg(required = true))]
    model: Option<PathBuf>,
    /// A judge that answers over HTTP, as the file describes it
    #[cfg(feature = "remote")]
    #[arg(long, value_name = "FILE.json", conflicts_with = "model")]
    remote: Option<PathBuf>,
    /// Reorder these documents instead of a search's hits
    #[arg(long, value_name = "FILE", conflicts_with = "results")]
    documents: Option<PathBuf>,
    /// The query for --documents
    #[arg(long, value_name = "TEXT", requires = "documents", conflicts_with = "queries")]
    query: Option<String>,
    /// Queries for --documents: JSONL, TSV, or one per line
    #[arg(long, value_name = "FILE", requires = "documents")]
    queries: Option<PathBuf>,
    /// How many documents to return [default: all]
    #[arg(short, long = "top", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    k: Option<u32>,
    /// How many of the best are judged; the others follow in their old order
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    judge: u32,
    /// Judge no longer than this for each query
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    time_budget: Option<Duration>,
    /// What is done with documents that are longer than the judge reads
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    long_documents: Long,
    /// The scale of the scores: the judge's own, as its authors show them, or between 0 and 1
    #[arg(long, value_enum, default_value_t, value_name = "SCALE")]
    scale: ScaleName,
    /// Leave out documents with a smaller score, in that scale, and those that were not judged
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    min_score: Option<f32>,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    format: HitFormat,
    #[command(flatten)]
    engine: Engine,
}

/// How a judge reads a query and a document.
#[derive(Debug, Args)]
#[command(next_help_heading = "Judge")]
struct Reading {
    /// The kind of judge, where the model's own files are not to decide
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<KindName>,
    /// How much dense, sparse and token vectors count, for --kind combined
    #[arg(long, value_name = "D,S,T", value_parser = weights, default_value = "1,1,1")]
    weights: Weights,
    /// The template of a decoder, where its directory states none
    #[arg(long, value_name = "NAME", value_parser = PairTemplate::NAMES)]
    template: Option<String>,
    /// What a decoder that takes instructions is told
    #[arg(long, value_name = "TEXT")]
    instruction: Option<String>,
    /// The layer whose score counts, where there are several
    #[arg(long, value_name = "N")]
    cutoff_layer: Option<usize>,
    /// The most tokens of query and document together
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Long {
    /// Slice them; the best slice counts
    #[default]
    Max,
    /// Slice them; the mean of the best two slices counts
    MeanOfTop2,
    /// The first slice counts
    First,
    /// Cut off their end
    Truncate,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ScaleName {
    #[default]
    Raw,
    Native,
    Unit,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindName {
    Pair,
    LateInteraction,
    Combined,
}

/// How much each kind of vectors counts: `1,0.3,1`.
fn weights(text: &str) -> Result<Weights, String> {
    let numbers: Vec<f32> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    match numbers[..] {
        [dense, sparse, tokens] => Ok(Weights { dense, sparse, tokens }),
        _ => Err("write three numbers: dense, sparse and token vectors, for example 1,0.3,1".to_owned()),
    }
}

impl Reading {
    fn options(&self, engine: &Engine) -> RerankerOptions {
        let mut model = engine.options();
        model.max_document_tokens = self.max_tokens;
        RerankerOptions {
            pair: PairOptions {
                model,
                template: self.template.as_deref().and_then(PairTemplate::named),
                instruction: self.instruction.clone(),
                cutoff_layer: self.cutoff_layer,
                ..PairOptions::default()
            },
            kind: self.kind.map(|kind| match kind {
                KindName::Pair => JudgeKind::Pair,
                KindName::LateInteraction => JudgeKind::LateInteraction,
                KindName::Combined => JudgeKind::Combined,
            }),
            weights: self.weights,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "write a number of seconds, for example 0.5".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

/// A query with what is to be reordered for it.
pub struct Task {
    pub query: Query,
    pub hits: Vec<HitRow>,
}

#[derive(Serialize)]
struct Body<'a> {
    query_id: Option<&'a str>,
    query: &'a str,
    judge: &'a str,
    milliseconds: f64,
    hits: &'a [HitRow],
}

impl Rerank {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let tasks = self.tasks()?;
        let reranker = self.reranker()?;
        let judge = reranker.judge();
        let options = self.options();
        let progress = Progress::start(output, Some(tasks.len() as u64));
        let mut found = 0;
        for (done, task) in tasks.into_iter().enumerate() {
            let start = Instant::now();
            let hits = self.reorder(&reranker, &task.query, task.hits, &options)?;
            found += hits.len();
            let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let query = &task.query;
            if self.format.chosen(output) == Format::Json {
                let (query_id, query, judge) = (query.id.as_deref(), query.text.as_str(), judge.name());
                let milliseconds = size::millis(nanos);
                output.document("reranked", &Body { query_id, query, judge, milliseconds, hits: &hits })?;
            } else {
                self.format.write(output, query, &hits)?;
                output.detail(format_args!(
                    "{}: {} in {}",
                    judge.name(),
                    size::count(hits.len() as u64, "hit"),
                    size::nanos(nanos)
                ));
            }
            progress.set(done as u64 + 1, done as u64 + 1, "query");
        }
        Ok(if found > 0 { Outcome::Done } else { Outcome::Nothing })
    }

    fn reranker(&self) -> anyhow::Result<Reranker> {
        #[cfg(feature = "remote")]
        if let Some(path) = &self.remote {
            let options = lateen::encode::remote::RemoteOptions::read(path)?;
            return Ok(Reranker::new(lateen::rerank::RemoteJudge::new(options)?));
        }
        let Some(model) = &self.model else { return usage("--model names the judge") };
        let folder = located(model)?;
        Reranker::load(&folder, &self.reading.options(&self.engine))
            .with_context(|| format!("loading the judge {}", folder.display()))
    }

    fn options(&self) -> RerankOptions {
        RerankOptions {
            top_k: self.k.map(|k| k as usize),
            judged: self.judge as usize,
            time_budget: self.time_budget,
            long_documents: match self.long_documents {
                Long::Max => LongDocuments::SliceMax,
                Long::MeanOfTop2 => LongDocuments::SliceMeanOfTop2,
                Long::First => LongDocuments::FirstPassage,
                Long::Truncate => LongDocuments::Truncate,
            },
            scale: match self.scale {
                ScaleName::Raw => Scale::Raw,
                ScaleName::Native => Scale::Native,
                ScaleName::Unit => Scale::Unit,
            },
            min_score: self.min_score,
            ..RerankOptions::default()
        }
    }

    fn tasks(&self) -> anyhow::Result<Vec<Task>> {
        let Some(documents) = &self.documents else { return results::read(&self.results) };
        let queries = match (&self.query, &self.queries) {
            (Some(text), _) if text.trim().is_empty() => {
                return usage("the query is empty; write the words to look for");
            }
            (Some(text), _) => vec![Query { id: None, text: text.clone() }],
            (None, Some(path)) => {
                let queries = Queries::open(path, ReadOptions::default())?.read_all()?;
                queries.into_iter().map(|(id, text)| Query { id: Some(id), text }).collect()
            }
            (None, None) => return usage("--documents needs --query or --queries"),
        };
        let documents = Documents::open(std::slice::from_ref(documents), &ReadOptions::default())?
            .collect::<Result<Vec<_>, _>>()?;
        let rows: Vec<HitRow> = documents
            .into_iter()
            .enumerate()
            .map(|(at, document)| HitRow::of_document(at + 1, document))
            .collect();
        Ok(queries.into_iter().map(|query| Task { query, hits: rows.clone() }).collect())
    }

    fn reorder(
        &self,
        reranker: &Reranker,
        query: &Query,
        hits: Vec<HitRow>,
        options: &RerankOptions,
    ) -> anyhow::Result<Vec<HitRow>> {
        let documents: Vec<Document> =
            hits.iter().map(|hit| (hit.id.as_str(), hit.full_text()).into()).collect();
        let reranked = reranker.rerank(&query.text, documents, options)?;
        let row = |ranked: lateen::rerank::Ranked| {
            let mut row = hits[ranked.was].clone();
            row.rank = ranked.rank;
            row.judged = Some(ranked.score.is_some());
            row.score = ranked.score.unwrap_or(row.score);
            row.passage = ranked.passage.map(|bytes| (bytes.start, bytes.end));
            row
        };
        Ok(reranked.documents.into_iter().map(row).collect())
    }
}
