//! Quantisation levels for one dimension of a rotated residual.

use crate::format::CodeWidth;

/// Symmetric Lloyd–Max levels as small integers, and the thresholds between them.
///
/// Values are in units of the residual's root mean square component. `unit · levels[code]` is the value that a
/// code stands for; codes ascend with their values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Levels {
    pub(super) width: CodeWidth,
    /// Ascending, antisymmetric, the outermost ±127; zero beyond those that there are.
    pub(super) values: [i8; 16],
    /// What the integer 1 stands for.
    pub(super) unit: f32,
    /// The upper half, of an odd number of values from the 0 in the middle on: `values[count / 2 ..]` in integer steps.
    pub(super) magnitudes: [f32; 8],
    /// Between neighbouring magnitudes, in integer steps; infinite beyond the last.
    pub(super) thresholds: [f32; 7],
}

const BINS: usize = 8192;
/// The histogram ends here, in root mean squares; larger values count as this.
const REACH: f64 = 8.0;
const ITERATIONS: usize = 400;

/// How often each magnitude occurs among normalised residual components. Counts are integers, so adding
/// histograms gives the same result in any order.
#[derive(Debug, Clone)]
pub(super) struct Histogram(Vec<u64>);

impl Histogram {
    pub(super) fn new() -> Self {
        Self(vec![0; BINS])
    }

    pub(super) fn add(&mut self, value: f32) {
        let bin = (f64::from(value.abs()) * (BINS as f64 / REACH)) as usize;
        self.0[bin.min(BINS - 1)] += 1;
    }

    pub(super) fn merge(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a += b);
        self
    }

    /// The counts; without any, those of a normal distribution.
    fn weights(&self) -> Vec<f64> {
        if self.0.iter().any(|&count| count > 0) {
            return self.0.iter().map(|&count| count as f64).collect();
        }
        (0..BINS).map(|bin| (-0.5 * middle(bin).powi(2)).exp()).collect()
    }
}

fn middle(bin: usize) -> f64 {
    (bin as f64 + 0.5) * (REACH / BINS as f64)
}

impl Levels {
    /// Fits levels to the histogram by alternating centroid and midpoint conditions (Lloyd, "Least squares
    /// quantization in PCM", IEEE Trans. Inf. Theory 1982; Max 1960), then rounds them to integers.
    pub(super) fn fit(histogram: &Histogram, width: CodeWidth) -> Self {
        let half = width.levels().div_ceil(2);
        // Symmetry keeps the middle one of an odd number at 0.
        let fixed = width.levels() % 2;
        let weights = histogram.weights();
        let (mut count, mut sum) = (vec![0.0; BINS + 1], vec![0.0; BINS + 1]);
        for bin in 0..BINS {
            count[bin + 1] = count[bin] + weights[bin];
            sum[bin + 1] = sum[bin] + weights[bin] * middle(bin);
        }
        // How many values lie below `at`, and their sum; a bin counts in part.
        let below = |at: f64| {
            let place = (at * (BINS as f64 / REACH)).clamp(0.0, BINS as f64);
            let bin = (place as usize).min(BINS - 1);
            let part = |table: &[f64]| table[bin] + (place - bin as f64) * (table[bin + 1] - table[bin]);
            (part(&count), part(&sum))
        };
        let mut levels: Vec<f64> =
            (0..half).map(|at| (at as f64 + 0.5 * (1 - fixed) as f64) * 3.0 / half as f64).collect();
        for _ in 0..ITERATIONS {
            let mut start = (0.0, 0.0);
            for at in 0..half {
                let end = match levels.get(at + 1) {
                    Some(next) => below(0.5 * (levels[at] + next)),
                    None => (count[BINS], sum[BINS]),
                };
                if end.0 > start.0 && at >= fixed {
                    levels[at] = (end.1 - start.1) / (end.0 - start.0);
                }
                start = end;
            }
        }
        Self::round(&levels, width)
    }

