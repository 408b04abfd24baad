//! One row against its centroid: directions to codes, lengths to one number.

use super::levels::Levels;
use crate::format::CodeWidth;

/// The inner product, in eight partial sums so that it vectorises; the order of additions is fixed.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(x, y)| x * y).sum();
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (c + g)) + ((b + f) + (d + h)) + tail
}

/// Codes residuals; owns the scratch for one row.
pub(super) struct ResidualCoder<'a> {
    levels: &'a Levels,
    /// Scales to try, as multiples of the residual's root mean square.
    stretches: &'static [f32],
    residual: Vec<f32>,
    /// The level of each dimension, in integer steps.
    directions: Vec<f32>,
    best: Vec<f32>,
}

/// Stretches tried: the best scale of a single row scatters around that of all rows, more so with fewer levels.
/// A sign is the same at any scale.
fn stretches(width: CodeWidth) -> &'static [f32] {
    match width {
        CodeWidth::One => &[1.0],
        CodeWidth::Ternary | CodeWidth::Two => &[1.0, 0.76, 0.88, 1.12, 1.24],
        CodeWidth::Four => &[1.0, 0.84, 0.92, 1.08],
    }
}

impl<'a> ResidualCoder<'a> {
    pub(super) fn new(levels: &'a Levels, dim: usize) -> Self {
        let zeros = || vec![0.0; dim];
        Self {
            levels,
            stretches: stretches(levels.width),
            residual: zeros(),
            directions: zeros(),
            best: zeros(),
        }
    }

    /// Chooses a level for every dimension of `row − centroid`, and returns the factor `s` by which they count:
    /// the code stands for `centroid + s · levels`.
    ///
    /// Of several factors for rounding the one with the smallest error wins. `s` is 0 if the row equals its centroid, or
    /// if no component is large enough for another level than 0.
    pub(super) fn encode(&mut self, row: &[f32], centroid: &[f32], codes: &mut [u8]) -> f32 {
        for ((out, &x), &c) in self.residual.iter_mut().zip(row).zip(centroid) {
            *out = x - c;
        }
        let energy = dot(&self.residual, &self.residual);
        let step = (energy / row.len() as f32).sqrt() * self.levels.unit;
        if step < 1e-9 {
            codes.fill(self.levels.middle());
            return 0.0;
        }
        let off_sphere = dot(centroid, centroid) - 1.0;
        let (mut best_error, mut best_scale) = (f32::INFINITY, 0.0);
        self.best.fill(0.0);
        for &stretch in self.stretches {
            round(&self.residual, 1.0 / (step * stretch), self.levels, &mut self.directions);
            let square = dot(&self.directions, &self.directions);
            if square == 0.0 {
                continue;
            }
            let along = dot(&self.residual, &self.directions);
            let scale = unit_scale(square, dot(centroid, &self.directions), off_sphere, along / square);
            let error = energy - scale * (2.0 * along - scale * square);
            if error < best_error {
                (best_error, best_scale) = (error, scale);
                std::mem::swap(&mut self.best, &mut self.directions);
            }
        }
        self.write_codes(codes);
        best_scale
    }

    fn write_codes(&self, codes: &mut [u8]) {
        let middle = self.levels.middle();
        // An even number of levels has two in the middle.
        let below = middle - u8::from(self.levels.width.levels().is_multiple_of(2));
        let between = self.levels.thresholds;
        for (code, &level) in codes.iter_mut().zip(&self.best) {
            let above = between.iter().map(|&threshold| u8::from(level.abs() > threshold)).sum::<u8>();
            *code = if level < 0.0 { below - above } else { middle + above };
        }
    }
}

/// The nearest level to each `value · factor`, in integer steps.
fn round(values: &[f32], factor: f32, levels: &Levels, out: &mut [f32]) {
    match levels.width {
        CodeWidth::One => round_with::<0>(values, factor, levels, out),
        CodeWidth::Ternary | CodeWidth::Two => round_with::<1>(values, factor, levels, out),
        CodeWidth::Four => round_with::<7>(values, factor, levels, out),
    }
}

fn round_with<const THRESHOLDS: usize>(values: &[f32], factor: f32, levels: &Levels, out: &mut [f32]) {
    let mut steps = [(0.0, 0.0); THRESHOLDS];
    for (at, step) in steps.iter_mut().enumerate() {
        *step = (levels.thresholds[at], levels.magnitudes[at + 1] - levels.magnitudes[at]);
    }
    for (out, &value) in out.iter_mut().zip(values) {
        let scaled = (value * factor).abs();
        let mut level = levels.magnitudes[0];
        for &(threshold, rise) in &steps {
            level += if scaled > threshold { rise } else { 0.0 };
        }
        *out = level.copysign(value);
    }
}

/// The `s ≥ 0` with `|c + s·l| = 1`, given `|l|²`, `⟨c, l⟩`, `|c|² − 1` and the `s` of least squared error.
///
/// A mean of unit vectors lies inside the sphere, so there is exactly one such `s`. Centroids of a single row may lie
/// outside by the rounding of the centroid: then the `s` nearest the sphere is taken. Either is kept within a factor of
/// [`TRUST`] of the least squares solution: with few dimensions the error of the levels along the centroid can be so
/// large that unit length would cost more than it gives.
fn unit_scale(square: f32, cross: f32, off_sphere: f32, least_squares: f32) -> f32 {
    let discriminant = (cross * cross - square * off_sphere).max(0.0);
    let least_squares = least_squares.max(0.0);
    ((discriminant.sqrt() - cross) / square).clamp(least_squares / TRUST, least_squares * TRUST)
}

/// How far the scale for unit length may be from the least squares one.
const TRUST: f32 = 1.5;

#[cfg(test)]
mod tests {
    use super::super::levels::Histogram;
    use super::*;

    #[test]
    fn the_scale_puts_the_sum_on_the_sphere() {
        let (centroid, level) = ([0.5f32, 0.5, 0.1], [3.0f32, -1.0, 2.0]);
        let s =
            unit_scale(dot(&level, &level), dot(&centroid, &level), dot(&centroid, &centroid) - 1.0, 0.12);
        let sum: Vec<f32> = centroid.iter().zip(&level).map(|(c, l)| c + s * l).collect();
        assert!((dot(&sum, &sum) - 1.0).abs() < 1e-6, "{s}");
    }

    #[test]
    fn codes_are_the_nearest_levels() {
        for (width, cosine) in CodeWidth::ALL.into_iter().zip([0.8, 0.88, 0.93, 0.99]) {
            let levels = Levels::fit(&Histogram::new(), width);
            let mut coder = ResidualCoder::new(&levels, 64);
            let mut row: Vec<f32> = (0..64).map(|at| ((at * 37 + 11) % 64) as f32 - 31.0).collect();
            crate::types::normalize(&mut row);
            let mut codes = vec![0; 64];
            let scale = coder.encode(&row, &vec![0.0; 64], &mut codes);
            let decoded: Vec<f32> =
                codes.iter().map(|&code| scale * f32::from(levels.values[usize::from(code)])).collect();
            assert!((dot(&decoded, &decoded) - 1.0).abs() < 1e-5);
            assert!(dot(&decoded, &row) > cosine, "{width:?}");
            for (a, b) in decoded.iter().zip(&row) {
                assert!(a * b >= 0.0, "signs differ");
            }
        }
    }
}
