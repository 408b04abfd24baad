//! One vector against rows of a matrix that are chosen by number: what following a graph asks for.
//!
//! Four rows are multiplied at a time, so that the query is loaded once for them and their sums do not wait for each
//! other; the rows after them are fetched meanwhile. A row's sum does not depend on its place among the chosen.

use half::f16;

use super::isa::Isa;
use super::scalar;
use crate::types::MAX_DIM;

/// `out[i] = ⟨query, rows[chosen[i]]⟩`. The bound of [`dot`](super::dot).
///
/// * `rows`: `[any, query.len()]`, row-major. `out`: as long as `chosen`.
///
/// # Panics
/// If the lengths do not fit, or a row does not exist.
///
/// ```
/// use lateen::kernel::{Isa, dots};
/// let rows = [1.0, 0.0, 0.0, 1.0, 3.0, 4.0];
/// let mut out = [0.0; 2];
/// dots(Isa::detect(), &[1.0, 2.0], &rows, &[2, 0], &mut out);
/// assert_eq!(out, [11.0, 1.0]);
/// ```
pub fn dots(isa: Isa, query: &[f32], rows: &[f32], chosen: &[u32], out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if super::simd::gather::f32s(isa, query, rows, chosen, out) {
        return;
    }
    let _ = isa;
    each(query.len(), rows, chosen, out, |row| scalar::dot(query, row));
}

/// The same over rows in half precision, widened on the way and summed in `f32`.
///
/// # Panics
/// As [`dots`].
///
/// ```
/// use half::f16;
/// use lateen::kernel::{Isa, dots_f16};
/// let mut out = [0.0];
/// dots_f16(Isa::detect(), &[1.0, 2.0], &[3.0, 4.0].map(f16::from_f32), &[0], &mut out);
/// assert_eq!(out, [11.0]);
/// ```
pub fn dots_f16(isa: Isa, query: &[f32], rows: &[f16], chosen: &[u32], out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if super::simd::gather::f16s(isa, query, rows, chosen, out) {
        return;
    }
    let _ = isa;
    let dot = |row: &[f16]| query.iter().zip(row).map(|(q, x)| q * x.to_f32()).sum();
    each(query.len(), rows, chosen, out, dot);
}

/// The same over bytes, exact on every instruction set.
///
/// # Panics
/// As [`dots`], or if there are more dimensions than [`MAX_DIM`].
///
/// ```
/// use lateen::kernel::{Isa, dots_i8};
/// let mut out = [0];
/// dots_i8(Isa::detect(), &[-128, 127], &[-128, 1], &[0], &mut out);
/// assert_eq!(out, [16_511]);
/// ```
pub fn dots_i8(isa: Isa, query: &[i8], rows: &[i8], chosen: &[u32], out: &mut [i32]) {
    assert!(query.len() <= MAX_DIM, "dots_i8: too many dimensions");
    #[cfg(target_arch = "x86_64")]
    if super::simd::gather::i8s(isa, query, rows, chosen, out) {
        return;
    }
    let _ = isa;
    each(query.len(), rows, chosen, out, |row| scalar::dot_i8(query, row));
}

/// A query in 16-bit integers, which loses nothing against rows of bytes: `query[i] ≈ scale · values[i]`.
///
/// `Σ |values| < 2²⁴`, so that no product with a row of bytes leaves the range of `i32`; the largest component is as
/// close to 32,767 as that allows. In practice each is off by less than 2⁻¹⁶ of the largest.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryI16 {
    values: Vec<i16>,
    scale: f32,
}

impl QueryI16 {
    /// Rounds a vector of finite numbers.
    ///
    /// # Panics
    /// If there are more dimensions than [`MAX_DIM`].
    #[must_use]
    pub fn new(query: &[f32]) -> Self {
        assert!(query.len() <= MAX_DIM, "QueryI16: too many dimensions");
        let largest = query.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let sum: f64 = query.iter().map(|x| f64::from(x.abs())).sum();
        // Rounding adds at most a half per dimension.
        let room = f64::from((1 << 24) - 1 - MAX_DIM as u32);
        let scale = (f64::from(largest) / 32_767.0).max(sum / room).max(f64::from(f32::MIN_POSITIVE));
        let values = query.iter().map(|&x| (f64::from(x) / scale).round() as i16).collect();
        Self { values, scale: scale as f32 }
    }

    /// The integers.
    #[must_use]
    pub fn values(&self) -> &[i16] {
        &self.values
    }

    /// What the integers are multiplied with.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// `out[i] = ⟨values, rows[chosen[i]]⟩`, exact on every instruction set.
    ///
    /// # Panics
    /// As [`dots`].
    ///
    /// ```
    /// use lateen::kernel::{Isa, QueryI16};
    /// let query = QueryI16::new(&[0.5, -1.0]);
    /// let mut out = [0];
    /// query.dots(Isa::detect(), &[100, 10], &[0], &mut out);
    /// assert!((query.scale() * out[0] as f32 - 40.0).abs() < 0.01);
    /// ```
    pub fn dots(&self, isa: Isa, rows: &[i8], chosen: &[u32], out: &mut [i32]) {
        let values = self.values.as_slice();
        #[cfg(target_arch = "x86_64")]
        if super::simd::gather::i16s(isa, values, rows, chosen, out) {
            return;
        }
        let _ = isa;
        let dot = |row: &[i8]| values.iter().zip(row).map(|(&q, &x)| i32::from(q) * i32::from(x)).sum();
        each(values.len(), rows, chosen, out, dot);
    }
}

/// Asks for the cache lines of `items`: costs little if they are there, and changes nothing but the time of the next access.
#[inline]
pub fn prefetch<T>(items: &[T]) {
    #[cfg(target_arch = "x86_64")]
    super::simd::gather::prefetch(items);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = items;
}

/// Panics unless each of `chosen` is one of the rows of `dim` that `numbers` numbers are, and has a place in `out`.
pub(super) fn check((dim, numbers): (usize, usize), chosen: &[u32], out: usize) {
    assert_eq!(chosen.len(), out, "one result for each chosen row");
    if let Some(&last) = chosen.iter().max() {
        let end = (last as usize + 1).saturating_mul(dim);
        assert!(end <= numbers, "row {last} of {}", numbers.checked_div(dim).unwrap_or(0));
    }
}

fn each<T, R>(dim: usize, rows: &[T], chosen: &[u32], out: &mut [R], dot: impl Fn(&[T]) -> R) {
    check((dim, rows.len()), chosen, out.len());
    for (out, &row) in out.iter_mut().zip(chosen) {
        *out = dot(&rows[row as usize * dim..][..dim]);
    }
}
