use super::model_choice::{ModelChoice, tell};
use crate::exit::{Outcome, usage};
use crate::output::{BOLD, Output};
use crate::progress::Progress;
use crate::{interrupt, size};
use clap::Args;
use lateen::corpus::{Queries, ReadOptions};
use lateen::format::{QuerySource, TunedTarget, Tuning};
use lateen::retriever::Retriever;
use lateen::search::{PseudoQueries, Recall, TuneOptions};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  lateen tune my.lateen
  lateen tune my.lateen --queries questions.jsonl --recall 0.9 --recall 0.99
  lateen search my.lateen --recall 0.9 how do tides work";

/// Measure which settings find how much of the exact answer, and keep them with the index
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Tune {
    /// The index
    index: PathBuf,
    /// Queries of the kind that will be asked (JSONL, TSV, or one per line); without them some are made of the
    /// index's own documents
    #[arg(long, value_name = "FILE")]
    queries: Option<PathBuf>,
    /// How many queries to make of documents
    #[arg(long, value_name = "N", default_value_t = 256, conflicts_with = "queries", value_parser = clap::value_parser!(u32).range(16..=100_000))]
    sample: u32,
    /// The recalls to reach, between 0 and 1; may be repeated [default: 0.9 0.95 0.99]
    #[arg(long = "recall", value_name = "R")]
    recalls: Vec<Recall>,
    /// For how many hits; may be repeated, and serves for fewer hits as well [default: 16 128 1024]
    #[arg(short, long = "top", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    k: Vec<u32>,
    /// Start of all random choices
    #[arg(long, value_name = "N", default_value_t = 42, hide_short_help = true)]
    seed: u64,
    #[command(flatten)]
    model: ModelChoice,
}

#[derive(Serialize)]
struct Body<'a> {
    index: &'a Path,
    generation: u64,
    seconds: f64,
    tuning: TuningBody,
}

/// What an index measured, as `tune`, `inspect` and `stats` show it.
#[derive(Serialize)]
pub struct TuningBody {
    documents: u64,
    queries: u32,
    source: &'static str,
    outdated: bool,
    targets: Vec<TargetBody>,
}

#[derive(Serialize)]
struct TargetBody {
    k: u32,
    recall: f64,
    measured: f64,
    lower: f64,
    effort: BTreeMap<String, u64>,
}

impl Tune {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let options = self.options()?;
        let queries = match &self.queries {
            Some(path) => Queries::open(path, ReadOptions::default())?.read_all()?,
            None => Vec::new(),
        };
        let texts: Vec<&str> = queries.iter().map(|(_, text)| text.as_str()).collect();
        let retriever = Retriever::open(&self.index, self.model.source()?)?;
        if !texts.is_empty() {
            tell(output, retriever.model());
        }
        let sample =
            PseudoQueries { count: self.sample as usize, seed: self.seed, ..PseudoQueries::default() };
        let start = Instant::now();
        let progress = Progress::start(output, None);
        let graceful = interrupt::Graceful::begin();
        let tuning = retriever.tune(&texts, &sample, &options, &mut |state| {
            progress.set(0, state.tried, "setting");
            !interrupt::requested()
        })?;
        drop((progress, graceful));
        let Some(tuning) = tuning else { return Ok(Outcome::Interrupted) };
        let body = Body {
            index: &self.index,
            generation: retriever.snapshot().generation(),
            seconds: start.elapsed().as_secs_f64(),
            tuning: TuningBody::of(&tuning, retriever.snapshot().documents()),
        };
        if output.json {
            output.document("tuned", &body)?;
        } else {
            body.tuning.write(output)?;
            output.note(format_args!("{}: measured in {:.2} s", self.index.display(), body.seconds));
        }
        Ok(Outcome::Done)
    }

    fn options(&self) -> anyhow::Result<TuneOptions> {
        let mut options = TuneOptions { ks: vec![16, 128, 1024], ..TuneOptions::default() };
        if self.recalls.contains(&Recall::EXACT) {
            return usage("--recall exact needs no measuring: a search with it scores every document");
        }
        if !self.recalls.is_empty() {
            options.targets.clone_from(&self.recalls);
        }
        if !self.k.is_empty() {
            options.ks = self.k.iter().map(|&k| k as usize).collect();
        }
        Ok(options)
    }
}

impl TuningBody {
    /// Of an index that now has `documents`.
    pub fn of(tuning: &Tuning, documents: u64) -> Self {
        Self {
            documents: tuning.documents,
            queries: tuning.queries,
            source: match tuning.source {
                QuerySource::Sampled => "sampled",
                QuerySource::Given => "given",
            },
            outdated: documents > tuning.documents.saturating_mul(2),
            targets: tuning.targets.iter().map(TargetBody::of).collect(),
        }
    }

    pub fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        let queries = size::count(self.queries.into(), "query");
        let documents = size::count(self.documents, "document");
        output.line(format_args!("recall measured on {queries} ({}), {documents}", self.source))?;
        if self.outdated {
            output.line("  the index has more than twice as many now: `lateen tune` measures again")?;
        }
        if self.targets.is_empty() {
            output.line("  nothing short of scoring every document reaches what was aimed at")?;
        }
        let mut last = 0;
        for target in &self.targets {
            if last != target.k {
                last = target.k;
                output
                    .line(output.paint(BOLD, format_args!("  up to {}", size::count(last.into(), "hit"))))?;
            }
            target.write(output)?;
        }
        Ok(())
    }
}

impl TargetBody {
    fn of(target: &TunedTarget) -> Self {
        let share = |millionths: u32| f64::from(millionths) / f64::from(lateen::format::WHOLE);
        let effort = target.knobs.iter().map(|knob| (knob.name.clone(), knob.value));
        Self {
            k: target.k,
            recall: share(target.recall),
            measured: share(target.measured),
            lower: share(target.lower),
            effort: effort.collect(),
        }
    }

    fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        let effort: Vec<String> =
            self.effort.iter().map(|(name, value)| format!("{}={value}", crate::text::plain(name))).collect();
        let Self { recall, measured, lower, .. } = self;
        let effort = effort.join(" ");
        output.line(format_args!("    {recall:<6} measured {measured:.4}, at least {lower:.4}  {effort}"))?;
        Ok(())
    }
}
