use crate::commands::is_compiled_in;
use crate::exit::{Outcome, usage};
use crate::output::{BOLD, DIM, Output};
use crate::progress::Progress;
use crate::size;
use crate::study::{Fold, Models, Scorer};
use clap::Args;
use lateen::corpus::{CorpusError, Queries, ReadOptions, RerankingSample, Source, read_reranking_set};
use lateen::eval::{Interval, MTEB_MRR_CUTOFF, RerankingValues, beir, reranking_values};
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  lateen eval reranking t2ranking.jsonl --system bm25:cjk-bigrams --system dense:models/bge --system late:models/colbert
  lateen eval reranking CMedQAv1-reranking --split test --system judge:models/bge-reranker
  lateen eval reranking collections/t2ranking-100 --system judge:models/bge-reranker";

const RESAMPLES: usize = 2000;

/// Measure judges and models on reranking sets, as MTEB does
///
/// A set is JSON lines, a JSON array, or Parquet (a file, or a folder of shards as MTEB publishes them), of {"query", "positive": [],
/// "negative": []}, or a BEIR folder whose judgements name documents that are not relevant too. Each system scores the texts of each
/// query. Reported are the means of the average precision (scikit-learn's, MTEB's main score) and of the reciprocal rank of the first
/// relevant text among ten.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Reranking {
    /// The set
    set: PathBuf,
    /// bm25, bm25:ANALYZER, dense:MODEL, late:MODEL or judge:CROSS_ENCODER; may be repeated. MODEL is a directory, a name on the hub (from its cache), or `bundled`
    #[arg(long = "system", value_name = "KIND[:MODEL]", default_values = ["bm25", "late:bundled"])]
    systems: Vec<String>,
    /// Which judgements of a BEIR folder, or which of its Parquet files [default: test, else dev]
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Keep encodings in this folder, and use those that are there
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

#[derive(Serialize)]
struct Row {
    system: String,
    map: f64,
    map_lower: f64,
    map_upper: f64,
    mrr: f64,
    seconds: f64,
}

#[derive(Serialize)]
struct Body {
    set: String,
    queries: usize,
    texts: usize,
    left_out: usize,
    /// Judged documents that the collection lacks.
    missing: usize,
    systems: Vec<Row>,
}

impl Reranking {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let (all, missing) = self.samples()?;
        let found = all.len();
        let samples: Vec<RerankingSample> = all
            .into_iter()
            .filter(|sample| !sample.positive.is_empty() && !sample.negative.is_empty())
            .collect();
        if samples.is_empty() {
            return crate::exit::bad_data(format!(
                "{}: no query has texts of both kinds",
                self.set.display()
            ));
        }
        let mut models = Models::open(self.cache.as_deref())?;
        let mut rows = Vec::new();
        for name in &self.systems {
            let scorer = Scorer::of(name, &samples, &mut models)?;
            rows.push(measure(output, name, &scorer, &samples)?);
        }
        let texts = samples.iter().map(|sample| sample.positive.len() + sample.negative.len()).sum();
        let (set, queries) = (self.set.display().to_string(), samples.len());
        tell(output, Body { set, queries, texts, left_out: found - queries, missing, systems: rows })
    }

    fn samples(&self) -> anyhow::Result<(Vec<RerankingSample>, usize)> {
        let split = self.split.as_deref();
        if Fold::of(&self.set) == Fold::Beir {
            return of_folder(&self.set, split);
        }
        if split.is_some() && !self.set.is_dir() {
            return usage("--split is for folders");
        }
        Ok((read_reranking_set(&self.set, split)?, 0))
    }
}

