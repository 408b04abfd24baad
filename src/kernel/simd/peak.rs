//! What one core can do at best, to hold the kernels against: multiply-adds on registers alone.

use std::time::Instant;

use super::avx2::F32x8;
use super::avx512::{Bf16x32, F32x16, U8x64};
use super::unit::Unit;
use crate::kernel::isa::{Isa, Kind};

/// Peaks of one core in 10⁹ operations a second, a multiply-add being two; 0 where the instruction set has no such instruction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Peaks {
    /// Fused multiply-adds on `f32`.
    pub f32: f64,
    /// `bf16` dot products.
    pub bf16: f64,
    /// `u8 × i8` dot products (VNNI).
    pub int8: f64,
}

/// Measures for some hundred microseconds; take the largest of many.
#[must_use]
pub fn measure(isa: Isa) -> Peaks {
    // SAFETY: called only where detection found AVX-512.
    let f32_512 = || timed(2 * 16 * 24, || unsafe { loop_f32() });
    // SAFETY: called only where detection found VNNI.
    let int8 = || timed(2 * 64 * 24, || unsafe { loop_int8() });
    // SAFETY: called only where detection found BF16.
    let bf16 = || timed(2 * 32 * 24, || unsafe { loop_bf16() });
    // SAFETY: called only where detection found AVX2 and FMA.
    let f32_256 = || timed(2 * 8 * 12, || unsafe { loop_avx2() });
    match isa.kind() {
        Kind::Scalar => Peaks::default(),
        Kind::Avx2 => Peaks { f32: f32_256(), ..Peaks::default() },
        Kind::Avx512 => Peaks { f32: f32_512(), ..Peaks::default() },
        Kind::Avx512Vnni { bf16: false } => Peaks { f32: f32_512(), int8: int8(), bf16: 0.0 },
        Kind::Avx512Vnni { bf16: true } => Peaks { f32: f32_512(), int8: int8(), bf16: bf16() },
    }
}

const STEPS: usize = 1 << 14;

/// `run` does `STEPS` steps of `operations` each.
fn timed(operations: usize, run: impl Fn()) -> f64 {
    let start = Instant::now();
    run();
    (operations * STEPS) as f64 / start.elapsed().as_secs_f64() / 1e9
}

#[target_feature(enable = "avx2,fma")]
fn loop_avx2() {
    // SAFETY: this function's features are all that the unit needs.
    unsafe { steps::<F32x8, 12>() };
}

#[target_feature(enable = "avx512f")]
fn loop_f32() {
    // SAFETY: this function's features are all that the unit needs.
    unsafe { steps::<F32x16, 24>() };
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn loop_int8() {
    // SAFETY: this function's features are all that the unit needs.
    unsafe { steps::<U8x64, 24>() };
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn loop_bf16() {
    // SAFETY: this function's features are all that the unit needs.
    unsafe { steps::<Bf16x32, 24>() };
}

/// `SUMS` independent sums: enough to hide the latency of a multiply-add (6 cycles at two a cycle), few enough for the registers.
///
/// # Safety
/// The processor has `U`'s instructions.
#[inline(always)]
unsafe fn steps<U: Unit, const SUMS: usize>() {
    let zeros = [0u32; 16];
    // SAFETY: `zeros` is a register long; the rest is the caller's promise.
    unsafe {
        let (query, token) = (U::query(zeros.as_ptr()), U::group(std::hint::black_box(0)));
        let mut sums = [U::start(zeros.as_ptr()); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = U::step(*sum, query, token);
            }
            // The compiler must not see that nothing changes.
            std::arch::asm!("", options(nomem, nostack, preserves_flags));
        }
        for sum in sums {
            std::hint::black_box(U::floats(sum));
        }
    }
}
