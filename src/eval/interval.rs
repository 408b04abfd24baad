//! How far an average over queries can be trusted.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A mean over queries and the interval in which the mean over all such queries lies.
///
/// The queries are taken for a random sample: the interval says nothing about other kinds of queries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean over the queries asked.
    pub mean: f64,
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

/// The normal deviate of an interval that holds the truth in 95 of 100 samples.
pub const Z_95: f64 = 1.959_964;
/// The normal deviate of a bound that the truth is above in 95 of 100 samples.
pub const Z_95_ONE_SIDED: f64 = 1.644_854;

impl Interval {
    /// The interval of a share, such as recall, of which each query gives one value in `[0, 1]`.
    ///
    /// Wilson's score interval (JASA 1927) with an effective sample size (Kish, "Survey Sampling", 1965). With `n`
    /// values of mean `p` and sample variance `s²`, each the share of at most `trials` things found,
    /// `m = n · p(1 − p) / s²`, but no less than `n` and no more than `n · trials`: what is found for one query is
    /// neither independent nor the same. Then
    ///
    /// `(p + z²/2m ± z √(p(1 − p)/m + z²/4m²)) / (1 + z²/m)`.
    ///
    /// Unlike `p ± z·s/√n` it keeps within `[0, 1]`, and does not shrink to a point where all values are 1.
    /// `None` without values.
    ///
    /// ```
    /// use lateen::eval::{Interval, Z_95};
    /// let all_found = Interval::of_shares(&[1.0; 30], 10, Z_95).ok_or("no values")?;
    /// assert!((all_found.lower - 0.987).abs() < 0.001);
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn of_shares(values: &[f64], trials: usize, z: f64) -> Option<Self> {
        let n = values.len() as f64;
        let mean = mean(values)?;
        let spread = mean * (1.0 - mean);
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let most = n * trials.max(1) as f64;
        let m = if variance > 0.0 { (n * spread / variance).clamp(n, most) } else { most };
        let centre = mean + z * z / (2.0 * m);
        let half = z * (spread / m + z * z / (4.0 * m * m)).sqrt();
        let scale = 1.0 + z * z / m;
        let within = |x: f64| (x / scale).clamp(0.0, 1.0);
        Some(Self { mean, lower: within(centre - half).min(mean), upper: within(centre + half).max(mean) })
    }

    /// The interval of the mean of any numbers, one for each query, that holds the truth in 95 of 100 samples.
    ///
    /// The percentile bootstrap (Efron & Tibshirani, 1993): of `resamples` samples of the same size, drawn from
    /// `values` with replacement, the means that 2.5 % of all means are below and above. For a difference between
    /// two systems give the differences, query by query. Cost: `resamples · values`. `None` without values.
    ///
    /// ```
    /// use lateen::eval::Interval;
    /// let interval = Interval::bootstrap(&[0.0, 0.1, -0.1, 0.2], 1000, 1).ok_or("no values")?;
    /// assert!(interval.lower < interval.mean && interval.mean < interval.upper);
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn bootstrap(values: &[f64], resamples: usize, seed: u64) -> Option<Self> {
        let whole = mean(values)?;
        let mut random = StdRng::seed_from_u64(seed);
        let mut draw = || values.iter().map(|_| values[random.random_range(0..values.len())]).sum::<f64>();
        let mut means: Vec<f64> = (0..resamples.max(1)).map(|_| draw() / values.len() as f64).collect();
        means.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| means[((share * means.len() as f64) as usize).min(means.len() - 1)];
        Some(Self { mean: whole, lower: at(0.025).min(whole), upper: at(0.975).max(whole) })
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_trials_give_wilsons_interval() {
        // 8 of 10; the published example gives 0.4902 to 0.9433.
        let values = [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
        let Interval { mean, lower, upper } = Interval::of_shares(&values, 1, Z_95).unwrap();
        assert!((mean - 0.8).abs() < 1e-12);
        assert!((lower - 0.4902).abs() < 1e-4 && (upper - 0.9433).abs() < 1e-4, "{lower} {upper}");
    }

    #[test]
    fn what_differs_between_queries_widens_the_interval() {
        // Both found 90 of 100; once all misses are of one query.
        let even = Interval::of_shares(&[0.9; 10], 10, Z_95).unwrap();
        let uneven: Vec<f64> = [0.0].into_iter().chain([1.0; 9]).collect();
        let uneven = Interval::of_shares(&uneven, 10, Z_95).unwrap();
        assert!((even.mean - uneven.mean).abs() < 1e-12);
        assert!(uneven.lower < even.lower && even.lower < 0.9);
        assert_eq!(Interval::of_shares(&[], 10, Z_95), None);
        assert_eq!(Interval::bootstrap(&[], 10, 1), None);
    }

    /// Shares are drawn as queries give them: some queries are hard. The bound must be below the truth about as
    /// often as it says.
    #[test]
    fn the_bound_holds_as_often_as_it_says() {
        let mut random = StdRng::seed_from_u64(3);
        let mut held = [0, 0];
        const SAMPLES: usize = 1000;
        for _ in 0..SAMPLES {
            let values: Vec<f64> = (0..100)
                .map(|_| {
                    let share = if random.random_bool(0.2) { 0.9 } else { 0.99 };
                    (0..10).filter(|_| random.random_bool(share)).count() as f64 / 10.0
                })
                .collect();
            let truth = 0.2 * 0.9 + 0.8 * 0.99;
            let bound = Interval::of_shares(&values, 10, Z_95_ONE_SIDED).unwrap();
            held[0] += usize::from(bound.lower <= truth);
            let interval = Interval::bootstrap(&values, 200, 9).unwrap();
            held[1] += usize::from(interval.lower <= truth && truth <= interval.upper);
        }
        assert!((930..=985).contains(&held[0]), "{held:?}");
        assert!((900..=985).contains(&held[1]), "{held:?}");
    }
}
