//! Registers of 8 query rows, two groups of each.
//!
//! A token's two groups meet two lanes of every row, and the lanes are added at the end: 8 rows cost half as many multiplications
//! as 16.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::units::{Bf16x32, F32x16, I8x64, I16x32, U8x64};
use crate::kernel::simd::unit::{Unit, float_methods, floats_256};

macro_rules! pairs {
    ($(#[$doc:meta])* $name:ident of $whole:ty, $query:ty, $sums:ty, |$bytes:ident| $group:expr, |$sum:ident| $floats:expr) => {
        $(#[$doc])*
        pub(in crate::kernel::simd) struct $name;

        impl Unit for $name {
            const DWORDS: usize = 16;
            type Query = $query;
            type Sums = $sums;
            type Pairs = Self;
            floats_256!();

            #[inline(always)]
            unsafe fn query(at: *const u32) -> $query {
                // SAFETY: the caller's promises.
                unsafe { <$whole>::query(at) }
            }
            #[inline(always)]
            unsafe fn start(at: *const u32) -> $sums {
                // SAFETY: the caller's promises.
                unsafe { <$whole>::start(at) }
            }
            #[inline(always)]
            unsafe fn group($bytes: u64) -> $query {
                // SAFETY: the caller's promises.
                unsafe { $group }
            }
            #[inline(always)]
            unsafe fn step(sums: $sums, query: $query, token: $query) -> $sums {
                // SAFETY: the caller's promises.
                unsafe { <$whole>::step(sums, query, token) }
            }
            #[inline(always)]
            unsafe fn floats($sum: $sums) -> __m256 {
                // SAFETY: the caller's promises.
                unsafe { $floats }
            }
        }
    };
}

pairs!(
    /// Two `f32`.
    F32Pairs of F32x16, __m512, __m512,
    |bytes| _mm512_castsi512_ps(_mm512_set1_epi64(bytes as i64)), |sums| add_floats(sums)
);
pairs!(
    /// Two times two `bf16`.
    Bf16Pairs of Bf16x32, __m512bh, __m512,
    // Both types are 64 bytes, of which each pattern is valid.
    |bytes| transmute::<__m512i, __m512bh>(_mm512_set1_epi64(bytes as i64)), |sums| add_floats(sums)
);
pairs!(
    /// Two times two `i16`.
    I16Pairs of I16x32, __m512i, __m512i, |bytes| _mm512_set1_epi64(bytes as i64), |sums| add_integers(sums)
);
pairs!(
    /// Two times four biased bytes.
    U8Pairs of U8x64, __m512i, __m512i, |bytes| _mm512_set1_epi64(bytes as i64), |sums| add_integers(sums)
);
pairs!(
    /// Two times four signed bytes.
    I8Pairs of I8x64, __m512i, __m512i,
    // Flipping the highest bit of a byte adds 128 to it.
    |bytes| _mm512_xor_si512(_mm512_set1_epi64(bytes as i64), _mm512_set1_epi8(-128)), |sums| add_integers(sums)
);

/// Each even lane plus the odd one after it.
///
/// # Safety
/// The processor has AVX-512.
#[inline(always)]
unsafe fn add_integers(sums: __m512i) -> __m256 {
    // SAFETY: the caller's promise. The lower half of each 64 bits is the sum; what it carries into the upper half is dropped.
    unsafe {
        let both = _mm512_add_epi32(sums, _mm512_srli_epi64::<32>(sums));
        _mm256_cvtepi32_ps(_mm512_cvtepi64_epi32(both))
    }
}

/// Each even lane plus the odd one after it.
///
/// # Safety
/// The processor has AVX-512.
#[inline(always)]
unsafe fn add_floats(sums: __m512) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe {
        let both = _mm512_castps_si512(_mm512_add_ps(sums, _mm512_movehdup_ps(sums)));
        _mm256_castsi256_ps(_mm512_cvtepi64_epi32(both))
    }
}