/// Each judged query with its judged documents, and how many of these are not there.
fn of_folder(folder: &Path, split: Option<&str>) -> anyhow::Result<(Vec<RerankingSample>, usize)> {
    let folder = beir::Collection::open(folder)?;
    let qrels = folder.qrels(split.unwrap_or_else(|| folder.default_split()))?;
    let documents = Source::open(&folder.corpus, ReadOptions::default())?;
    let texts: HashMap<String, String> = documents
        .map(|document| document.map(|document| (document.id.clone(), document.full_text().into_owned())))
        .collect::<Result<_, CorpusError>>()?;
    let (mut samples, mut missing) = (Vec::new(), 0);
    for (id, text) in Queries::open(&folder.queries, ReadOptions::default())?.read_all()? {
        let mut sample = RerankingSample { queries: vec![text], ..RerankingSample::default() };
        for (document, grade) in qrels.judgements(&id) {
            let Some(text) = texts.get(document) else {
                missing += 1;
                continue;
            };
            if grade > 0 { &mut sample.positive } else { &mut sample.negative }.push(text.clone());
        }
        if !sample.positive.is_empty() || !sample.negative.is_empty() {
            samples.push(sample);
        }
    }
    Ok((samples, missing))
}

fn measure(
    output: &mut Output,
    name: &str,
    scorer: &Scorer,
    samples: &[RerankingSample],
) -> anyhow::Result<Row> {
    let start = Instant::now();
    let progress = Progress::start(output, Some(samples.len() as u64));
    let mut values: Vec<RerankingValues> = Vec::with_capacity(samples.len());
    for (done, sample) in (1..).zip(samples) {
        let texts: Vec<&str> = sample.positive.iter().chain(&sample.negative).map(String::as_str).collect();
        let relevant: Vec<bool> = (0..texts.len()).map(|at| at < sample.positive.len()).collect();
        let mut best = vec![f32::NEG_INFINITY; texts.len()];
        // Of several wordings of a query, the one that a text fits best.
        for query in sample.queries.iter().filter(|query| !query.trim().is_empty()) {
            for (best, score) in best.iter_mut().zip(scorer.scores((done as usize) - 1, query, &texts)?) {
                *best = best.max(score);
            }
        }
        values.push(reranking_values(&best, &relevant, MTEB_MRR_CUTOFF)?);
        progress.set(done, done, "query");
    }
    let precisions: Vec<f64> = values.iter().map(|values| values.average_precision).collect();
    let mrr = values.iter().map(|values| values.reciprocal_rank).sum::<f64>() / values.len() as f64;
    let interval = Interval::bootstrap(&precisions, RESAMPLES, 1);
    let Interval { mean, lower, upper } = interval.unwrap_or(Interval { mean: 0.0, lower: 0.0, upper: 0.0 });
    let seconds = (start.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    let system = match name.split_once(':') {
        Some((kind, model)) if is_compiled_in(model) => format!("{kind}, {model}"),
        _ => name.to_owned(),
    };
    Ok(Row { system, map: mean, map_lower: lower, map_upper: upper, mrr, seconds })
}

fn tell(output: &mut Output, body: Body) -> anyhow::Result<Outcome> {
    if output.json {
        output.document("reranking", &body)?;
        return Ok(Outcome::Done);
    }
    let (queries, texts) =
        (size::count(body.queries as u64, "query"), size::count(body.texts as u64, "text"));
    output.line(output.paint(BOLD, format_args!("{}: {queries}, {texts}", body.set)))?;
    if body.left_out > 0 {
        let left_out = size::count(body.left_out as u64, "query");
        output.line(format_args!("{left_out} left out, without texts of both kinds"))?;
    }
    if body.missing > 0 {
        output.line(format_args!(
            "{} not in the collection",
            size::count(body.missing as u64, "judged document")
        ))?;
    }
    let width = body.systems.iter().map(|row| row.system.chars().count()).max().unwrap_or(0).max(6);
    output.line(output.paint(DIM, format_args!("{:width$}     MAP              MRR@10", "system")))?;
    for row in &body.systems {
        let half = (row.map_upper - row.map_lower) / 2.0;
        output.line(format_args!(
            "{:width$}  {:6.2} ±{:.2}      {:6.2}   {:.1} s",
            row.system,
            100.0 * row.map,
            100.0 * half,
            100.0 * row.mrr,
            row.seconds
        ))?;
    }
    Ok(Outcome::Done)
}
