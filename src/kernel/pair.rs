//! One vector against one vector.

use half::f16;
use simsimd::SpatialSimilarity;

use super::isa::{Isa, Kind};
use super::scalar;

/// `⟨a, b⟩`. Error at most `dim · 2⁻²³ · Σ|aₖbₖ|`; infinite or NaN if a partial sum leaves the range of `f32`.
///
/// # Panics
/// If the lengths differ.
///
/// ```
/// use lateen::kernel::{Isa, dot};
/// assert_eq!(dot(Isa::detect(), &[1.0, 2.0], &[3.0, 4.0]), 11.0);
/// ```
#[must_use]
pub fn dot(isa: Isa, a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "dot: lengths differ");
    match isa.kind() {
        Kind::Scalar => scalar::dot(a, b),
        #[cfg(target_arch = "x86_64")]
        _ => f32::dot(a, b).map_or(0.0, |sum| sum as f32),
    }
}

/// `‖a − b‖²`. Error at most `(dim + 2) · 2⁻²³ · ‖a − b‖²`; infinite if the sum leaves the range of `f32`.
///
/// # Panics
/// If the lengths differ.
///
/// ```
/// use lateen::kernel::{Isa, squared_distance};
/// assert_eq!(squared_distance(Isa::detect(), &[1.0, 2.0], &[3.0, 5.0]), 13.0);
/// ```
#[must_use]
pub fn squared_distance(isa: Isa, a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "squared_distance: lengths differ");
    match isa.kind() {
        Kind::Scalar => scalar::squared_distance(a, b),
        #[cfg(target_arch = "x86_64")]
        _ => f32::l2sq(a, b).map_or(0.0, |sum| sum as f32),
    }
}

/// `⟨a, b⟩` of half-precision vectors, summed in `f32` (never in `f16`): the bound of [`dot`].
///
/// # Panics
/// If the lengths differ.
///
/// ```
/// use half::f16;
/// use lateen::kernel::{Isa, dot_f16};
/// let a = [1.0, 2.0].map(f16::from_f32);
/// assert_eq!(dot_f16(Isa::detect(), &a, &a), 5.0);
/// ```
#[must_use]
pub fn dot_f16(isa: Isa, a: &[f16], b: &[f16]) -> f32 {
    assert_eq!(a.len(), b.len(), "dot_f16: lengths differ");
    #[cfg(target_arch = "x86_64")]
    if let Some(sum) = super::simd::dot_f16(isa, a, b) {
        return sum;
    }
    let _ = isa;
    scalar::dot_f16(a, b)
}

/// `⟨a, b⟩`, exact on every instruction set: `|sum| ≤ 2¹⁴ · dim`, so up to 131,071 dimensions fit.
///
/// # Panics
/// If the lengths differ, or there are more dimensions than [`MAX_DIM`](crate::types::MAX_DIM).
///
/// ```
/// use lateen::kernel::{Isa, dot_i8};
/// assert_eq!(dot_i8(Isa::detect(), &[-128, 127], &[-128, 1]), 16_511);
/// ```
#[must_use]
pub fn dot_i8(isa: Isa, a: &[i8], b: &[i8]) -> i32 {
    assert_eq!(a.len(), b.len(), "dot_i8: lengths differ");
    assert!(a.len() <= crate::types::MAX_DIM, "dot_i8: too many dimensions");
    match isa.kind() {
        Kind::Scalar => scalar::dot_i8(a, b),
        #[cfg(target_arch = "x86_64")]
        _ => i8::dot(a, b).map_or(0, |sum| sum as i32),
    }
}
