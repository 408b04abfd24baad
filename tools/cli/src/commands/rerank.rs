use super::hits::{Format, HitFormat, HitRow};
use super::input::Documents;
use super::model_choice::Engine;
use super::queries::Query;
use super::results;
use crate::exit::{Outcome, usage};
use crate::output::Output;
use crate::progress::Progress;
use crate::size;
use anyhow::Context as _;
use clap::Args;
use lateen::corpus::{Queries, ReadOptions};
use lateen::rerank::{Candidate, CrossEncoderJudge, Judge, RerankOptions, rerank};
use serde::Serialize;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  lateen search my.lateen tides -k 100 --format jsonl | lateen rerank --model models/judge -k 10
  lateen rerank --model models/judge --query 'how do tides work' --documents docs.jsonl";

/// Let a cross-encoder reorder the hits of a search, or any documents
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Rerank {
    /// Hits of `lateen search --format jsonl` (or json), or `-` for standard input
    #[arg(value_name = "RESULTS", default_value = "-")]
    results: PathBuf,
    /// Directory of the cross-encoder
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
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
    #[command(flatten)]
    format: HitFormat,
    #[command(flatten)]
    engine: Engine,
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
        let judge = CrossEncoderJudge::load(&self.model, &self.engine.options())
            .with_context(|| format!("loading the cross-encoder {}", self.model.display()))?;
        let options = self.options();
        let progress = Progress::start(output, Some(tasks.len() as u64));
        let mut found = 0;
        for (done, task) in tasks.into_iter().enumerate() {
            let start = Instant::now();
            let hits = self.reorder(&judge, &task.query, task.hits, &options)?;
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

    fn options(&self) -> RerankOptions {
        RerankOptions { top: self.judge as usize, time_budget: self.time_budget, ..RerankOptions::default() }
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
        judge: &dyn Judge,
        query: &Query,
        hits: Vec<HitRow>,
        options: &RerankOptions,
    ) -> anyhow::Result<Vec<HitRow>> {
        let candidate =
            |hit: &HitRow| Candidate { id: hit.id.clone(), text: hit.full_text(), score: hit.score };
        let candidates = hits.iter().map(candidate).collect();
        let reranked = rerank(judge, &query.text, candidates, options)?;
        let mut by_id: HashMap<String, HitRow> = hits.into_iter().map(|hit| (hit.id.clone(), hit)).collect();
        let limit = self.k.map_or(usize::MAX, |k| k as usize);
        let mut rows = Vec::new();
        for judged in reranked.order.into_iter().take(limit) {
            if let Some(mut row) = by_id.remove(&judged.id) {
                row.rank = rows.len() + 1;
                row.score = judged.score;
                row.judged = Some(judged.judged);
                rows.push(row);
            }
        }
        Ok(rows)
    }
}
