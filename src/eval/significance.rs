//! Whether one system is better than another, or had luck with its queries.

use std::fmt;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What a test of paired values says.
///
/// The values come in pairs: both systems answered the same queries. `p` is the probability of a mean difference at least as
/// large, in either direction, if the two systems were equally good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Significance {
    /// The mean of the differences.
    pub difference: f64,
    /// Two-sided, in `[0, 1]`.
    pub p: f64,
    /// How many pairs there were.
    pub pairs: usize,
}

/// Student's t-test of paired values: assumes that the mean of so many differences is distributed normally.
///
/// `t = mean / (s / √n)` with `n − 1` degrees of freedom; equal to SciPy's `ttest_rel`. `differences` has one value for each
/// query. `None` for fewer than two. Where all differences are equal there is no spread to compare with: `p` is 1 if they are 0, and 0
/// otherwise.
///
/// ```
/// let test = lateen::eval::paired_t_test(&[0.1, 0.2, -0.05, 0.15]).ok_or("too few")?;
/// assert!((test.p - 0.161).abs() < 1e-3);
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn paired_t_test(differences: &[f64]) -> Option<Significance> {
    let pairs = differences.len();
    if pairs < 2 {
        return None;
    }
    let n = pairs as f64;
    let difference = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|x| (x - difference).powi(2)).sum::<f64>() / (n - 1.0);
    let p = if variance == 0.0 {
        f64::from(u8::from(difference == 0.0))
    } else {
        two_sided_t(difference / (variance / n).sqrt(), n - 1.0)
    };
    Some(Significance { difference, p, pairs })
}

/// Fisher's randomisation test: if the systems were equally good, each difference might as well have the other sign.
///
/// Assumes nothing of how differences are distributed (Smucker, Allan & Carterette, CIKM 2007). `p` is the share of sign choices
/// whose mean is at least as far from 0 as the one seen: of all of them for up to 16 differences that are not 0, else of `samples`
/// random ones, the one seen counted in, so that `p` is never 0. Cost: `samples · pairs`. `None` without differences.
///
/// ```
/// let test = lateen::eval::randomisation_test(&[0.1, 0.2, -0.05, 0.15], 10_000, 1).ok_or("none")?;
/// assert_eq!(test.p, 0.25);
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn randomisation_test(differences: &[f64], samples: usize, seed: u64) -> Option<Significance> {
    let pairs = differences.len();
    if pairs == 0 {
        return None;
    }
    // What is 0 has no sign to change.
    let moving: Vec<f64> = differences.iter().copied().filter(|x| *x != 0.0).collect();
    let total: f64 = moving.iter().sum();
    // Sums of the same numbers in another order differ by rounding only.
    let bar = total.abs() * (1.0 - 1e-12);
    let p = if moving.len() <= EXHAUSTIVE {
        let choices = 1_u32 << moving.len();
        let extreme = (0..choices).filter(|choice| sum_with_signs(&moving, *choice).abs() >= bar).count();
        extreme as f64 / f64::from(choices)
    } else {
        let mut random = StdRng::seed_from_u64(seed);
        let mut is_extreme = || {
            let sum: f64 = moving.iter().map(|x| if random.random::<bool>() { *x } else { -x }).sum();
            sum.abs() >= bar
        };
        let extreme = (0..samples).filter(|_| is_extreme()).count();
        (extreme + 1) as f64 / (samples + 1) as f64
    };
    Some(Significance { difference: total / pairs as f64, p, pairs })
}

/// So many signs are all tried.
const EXHAUSTIVE: usize = 16;

fn sum_with_signs(values: &[f64], choice: u32) -> f64 {
    values.iter().enumerate().map(|(at, x)| if choice >> at & 1 == 0 { *x } else { -x }).sum()
}

/// What is done about many comparisons: of twenty equal systems, one looks better at `p < 0.05`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Correction {
    /// Nothing.
    None,
    /// Each `p` times their number.
    Bonferroni,
    /// Step down from the smallest: never less powerful than Bonferroni, with the same guarantee (Holm, 1979).
    #[default]
    Holm,
}

impl fmt::Display for Correction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Bonferroni => "Bonferroni",
            Self::Holm => "Holm",
        })
    }
}

impl Correction {
    /// The adjusted values, in the order of `ps`: with them below `α`, the probability of any false claim is below `α`.
    ///
    /// ```
    /// use lateen::eval::Correction;
    /// assert_eq!(Correction::Holm.adjust(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
    /// assert_eq!(Correction::Bonferroni.adjust(&[0.01, 0.5]), [0.02, 1.0]);
    /// ```
    #[must_use]
    pub fn adjust(self, ps: &[f64]) -> Vec<f64> {
        let number = ps.len() as f64;
        match self {
            Self::None => ps.to_vec(),
            Self::Bonferroni => ps.iter().map(|p| (p * number).min(1.0)).collect(),
            Self::Holm => {
                let mut order: Vec<usize> = (0..ps.len()).collect();
                order.sort_by(|a, b| ps[*a].total_cmp(&ps[*b]));
                let (mut adjusted, mut floor) = (ps.to_vec(), 0.0_f64);
                for (step, at) in order.into_iter().enumerate() {
                    floor = floor.max((ps[at] * (number - step as f64)).min(1.0));
                    adjusted[at] = floor;
                }
                adjusted
            }
        }
    }
}

