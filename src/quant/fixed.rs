//! Vectors in 16-bit fixed point: what clustering computes with.
//!
//! Products of integers add up to the same sum in any order, so results do not depend on threads or vector
//! width, and every compiler target has an instruction that multiplies and adds pairs of 16-bit numbers.
//! The error of a product of unit vectors stays below `dim / 2¹⁶`, mostly below 10⁻⁴.

use super::TokenRows;
use super::rotation::Rotation;

/// 1.0 in fixed point.
pub(super) const ONE: f32 = 32_767.0;

/// Rows of 16-bit numbers, each padded with zeros to a multiple of [`LANES`].
///
/// Rows are no longer than 1.01 (rounding aside), so a product is below `1.02 · 2³⁰` and so is every partial sum
/// of it, by Cauchy and Schwarz: it fits an `i32`.
#[derive(Debug, Clone, Default)]
pub(super) struct FixedRows {
    data: Vec<i16>,
    stride: usize,
}

const LANES: usize = 16;

impl FixedRows {
    pub(super) fn zeros(rows: usize, dim: usize) -> Self {
        let stride = dim.next_multiple_of(LANES);
        Self { data: vec![0; rows * stride], stride }
    }

    pub(super) fn len(&self) -> usize {
        self.data.len().checked_div(self.stride).unwrap_or(0)
    }

    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    pub(super) fn row(&self, row: usize) -> &[i16] {
        &self.data[row * self.stride..(row + 1) * self.stride]
    }

    pub(super) fn set(&mut self, row: usize, values: &[f32]) {
        let out = &mut self.data[row * self.stride..(row + 1) * self.stride];
        for (out, &value) in out.iter_mut().zip(values) {
            *out = to_fixed(value);
        }
    }

    pub(super) fn copy(&mut self, row: usize, values: &[i16]) {
        self.data[row * self.stride..(row + 1) * self.stride].copy_from_slice(values);
    }
}

fn to_fixed(value: f32) -> i16 {
    // To the nearest, half away from zero.
    (value * ONE + if value < 0.0 { -0.5 } else { 0.5 }).clamp(-ONE, ONE) as i32 as i16
}

/// `Σ aᵢ bᵢ`.
pub(super) fn dot(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum()
}

/// Rows as the codec sees them: unit length, rotated, readable as floats and in fixed point.
pub(super) struct RotatedRows<'a> {
    rows: &'a dyn TokenRows,
    rotation: &'a Rotation,
}

impl<'a> RotatedRows<'a> {
    pub(super) fn new(rows: &'a dyn TokenRows, rotation: &'a Rotation) -> Self {
        Self { rows, rotation }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn dim(&self) -> usize {
        self.rows.dim()
    }

    pub(super) fn copy_row(&self, row: usize, out: &mut [f32]) {
        self.rows.copy_row(row, out);
        self.rotation.apply(out);
    }

    /// The rows with these numbers, in fixed point.
    pub(super) fn fixed(&self, numbers: &[u32]) -> FixedRows {
        let mut fixed = FixedRows::zeros(numbers.len(), self.dim());
        let mut buffer = vec![0.0; self.dim()];
        for (at, &number) in numbers.iter().enumerate() {
            self.copy_row(number as usize, &mut buffer);
            fixed.set(at, &buffer);
        }
        fixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rows_do_not_overflow() {
        for dim in [1, 7, 8192] {
            let mut rows = FixedRows::zeros(2, dim);
            let value = 1.01 / (dim as f32).sqrt();
            rows.set(0, &vec![value; dim]);
            rows.set(1, &vec![-value; dim]);
            let product = f64::from(dot(rows.row(0), rows.row(1))) / f64::from(ONE * ONE);
            assert!((-1.04..=-0.99).contains(&product), "dim {dim}: {product}");
        }
    }
}
