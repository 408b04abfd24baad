//! `lateen eval --against exact`: what planning loses and gains beside scoring every document.

use super::systems::{Lateen, Latencies};
use crate::exit::{bad_data, usage};
use crate::output::Output;
use crate::progress::Progress;
use lateen::corpus::{Queries, ReadOptions};
use lateen::eval::beir::Collection;
use lateen::eval::{Interval, Metric, Qrels, Report, Run, Z_95, evaluate};
use lateen::search::{PlanChoice, SearchOptions};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

/// Resamples of the intervals of differences.
const RESAMPLES: usize = 2000;

/// A value over the queries with the interval that holds it in 95 of 100 such samples of queries.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Measured {
    mean: f64,
    lower: f64,
    upper: f64,
}

impl From<Interval> for Measured {
    fn from(Interval { mean, lower, upper }: Interval) -> Self {
        Self { mean: round(mean), lower: round(lower), upper: round(upper) }
    }
}

/// The two ways of searching, side by side.
#[derive(Debug, Serialize)]
pub struct Comparison {
    k: u32,
    plan: &'static str,
    effort: String,
    recall: Measured,
    /// By metric: how much less than that of the exact ranking.
    loss: BTreeMap<String, Measured>,
    exact_metrics: BTreeMap<String, f64>,
    search: Latencies,
    exact_search: Latencies,
}

/// Searches every judged query both ways, in turns, and measures the difference.
pub fn compare(
    output: &mut Output,
    system: &Lateen,
    (collection, qrels): (&Collection, &Qrels),
    k: u32,
    metrics: &[Metric],
) -> anyhow::Result<(Run, Latencies, Comparison)> {
    let judged: HashSet<&str> = qrels.queries().collect();
    let queries = Queries::open(&collection.queries, ReadOptions::default())?.read_all()?;
    let queries: Vec<_> = queries.into_iter().filter(|(id, _)| judged.contains(id.as_str())).collect();
    if queries.is_empty() {
        return bad_data(format!("no query of {} is judged in this split", collection.queries.display()));
    }
    let planned = system.options().clone();
    if planned.plan == PlanChoice::Exact {
        return usage("--against exact compares with the exact plan: leave out --exact and --plan exact");
    }
    let exact = SearchOptions { plan: PlanChoice::Exact, ..planned.clone() };
    let progress = Progress::start(output, Some(queries.len() as u64));
    let (mut ours, mut theirs) = (Side::default(), Side::default());
    let mut shares = Vec::with_capacity(queries.len());
    for (done, (id, text)) in queries.iter().enumerate() {
        let start = Instant::now();
        let query = system.encode(text)?;
        let encoding = start.elapsed().as_secs_f64();
        // Whoever goes second finds caches warm: they take turns.
        let sides: [(&mut Side, &SearchOptions); 2] = [(&mut ours, &planned), (&mut theirs, &exact)];
        let order = if done % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut sides = sides.map(Some);
        for at in order {
            if let Some((side, options)) = sides[at].take() {
                side.search(system, (id.as_str(), &query), k as usize, options)?;
                side.whole.push(encoding + side.seconds.last().copied().unwrap_or(0.0));
            }
        }
        shares.extend(share(&ours.last, &theirs.last));
        progress.set(done as u64 + 1, done as u64 + 1, "query");
    }
    drop(progress);
    let Some(recall) = Interval::of_shares(&shares, k as usize, Z_95) else {
        return bad_data("no query has an answer");
    };
    let (found, truth) = (evaluate(&ours.run, qrels, metrics), evaluate(&theirs.run, qrels, metrics));
    let comparison = Comparison {
        k,
        plan: ours.plan,
        effort: ours.effort,
        recall: recall.into(),
        loss: losses(&found, &truth),
        exact_metrics: truth
            .metrics
            .iter()
            .map(|&metric| (metric.to_string(), truth.mean(metric).unwrap_or(0.0)))
            .collect(),
        search: Latencies::of(ours.seconds),
        exact_search: Latencies::of(theirs.seconds),
    };
    Ok((ours.run, Latencies::of(ours.whole), comparison))
}

/// One way of searching.
#[derive(Default)]
struct Side {
    run: Run,
    /// Of the search alone, and with encoding.
    seconds: Vec<f64>,
    whole: Vec<f64>,
    last: Vec<(String, f32)>,
    plan: &'static str,
    effort: String,
}

impl Side {
    fn search(
        &mut self,
        system: &Lateen,
        (id, query): (&str, &super::systems::EncodedQuery),
        k: usize,
        options: &SearchOptions,
    ) -> anyhow::Result<()> {
        let options = SearchOptions { k: k + 1, ..options.clone() };
        let start = Instant::now();
        let outcome = system.search(query, &options)?;
        self.seconds.push(start.elapsed().as_secs_f64());
        self.plan = outcome.report.plan.name();
        self.effort = outcome.report.effort_source.to_string();
        let mut hits = system.name_hits(&outcome)?;
        // A query that is itself a document of the collection is no answer to itself (as BEIR evaluates).
        hits.retain(|(document, _)| document != id);
        hits.truncate(k);
        self.run.insert_ranked(id, hits.clone())?;
        self.last = hits;
        Ok(())
    }
}

/// How much of `truth` was found; a document that scores as well as the last true one counts.
fn share(found: &[(String, f32)], truth: &[(String, f32)]) -> Option<f64> {
    let bar = truth.last()?.1;
    let true_ids: HashSet<&str> = truth.iter().map(|(id, _)| id.as_str()).collect();
    let right = found.iter().filter(|(id, score)| *score >= bar || true_ids.contains(id.as_str())).count();
    Some(right.min(truth.len()) as f64 / truth.len() as f64)
}

/// What each metric loses, query by query.
fn losses(found: &Report, truth: &Report) -> BTreeMap<String, Measured> {
    let values: HashMap<&str, &[f64]> =
        found.queries.iter().map(|query| (query.query.as_str(), query.values.as_slice())).collect();
    let metrics = truth.metrics.iter().enumerate();
    let each = metrics.filter_map(|(at, metric)| {
        let differences: Vec<f64> = truth
            .queries
            .iter()
            .filter_map(|query| Some(query.values[at] - values.get(query.query.as_str())?[at]))
            .collect();
        Some((metric.to_string(), Interval::bootstrap(&differences, RESAMPLES, 42)?.into()))
    });
    each.collect()
}

fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

impl Comparison {
    pub fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        output.line(format_args!("against the exact plan ({}; {})", self.plan, self.effort))?;
        let Measured { mean, lower, upper } = self.recall;
        output.line(format_args!("  recall@{:<5} {mean:.4} ({lower:.4} to {upper:.4})", self.k))?;
        for (metric, Measured { mean, lower, upper }) in &self.loss {
            output.line(format_args!("  {metric:<12} {mean:.4} lost ({lower:.4} to {upper:.4})"))?;
        }
        for (name, latency) in [("this search", &self.search), ("exact", &self.exact_search)] {
            output.line(format_args!("  {name:<12} {}", latency.percentiles()))?;
        }
        output.line(
            "  intervals hold in 95 of 100 such samples of queries; times are of the search alone, in turns",
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_of_the_last_true_answer_are_right() {
        let row = |id: &str, score| (id.to_owned(), score);
        let truth = [row("a", 3.0), row("b", 2.0)];
        assert_eq!(share(&[row("a", 3.0), row("c", 2.0)], &truth), Some(1.0));
        assert_eq!(share(&[row("a", 3.0), row("c", 1.0)], &truth), Some(0.5));
        assert_eq!(share(&[], &[]), None);
    }
}
