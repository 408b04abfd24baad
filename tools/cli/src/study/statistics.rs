//! How far a mean can be trusted, and whether two differ.

use lateen::eval::{Correction, Interval, Metric, Report, paired_t_test, randomisation_test};
use serde::Serialize;
use std::collections::BTreeMap;

const RESAMPLES: usize = 2000;
const SIGNS: usize = 10_000;

/// A metric's mean, the interval that holds it in 95 of 100 such samples of queries, and how it stands against the baseline.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    pub mean: f64,
    pub lower: f64,
    pub upper: f64,
    pub against: Option<Against>,
}

/// Query by query against the baseline.
#[derive(Debug, Clone, Serialize)]
pub struct Against {
    pub difference: f64,
    pub lower: f64,
    pub upper: f64,
    /// Of the randomisation test.
    pub p: f64,
    /// The same by Holm's method, over the systems compared on this collection by this metric.
    pub adjusted_p: f64,
    /// Of Student's test.
    pub t_test_p: f64,
}

impl Against {
    /// Whether the difference is significant at 5 % after correction.
    pub fn is_significant(&self) -> bool {
        self.adjusted_p < 0.05
    }
}

/// The cells of all systems on one collection, in their order; `reports` are over the same queries.
pub fn cells(reports: &[&Report], baseline: usize, seed: u64) -> Vec<BTreeMap<String, Cell>> {
    let mut all: Vec<BTreeMap<String, Cell>> = vec![BTreeMap::new(); reports.len()];
    let metrics: &[Metric] = reports.first().map_or(&[], |report| &report.metrics);
    for (at, metric) in metrics.iter().enumerate() {
        let values: Vec<Vec<f64>> = reports
            .iter()
            .map(|report| report.queries.iter().map(|query| query.values[at]).collect())
            .collect();
        let mut tests: Vec<(usize, Against)> = Vec::new();
        for (system, own) in values.iter().enumerate().filter(|(system, _)| *system != baseline) {
            tests.extend(against(own, &values[baseline], seed).map(|test| (system, test)));
        }
        let ps: Vec<f64> = tests.iter().map(|(_, test)| test.p).collect();
        let mut tests: BTreeMap<usize, Against> = tests
            .into_iter()
            .zip(Correction::Holm.adjust(&ps))
            .map(|((system, test), adjusted_p)| (system, Against { adjusted_p, ..test }))
            .collect();
        for (system, own) in values.iter().enumerate() {
            let Some(Interval { mean, lower, upper }) = Interval::bootstrap(own, RESAMPLES, seed) else {
                continue;
            };
            let cell = Cell { mean, lower, upper, against: tests.remove(&system) };
            all[system].insert(metric.to_string(), cell);
        }
    }
    all
}

fn against(own: &[f64], other: &[f64], seed: u64) -> Option<Against> {
    let differences: Vec<f64> = own.iter().zip(other).map(|(own, other)| own - other).collect();
    let Interval { mean, lower, upper } = Interval::bootstrap(&differences, RESAMPLES, seed)?;
    let p = randomisation_test(&differences, SIGNS, seed)?.p;
    let t_test_p = paired_t_test(&differences).map_or(1.0, |test| test.p);
    Some(Against { difference: mean, lower, upper, p, adjusted_p: p, t_test_p })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lateen::eval::{Counts, QueryValues};

    fn report(values: &[f64]) -> Report {
        let row =
            |(at, value): (usize, &f64)| QueryValues { query: format!("{at:03}"), values: vec![*value] };
        let queries = values.iter().enumerate().map(row).collect();
        Report { metrics: vec!["ndcg@10".parse().unwrap()], queries, counts: Counts::default() }
    }

    #[test]
    fn what_differs_is_told_from_what_does_not() {
        let base: Vec<f64> = (0..60).map(|at| f64::from(at % 7) / 10.0).collect();
        let better: Vec<f64> =
            base.iter().enumerate().map(|(at, x)| x + 0.05 + (at % 3) as f64 / 100.0).collect();
        let noise: Vec<f64> =
            base.iter().enumerate().map(|(at, x)| x + if at % 2 == 0 { 0.1 } else { -0.1 }).collect();
        let reports = [report(&base), report(&better), report(&noise)];
        let cells = cells(&reports.each_ref(), 0, 1);
        let cell = |system: usize| cells[system]["ndcg@10"].clone();
        assert!(cell(0).against.is_none());
        let (better, noise) = (cell(1).against.unwrap(), cell(2).against.unwrap());
        assert!(better.is_significant() && better.lower > 0.0 && better.t_test_p < 0.001);
        assert!(better.adjusted_p >= better.p && !noise.is_significant());
    }
}