/// `P(|T| ≥ |t|)` with `freedom` degrees of freedom: `I_x(ν/2, 1/2)` at `x = ν / (ν + t²)`.
fn two_sided_t(t: f64, freedom: f64) -> f64 {
    incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// The regularised incomplete beta function `I_x(a, b)` by its continued fraction (Abramowitz & Stegun 26.5.8, evaluated by the
/// method of Lentz, Applied Optics 1976); relative error below 1e-12 for the arguments of a t-test.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast below this point; above it, by symmetry.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp() / a;
    const TINY: f64 = 1e-300;
    let away_from_0 = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / away_from_0(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for step in 1..=500 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for term in [even, odd] {
            d = 1.0 / away_from_0(1.0 + term * d);
            c = away_from_0(1.0 + term / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

/// `ln Γ(x)` for `x > 0`: Stirling's series, after the recurrence has brought the argument to where its eight terms are exact.
fn ln_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 15.0 {
        shift -= x.ln();
        x += 1.0;
    }
    // B₂ₖ / (2k (2k − 1)).
    const TERMS: [f64; 8] = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
        -3617.0 / 122_400.0,
    ];
    let inverse = 1.0 / (x * x);
    let series = TERMS.iter().rev().fold(0.0, |sum, term| sum * inverse + term) / x;
    shift + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const CASES: &str = include_str!("../../tests/fixtures/eval/significance.json");

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    }

    #[test]
    fn t_tests_equal_scipys() {
        let cases: Value = serde_json::from_str(CASES).unwrap();
        let cases = cases["paired"].as_array().unwrap();
        assert!(cases.len() >= 20);
        for case in cases {
            let differences = numbers(&case["differences"]);
            let (ours, theirs) = (paired_t_test(&differences).unwrap().p, case["t_test"].as_f64().unwrap());
            assert!((ours - theirs).abs() <= 1e-9 * theirs.max(1e-6), "{ours} {theirs}");
        }
    }

    #[test]
    fn randomisation_is_exact_for_few_pairs_and_near_for_many() {
        let cases: Value = serde_json::from_str(CASES).unwrap();
        for case in cases["paired"].as_array().unwrap() {
            let differences = numbers(&case["differences"]);
            let ours = randomisation_test(&differences, 20_000, 5).unwrap();
            let theirs = case["permutation"].as_f64().unwrap();
            // Two estimates from 20,000 samples each differ by less than this nearly always.
            let bound = if differences.len() <= EXHAUSTIVE { 1e-12 } else { 0.02 };
            assert!((ours.p - theirs).abs() <= bound, "{} pairs: {} {theirs}", ours.pairs, ours.p);
        }
        assert_eq!(randomisation_test(&[0.0; 9], 10, 1).unwrap().p, 1.0);
        assert_eq!(randomisation_test(&[], 10, 1), None);
    }

    #[test]
    fn corrections_equal_statsmodels() {
        let cases: Value = serde_json::from_str(CASES).unwrap();
        for case in cases["corrections"].as_array().unwrap() {
            let ps = numbers(&case["p"]);
            for (correction, name) in [(Correction::Holm, "holm"), (Correction::Bonferroni, "bonferroni")] {
                for (ours, theirs) in correction.adjust(&ps).iter().zip(numbers(&case[name])) {
                    assert!((ours - theirs).abs() < 1e-12, "{correction}: {ours} {theirs}");
                }
            }
        }
        assert!(Correction::Holm.adjust(&[]).is_empty());
    }

    #[test]
    fn no_spread_is_no_accident() {
        assert_eq!(paired_t_test(&[0.0; 5]).unwrap().p, 1.0);
        assert_eq!(paired_t_test(&[0.5; 5]).unwrap().p, 0.0);
        assert_eq!(paired_t_test(&[0.5]), None);
    }

    /// Of equal systems, one in twenty is claimed to differ, and not more.
    #[test]
    fn equal_systems_seldom_differ() {
        let mut random = StdRng::seed_from_u64(11);
        let mut claims = [0, 0];
        for round in 0..400 {
            let differences: Vec<f64> =
                (0..40).map(|_| random.random::<f64>() - random.random::<f64>()).collect();
            claims[0] += usize::from(paired_t_test(&differences).unwrap().p < 0.05);
            claims[1] += usize::from(randomisation_test(&differences, 500, round).unwrap().p < 0.05);
        }
        assert!(claims.iter().all(|claims| (6..=36).contains(claims)), "{claims:?}");
    }
}
