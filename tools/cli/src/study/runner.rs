//! All systems on all collections, one after another, what is finished left alone.

use super::build::{Builder, Built};
use super::collection::Collection;
use super::config::{Kind, Study};
use super::machine::Machine;
use super::measure::{PeakMemory, in_turns};
use super::outcome::{CollectionFacts, Finished, Outcome, StudyReport};
use super::ranker::{Models, Part, Ranker};
use super::{position, statistics};
use crate::exit::bad_data;
use crate::interrupt;
use crate::output::Output;
use crate::progress::Progress;
use anyhow::Context as _;
use lateen::encode::cache::EncodingCache;
use lateen::eval::{EvalError, EvalOptions, Run, evaluate_with};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

/// Runs a study; `None` if it was interrupted.
pub fn run(output: &mut Output, study: &Study, command: &str) -> anyhow::Result<Option<StudyReport>> {
    let _graceful = interrupt::Graceful::begin();
    make(&study.out)?;
    let cache = study.cache.clone().unwrap_or_else(|| study.out.join("encodings"));
    let cache = Arc::new(EncodingCache::open(&cache, study.cache_bytes()?)?);
    let mut models = Models::new(Some(Arc::clone(&cache)));
    let mut report = StudyReport {
        title: study.title.clone().unwrap_or_else(|| "Comparison".to_owned()),
        command: command.to_owned(),
        machine: Machine::here(),
        baseline: study.baseline().to_owned(),
        metrics: study.metrics()?.iter().map(ToString::to_string).collect(),
        collections: Vec::new(),
        outcomes: Vec::new(),
        positions: Vec::new(),
        thirds: Vec::new(),
    };
    for spec in &study.collections {
        let collection = Collection::open(output, spec, study.seed)?;
        let one = OneCollection { study, collection: &collection };
        if !one.run(output, &mut models, &mut report)? {
            return Ok(None);
        }
        report.collections.push(facts(&collection, spec.written.clone()));
    }
    let known = cache.statistics();
    output.detail(format_args!(
        "encodings: {} found, {} made, {} damaged, {}",
        known.hits,
        known.misses,
        known.damaged,
        crate::size::bytes(known.bytes)
    ));
    Ok(Some(report))
}

fn facts(collection: &Collection, path: String) -> CollectionFacts {
    CollectionFacts {
        name: collection.name.clone(),
        path,
        split: collection.split.clone(),
        documents: collection.documents.len(),
        queries: collection.queries.len(),
        hash: collection.hash.clone(),
        notes: collection.notes.clone(),
    }
}

struct OneCollection<'a> {
    study: &'a Study,
    collection: &'a Collection,
}

/// A system with its run.
struct Ready {
    built: Built,
    run: Rc<Run>,
    finished: Finished,
}