    /// The code of the smallest value that is not negative.
    pub(super) fn middle(&self) -> u8 {
        (self.width.levels() / 2) as u8
    }

    /// The same unit with the levels of another codec.
    pub(super) fn with_values(&self, values: [i8; 16]) -> Self {
        let (all, below) = (self.width.levels(), self.width.levels() / 2);
        let half = all - below;
        let mut magnitudes = [0.0; 8];
        for (magnitude, &value) in magnitudes.iter_mut().zip(&values[below..all]) {
            *magnitude = f32::from(value);
        }
        Self { values, magnitudes, thresholds: thresholds(&magnitudes[..half]), ..self.clone() }
    }

    /// Integers of which the largest is 127.
    fn round(levels: &[f64], width: CodeWidth) -> Self {
        let (half, below) = (levels.len(), width.levels() / 2);
        let unit = levels[half - 1].max(f64::MIN_POSITIVE) / 127.0;
        let mut magnitudes = [0.0; 8];
        let mut values = [0; 16];
        for (at, level) in levels.iter().enumerate() {
            let whole = if *level == 0.0 { 0.0 } else { (level / unit).round().clamp(1.0, 127.0) };
            magnitudes[at] = whole as f32;
            values[below + at] = whole as i8;
            values[half - 1 - at] = -(whole as i8);
        }
        let thresholds = thresholds(&magnitudes[..half]);
        Self { width, values, unit: unit as f32, magnitudes, thresholds }
    }
}

/// Between neighbouring magnitudes; infinite beyond the last.
fn thresholds(magnitudes: &[f32]) -> [f32; 7] {
    let mut thresholds = [f32::INFINITY; 7];
    for (threshold, pair) in thresholds.iter_mut().zip(magnitudes.windows(2)) {
        *threshold = (pair[0] + pair[1]) / 2.0;
    }
    thresholds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_distribution_gives_the_published_levels() {
        // Max, "Quantizing for minimum distortion", 1960, table I: N = 2, 3, 4 and 16.
        let one = Levels::fit(&Histogram::new(), CodeWidth::One);
        assert!((one.unit * 127.0 - 0.7979).abs() < 0.01, "{one:?}");
        let three = Levels::fit(&Histogram::new(), CodeWidth::Ternary);
        assert!((three.unit * 127.0 - 1.224).abs() < 0.01, "{three:?}");
        assert_eq!((three.magnitudes[0], three.thresholds[0]), (0.0, 63.5));
        let two = Levels::fit(&Histogram::new(), CodeWidth::Two);
        assert!((two.unit * 127.0 - 1.510).abs() < 0.01, "{two:?}");
        assert!((two.unit * two.magnitudes[0] - 0.4528).abs() < 0.01, "{two:?}");
        let four = Levels::fit(&Histogram::new(), CodeWidth::Four);
        let published = [0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733];
        for (magnitude, expected) in four.magnitudes.iter().zip(published) {
            assert!((four.unit * magnitude - expected).abs() < 0.02, "{four:?}");
        }
    }

    #[test]
    fn levels_ascend_and_are_antisymmetric() {
        let mut constant = Histogram::new();
        (0..100).for_each(|_| constant.add(1.0));
        let mut huge = Histogram::new();
        (0..100).for_each(|at| huge.add(if at % 2 == 0 { 1e9 } else { 0.0 }));
        for histogram in [Histogram::new(), constant, huge] {
            for width in CodeWidth::ALL {
                let levels = Levels::fit(&histogram, width);
                let used = &levels.values[..width.levels()];
                assert!(used.windows(2).all(|pair| pair[0] <= pair[1]), "{levels:?}");
                assert!(used.iter().zip(used.iter().rev()).all(|(a, b)| *a == -b));
                assert_eq!(used[used.len() - 1], 127);
                assert!(levels.values[width.levels()..].iter().all(|&value| value == 0));
            }
        }
    }
}
