//! Quantisation levels for one dimension of a rotated residual.

/// Symmetric Lloyd–Max levels as small integers, and the thresholds between them.
///
/// Values are in units of the residual's root mean square component. `unit · levels[code]` is the value that a
/// code stands for; codes ascend with their values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Levels {
    pub(super) bits: u8,
    /// Ascending, antisymmetric, the outermost ±127; zero beyond the first `2^bits`.
    pub(super) values: [i8; 16],
    /// What the integer 1 stands for.
    pub(super) unit: f32,
    /// The positive half: `values[2^(bits−1) ..]` as floats, in integer steps.
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
    pub(super) fn fit(histogram: &Histogram, bits: u8) -> Self {
        let half = 1 << (bits - 1);
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
        let mut levels: Vec<f64> = (0..half).map(|at| (at as f64 + 0.5) * 3.0 / half as f64).collect();
        for _ in 0..ITERATIONS {
            let mut start = (0.0, 0.0);
            for at in 0..half {
                let end = match levels.get(at + 1) {
                    Some(next) => below(0.5 * (levels[at] + next)),
                    None => (count[BINS], sum[BINS]),
                };
                if end.0 > start.0 {
                    levels[at] = (end.1 - start.1) / (end.0 - start.0);
                }
                start = end;
            }
        }
        Self::round(&levels, bits)
    }

    /// The same unit with the levels of another codec.
    pub(super) fn with_values(&self, values: [i8; 16]) -> Self {
        let half = 1_usize << (self.bits - 1);
        let mut magnitudes = [0.0; 8];
        for (magnitude, &value) in magnitudes.iter_mut().zip(&values[half..2 * half]) {
            *magnitude = f32::from(value);
        }
        Self { values, magnitudes, thresholds: thresholds(&magnitudes[..half]), ..self.clone() }
    }

    /// Integers of which the largest is 127.
    fn round(levels: &[f64], bits: u8) -> Self {
        let half = levels.len();
        let unit = levels[half - 1].max(f64::MIN_POSITIVE) / 127.0;
        let mut magnitudes = [0.0; 8];
        let mut values = [0; 16];
        for (at, level) in levels.iter().enumerate() {
            let whole = (level / unit).round().clamp(1.0, 127.0);
            magnitudes[at] = whole as f32;
            values[half + at] = whole as i8;
            values[half - 1 - at] = -(whole as i8);
        }
        let thresholds = thresholds(&magnitudes[..half]);
        Self { bits, values, unit: unit as f32, magnitudes, thresholds }
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
        // Max, "Quantizing for minimum distortion", 1960, table I: N = 4 and N = 16.
        let two = Levels::fit(&Histogram::new(), 2);
        assert!((two.unit * 127.0 - 1.510).abs() < 0.01, "{two:?}");
        assert!((two.unit * two.magnitudes[0] - 0.4528).abs() < 0.01, "{two:?}");
        let four = Levels::fit(&Histogram::new(), 4);
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
            for bits in [2, 4] {
                let levels = Levels::fit(&histogram, bits);
                let used = &levels.values[..1 << bits];
                assert!(used.windows(2).all(|pair| pair[0] <= pair[1]), "{levels:?}");
                assert!(used.iter().zip(used.iter().rev()).all(|(a, b)| *a == -b));
                assert_eq!(used[used.len() - 1], 127);
                assert!(levels.values[1 << bits..].iter().all(|&value| value == 0));
            }
        }
    }
}