impl OneCollection<'_> {
    /// False if it was interrupted.
    fn run(
        &self,
        output: &mut Output,
        models: &mut Models,
        report: &mut StudyReport,
    ) -> anyhow::Result<bool> {
        let indexes = self.study.out.join("indexes");
        make(&indexes)?;
        let (collection, parts) = (self.collection, Vec::new());
        let mut builder = Builder { collection, indexes, models, texts: None, parts };
        let mut ready: Vec<Ready> = Vec::new();
        for spec in &self.study.systems {
            output.note(format_args!("{}: {}", collection.name, spec.name));
            let Some(built) = builder.build(output, spec)? else { return Ok(false) };
            let Some(one) = self.rank(output, &spec.name, built)? else { return Ok(false) };
            let (ranker, run) = (Rc::clone(&one.built.ranker), Rc::clone(&one.run));
            let (name, key) = (spec.name.clone(), one.finished.key.clone());
            builder.parts.push(Part { name, key, ranker, run });
            ready.push(one);
        }
        self.time(output, &mut ready)?;
        self.report(&ready, report)?;
        if let Some(thirds) = &self.study.thirds {
            for (spec, one) in self.study.systems.iter().zip(&ready) {
                let Some(model) = one.built.model.as_ref().filter(|_| spec.kind == Kind::Dense) else {
                    continue;
                };
                let asked = (thirds.texts, thirds.words);
                let found =
                    position::measure_thirds(collection, (&spec.name, model), asked, self.study.seed)?;
                report.thirds.extend(found);
            }
        }
        Ok(true)
    }

    /// The run of an earlier time if nothing that decides it has changed, else a new one.
    fn rank(&self, output: &mut Output, name: &str, built: Built) -> anyhow::Result<Option<Ready>> {
        let (study, collection) = (self.study, self.collection);
        let decides = format!("{} {} {}", collection.hash, built.identity, study.depth);
        let key = format!("{:016x}", xxh3_64(decides.as_bytes()));
        if let Some((run, finished)) = self.earlier(name, &key) {
            output.detail(format_args!("{}: {name}: the run of an earlier time", collection.name));
            return Ok(Some(Ready { built, run: Rc::new(run), finished }));
        }
        let cold_ms = built.cold_start(&collection.queries[0].text)?;
        let peak = PeakMemory::begin();
        let start = Instant::now();
        let Some(run) = self.rank_all(output, &*built.ranker)? else { return Ok(None) };
        let finished = Finished {
            key,
            description: built.ranker.description(),
            plan: built.ranker.plan(),
            bytes: built.ranker.bytes(),
            rank_seconds: (start.elapsed().as_secs_f64() * 1e3).round() / 1e3,
            peak_bytes: peak.and_then(PeakMemory::end),
            cold_ms,
            latency: None,
            latency_key: String::new(),
        };
        self.keep(output, name, (&run, &finished))?;
        Ok(Some(Ready { built, run: Rc::new(run), finished }))
    }

    fn rank_all(&self, output: &mut Output, ranker: &dyn Ranker) -> anyhow::Result<Option<Run>> {
        let depth = self.study.depth as usize;
        let total = self.collection.queries.len() as u64;
        let progress = Progress::start(output, Some(total));
        let mut run = Run::new();
        for (done, query) in (1..).zip(&self.collection.queries) {
            if interrupt::requested() {
                return Ok(None);
            }
            let mut hits = ranker.rank(query, depth + 1)?;
            // A query that is itself a document of the collection is no answer to itself (as BEIR evaluates).
            hits.retain(|(document, _)| *document != query.id);
            hits.truncate(depth);
            run.insert_ranked(query.id.as_str(), hits)?;
            progress.set(done, done, "query");
        }
        Ok(Some(run))
    }

    fn path(&self, folder: &str, system: &str, extension: &str) -> PathBuf {
        self.study.out.join(folder).join(&self.collection.name).join(format!("{system}.{extension}"))
    }

    fn earlier(&self, system: &str, key: &str) -> Option<(Run, Finished)> {
        let finished = fs::read(self.path("results", system, "json")).ok()?;
        let finished: Finished = serde_json::from_slice(&finished).ok()?;
        let run = Run::open(self.path("runs", system, "trec")).ok()?;
        (finished.key == key).then_some((run, finished))
    }

    /// Writes the run and, after it, what is known of it.
    fn keep(
        &self,
        output: &mut Output,
        system: &str,
        (run, finished): (&Run, &Finished),
    ) -> anyhow::Result<()> {
        let path = self.path("runs", system, "trec");
        let results = self.path("results", system, "json");
        [&path, &results].into_iter().filter_map(|path| path.parent()).try_for_each(make)?;
        let _ = fs::remove_file(&results);
        let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        match run.write_trec(BufWriter::new(file), &tag(system)) {
            Ok(()) => {}
            Err(error @ EvalError::Unwritable { .. }) => {
                fs::remove_file(&path)?;
                output.warn(format_args!("{}: no run is written or kept: {error}", self.collection.name));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        fs::write(&results, serde_json::to_vec_pretty(finished)?)
            .with_context(|| format!("writing {}", results.display()))
    }

    /// Times all systems together, unless exactly these were timed before.
    fn time(&self, output: &mut Output, ready: &mut [Ready]) -> anyhow::Result<()> {
        let spec = &self.study.latency;
        if spec.queries == 0 || spec.repeats == 0 {
            return Ok(());
        }
        let keys: Vec<&str> = ready.iter().map(|one| one.finished.key.as_str()).collect();
        let key = format!("{:016x}", xxh3_64(format!("{} {spec:?}", keys.join(" ")).as_bytes()));
        if ready.iter().all(|one| one.finished.latency_key == key) {
            return Ok(());
        }
        output.note(format_args!("{}: latencies", self.collection.name));
        let mut queries = self.collection.queries.clone();
        queries.shuffle(&mut StdRng::seed_from_u64(self.study.seed));
        queries.truncate(spec.queries);
        let rankers: Vec<Rc<dyn Ranker>> = ready.iter().map(|one| Rc::clone(&one.built.ranker)).collect();
        let latencies = in_turns(output, &rankers, &queries, (spec, self.study.depth as usize))?;
        for (at, latency) in latencies.into_iter().enumerate() {
            ready[at].finished.latency = latency;
            ready[at].finished.latency_key.clone_from(&key);
            let results = self.path("results", &self.study.systems[at].name, "json");
            if results.is_file() {
                fs::write(results, serde_json::to_vec_pretty(&ready[at].finished)?)?;
            }
        }
        Ok(())
    }

    fn report(&self, ready: &[Ready], report: &mut StudyReport) -> anyhow::Result<()> {
        let (study, collection) = (self.study, self.collection);
        let metrics = study.metrics()?;
        let qrels = collection.asked_qrels();
        let options = EvalOptions { complete: true, ..EvalOptions::default() };
        let found: Vec<_> =
            ready.iter().map(|one| evaluate_with(&one.run, &qrels, &metrics, &options)).collect();
        if found.iter().any(|found| found.counts.evaluated == 0) {
            return bad_data(format!("{}: no query could be evaluated", collection.name));
        }
        let baseline = study.systems.iter().position(|system| system.name == study.baseline()).unwrap_or(0);
        let cells = statistics::cells(&found.iter().collect::<Vec<_>>(), baseline, study.seed);
        for (at, (one, metrics)) in ready.iter().zip(cells).enumerate() {
            let system = study.systems[at].name.clone();
            report.positions.extend(position::measure(collection, &system, &one.run, study.seed));
            let run = self.path("runs", &system, "trec");
            report.outcomes.push(Outcome {
                collection: collection.name.clone(),
                is_baseline: at == baseline,
                run: run.is_file().then(|| format!("runs/{}/{system}.trec", collection.name)),
                system,
                finished: one.finished.clone(),
                metrics,
            });
        }
        Ok(())
    }
}

/// A name without spaces.
fn tag(system: &str) -> String {
    system.split_whitespace().collect::<Vec<_>>().join("-")
}

fn make(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))
}
