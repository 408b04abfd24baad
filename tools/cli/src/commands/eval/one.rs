use super::against::{Comparison, compare};
use super::systems::{Bm25, Lateen, Latencies, System, rank};
use crate::commands::index::Bits;
use crate::commands::model_choice::{ModelChoice, tell};
use crate::commands::search::Tuning;
use crate::exit::{Outcome, usage};
use crate::output::{BOLD, Output};
use crate::size;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lateen::eval::beir::Collection;
use lateen::eval::{Metric, Qrels, Report, Run, evaluate};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

/// One collection and one system, or a file that compares many.
#[derive(Debug, Args)]
pub struct One {
    /// A folder in BEIR layout (corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv), or a .toml file that compares systems (docs)
    #[arg(required_unless_present = "run_file", conflicts_with = "run_file")]
    collection: Option<PathBuf>,
    /// An index of the collection's corpus; without it one is made and thrown away
    #[arg(long, value_name = "INDEX")]
    index: Option<PathBuf>,
    /// Which judgements [default: test, else dev, else the first]
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// What answers the queries
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    system: SystemName,
    /// Bits of the index that is made [default: 4]
    #[arg(long, value_enum, conflicts_with = "index")]
    bits: Option<Bits>,
    /// Score every document instead of planning
    #[arg(long)]
    exact: bool,
    /// Answer every query a second time by scoring every document, and say what is lost and gained
    #[arg(long, value_enum, value_name = "PLAN", conflicts_with_all = ["exact", "run_file"])]
    against: Option<Against>,
    /// How deep the rankings go
    #[arg(short, long = "top", value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    k: u32,
    /// What to measure, for example ndcg@10; may be repeated [default: ndcg@10 mrr@10 map@100 recall@100 p@10]
    #[arg(long = "metric", value_name = "NAME@K")]
    metrics: Vec<Metric>,
    /// Write the rankings as a TREC run
    #[arg(long, value_name = "FILE")]
    run: Option<PathBuf>,
    /// Measure this TREC run instead
    #[arg(long, value_name = "FILE", requires = "qrels")]
    run_file: Option<PathBuf>,
    /// Judgements for --run-file, as BEIR or TREC writes them
    #[arg(long, value_name = "FILE", requires = "run_file")]
    qrels: Option<PathBuf>,
    #[command(flatten)]
    tuning: Tuning,
    #[command(flatten)]
    model: ModelChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SystemName {
    /// The index
    #[default]
    Lateen,
    /// Words alone, the usual baseline
    Bm25,
}

/// What an index can be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Against {
    /// The scores of all documents, as the index stores them
    Exact,
}

#[derive(Serialize)]
struct Body {
    system: String,
    split: Option<String>,
    metrics: BTreeMap<String, f64>,
    queries: u64,
    without_judgements: u64,
    missing_from_run: u64,
    latency: Option<Latencies>,
    against: Option<Comparison>,
}

/// What there is to tell beside the metrics.
#[derive(Default)]
struct Told {
    system: String,
    split: Option<String>,
    latency: Option<Latencies>,
    against: Option<Comparison>,
}

impl One {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        if let (Some(run), Some(qrels)) = (&self.run_file, &self.qrels) {
            let system = run.display().to_string();
            let (run, qrels) = (Run::open(run)?, Qrels::open(qrels)?);
            let report = evaluate(&run, &qrels, &self.metrics());
            return self.tell(output, &report, Told { system, ..Told::default() });
        }
        let Some(folder) = &self.collection else {
            return usage("name a collection, or --run-file and --qrels");
        };
        if folder.extension().is_some_and(|extension| extension == "toml") {
            return super::study::run_file(output, folder);
        }
        let collection = Collection::open(folder)?;
        let split = self.split.clone().unwrap_or_else(|| collection.default_split().to_owned());
        let qrels = collection.qrels(&split)?;
        let (run, told) = self.rank(output, (&collection, &qrels))?;
        if let Some(path) = &self.run {
            let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
            run.write_trec(BufWriter::new(file), "lateen")?;
        }
        let report = evaluate(&run, &qrels, &self.metrics());
        self.tell(output, &report, Told { split: Some(split), ..told })
    }

    fn rank(&self, output: &mut Output, judged: (&Collection, &Qrels)) -> anyhow::Result<(Run, Told)> {
        if self.system == SystemName::Bm25 {
            if self.index.is_some() || self.exact || self.model.model.is_some() || self.against.is_some() {
                return usage(
                    "--system bm25 ranks by words alone; leave out --index, --exact, --against and --model",
                );
            }
            let bm25 = Bm25::build(output, judged.0)?;
            return self.rank_with(output, &bm25, judged);
        }
        let options = self.tuning.clone().exact(self.exact).options(self.k as usize, 1)?;
        let lateen = match &self.index {
            Some(index) => Lateen::open(index, self.model.source()?, options)?,
            None => Lateen::build(output, judged.0, &self.model, self.bits, options)?,
        };
        tell(output, lateen.model());
        match self.against {
            None => self.rank_with(output, &lateen, judged),
            Some(Against::Exact) => {
                let (run, latency, comparison) = compare(output, &lateen, judged, self.k, &self.metrics())?;
                let (latency, against) = (Some(latency), Some(comparison));
                Ok((run, Told { system: lateen.name(), latency, against, ..Told::default() }))
            }
        }
    }

    fn rank_with(
        &self,
        output: &mut Output,
        system: &dyn System,
        (collection, qrels): (&Collection, &Qrels),
    ) -> anyhow::Result<(Run, Told)> {
        let (run, latency) = rank(output, system, collection, qrels, self.k as usize)?;
        Ok((run, Told { system: system.name(), latency: Some(latency), ..Told::default() }))
    }

    fn metrics(&self) -> Vec<Metric> {
        if self.metrics.is_empty() { Metric::USUAL.to_vec() } else { self.metrics.clone() }
    }

    fn tell(&self, output: &mut Output, report: &Report, told: Told) -> anyhow::Result<Outcome> {
        let Told { system, split, latency, against } = told;
        let means = report.metrics.iter().map(|&metric| (metric, report.mean(metric)));
        let body = Body {
            system,
            split,
            metrics: means.clone().map(|(metric, mean)| (metric.to_string(), mean.unwrap_or(0.0))).collect(),
            queries: report.counts.evaluated as u64,
            without_judgements: report.counts.without_judgements as u64,
            missing_from_run: report.counts.missing_from_run as u64,
            latency,
            against,
        };
        if output.json {
            output.document("eval", &body)?;
        } else {
            let queries = size::count(body.queries, "query");
            output.line(output.paint(BOLD, format_args!("{}: {queries}", body.system)))?;
            for (metric, mean) in means {
                output.line(format_args!("{:<12} {:.4}", metric.to_string(), mean.unwrap_or(0.0)))?;
            }
            if let Some(latency) = &body.latency {
                latency.write(output)?;
            }
            if let Some(against) = &body.against {
                against.write(output)?;
            }
        }
        if body.missing_from_run > 0 {
            output.note(format_args!(
                "{} judged queries have no answer; they are left out of the means",
                body.missing_from_run
            ));
        }
        Ok(if body.queries > 0 { Outcome::Done } else { Outcome::Nothing })
    }
}
