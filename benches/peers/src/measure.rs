//! Times and hits of one system under one setting.

use std::collections::HashSet;

use serde_json::{Value, json};

/// What the rounds of one setting showed.
#[derive(Default)]
pub struct Measured {
    /// Seconds of each query in each round; one number a round where the system answers all together.
    rounds: Vec<Vec<f64>>,
    queries: usize,
}

impl Measured {
    /// Takes the times of one round over `queries` queries.
    pub fn add(&mut self, seconds: Vec<f64>, queries: usize) {
        self.queries = queries;
        self.rounds.push(seconds);
    }

    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// Seconds spent so far.
    pub fn spent(&self) -> f64 {
        self.rounds.iter().flatten().sum()
    }

    /// Milliseconds: `ms_p50` and `ms_p95` over the queries, each query's fastest round counting; and the mean
    /// time of a query in a round, of which the fastest round (`ms_mean_min`) and the median one.
    pub fn report(&self) -> Value {
        let mut means: Vec<f64> =
            self.rounds.iter().map(|round| round.iter().sum::<f64>() / self.queries as f64 * 1e3).collect();
        means.sort_by(f64::total_cmp);
        let mut best = self.rounds.first().cloned().unwrap_or_default();
        for round in self.rounds.iter().skip(1) {
            best.iter_mut().zip(round).for_each(|(best, seconds)| *best = best.min(*seconds));
        }
        let single = best.len() == self.queries;
        best.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let value = best.get(((best.len() as f64 * share) as usize).min(best.len().saturating_sub(1)));
            value.filter(|_| single).map(|seconds| rounded(seconds * 1e3))
        };
        json!({
            "ms_p50": at(0.5), "ms_p95": at(0.95),
            "ms_mean_min": means.first().map(|&ms| rounded(ms)),
            "ms_mean_median": means.get(means.len() / 2).map(|&ms| rounded(ms)),
            "rounds": means.len(),
        })
    }
}

/// Four significant digits after the point are more than any of this repeats to.
pub fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The mean share of the best `k` true documents of each query that were found among the best `k`.
pub fn recall(found: &[Vec<u32>], truth: &[Vec<u32>], k: usize) -> f64 {
    let shares = found.iter().zip(truth).map(|(found, truth)| {
        let truth: HashSet<u32> = truth.iter().take(k).copied().collect();
        let met = found.iter().take(k).filter(|document| truth.contains(document)).count();
        met as f64 / truth.len().max(1) as f64
    });
    rounded(shares.sum::<f64>() / found.len().max(1) as f64)
}

/// The least-squares line through `(ln x, ln y)`: the exponent of `y = c · x^e`, and the root mean square of what
/// the line leaves, in the logarithm (0.1 is about 10 %).
pub fn exponent(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let points: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if points.len() < 2 || spread == 0.0 {
        return None;
    }
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    let rest: f64 = points.iter().map(|point| (point.1 - y - slope * (point.0 - x)).powi(2)).sum();
    Some((slope, (rest / count).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_round_of_each_query_counts() {
        let mut measured = Measured::default();
        measured.add(vec![0.001, 0.004, 0.002], 3);
        measured.add(vec![0.002, 0.003, 0.009], 3);
        let report = measured.report();
        assert_eq!(report["ms_p50"], 2.0);
        assert_eq!(report["ms_p95"], 3.0);
        assert_eq!(report["ms_mean_min"], 2.3333);
        assert_eq!(report["ms_mean_median"], 4.6667);
        assert_eq!((measured.rounds(), report["rounds"].as_u64()), (2, Some(2)));
        let mut together = Measured::default();
        together.add(vec![0.003], 3);
        assert_eq!(
            (&together.report()["ms_p50"], &together.report()["ms_mean_min"]),
            (&Value::Null, &json!(1.0))
        );
    }

    #[test]
    fn recall_counts_what_was_found() {
        let truth = vec![vec![1, 2, 3, 4], vec![5, 6]];
        assert_eq!(recall(&[vec![2, 9, 1, 7], vec![6, 5]], &truth, 4), 0.75);
        assert_eq!(recall(&[vec![2, 9, 1, 7], vec![5, 6]], &truth, 1), 0.5);
        assert_eq!(recall(&[], &[], 10), 0.0);
    }

    #[test]
    fn a_power_law_is_found_again() {
        let points = [1.0, 10.0, 100.0f64].map(|x| (x, 3.0 * x.powf(0.7)));
        let (slope, rest) = exponent(&points).unwrap();
        assert!((slope - 0.7).abs() < 1e-9 && rest < 1e-9);
        assert_eq!(exponent(&points[..1]), None);
        let (slope, rest) = exponent(&[(1.0, 1.0), (2.0, 1.0), (4.0, 4.0)]).unwrap();
        assert!((slope - 1.0).abs() < 1e-9 && rest > 0.1);
    }
}
