//! Registers of 16 query rows.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::pairs::{Bf16Pairs, F32Pairs, I8Pairs, I16Pairs, U8Pairs};
use crate::kernel::simd::unit::{Unit, float_methods};

/// One `f32` a group.
pub(in crate::kernel::simd) struct F32x16;
/// Two `bf16` a group.
pub(in crate::kernel::simd) struct Bf16x32;
/// Two `i16` a group. `pmaddwd` is exact here: `query_i8` has the bound.
pub(in crate::kernel::simd) struct I16x32;
/// Four bytes a group, tokens biased by 128 before they get here, which the sums' start takes off again.
pub(in crate::kernel::simd) struct U8x64;
/// Four bytes a group, tokens signed.
pub(in crate::kernel::simd) struct I8x64;

macro_rules! floats_512 {
    () => {
        float_methods!(
            16,
            __m512,
            _mm512_loadu_ps,
            _mm512_storeu_ps,
            _mm512_set1_ps,
            _mm512_add_ps,
            _mm512_mul_ps,
            _mm512_max_ps,
            |a, b| _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) != 0
        );
    };
}

macro_rules! integers {
    ($pairs:ty, $start:expr) => {
        type Pairs = $pairs;
        type Query = __m512i;
        type Sums = __m512i;
        floats_512!();

        #[inline(always)]
        unsafe fn query(at: *const u32) -> __m512i {
            // SAFETY: the caller's promises.
            unsafe { _mm512_loadu_si512(at.cast()) }
        }
        #[inline(always)]
        unsafe fn start(at: *const u32) -> __m512i {
            // SAFETY: the caller's promises.
            unsafe { $start(at) }
        }
        #[inline(always)]
        unsafe fn floats(sums: __m512i) -> __m512 {
            // SAFETY: the caller's promises.
            unsafe { _mm512_cvtepi32_ps(sums) }
        }
    };
}

impl Unit for F32x16 {
    type Pairs = F32Pairs;
    type Query = __m512;
    type Sums = __m512;
    floats_512!();

    #[inline(always)]
    unsafe fn query(at: *const u32) -> __m512 {
        // SAFETY: the caller's promises.
        unsafe { _mm512_loadu_ps(at.cast()) }
    }
    #[inline(always)]
    unsafe fn start(_: *const u32) -> __m512 {
        // SAFETY: the caller's promises.
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn group(bytes: u64) -> __m512 {
        // SAFETY: the caller's promises.
        unsafe { _mm512_set1_ps(f32::from_bits(bytes as u32)) }
    }
    #[inline(always)]
    unsafe fn step(sums: __m512, query: __m512, token: __m512) -> __m512 {
        // SAFETY: the caller's promises.
        unsafe { _mm512_fmadd_ps(query, token, sums) }
    }
    #[inline(always)]
    unsafe fn floats(sums: __m512) -> __m512 {
        sums
    }
}

impl Unit for Bf16x32 {
    type Pairs = Bf16Pairs;
    type Query = __m512bh;
    type Sums = __m512;
    floats_512!();

    #[inline(always)]
    unsafe fn query(at: *const u32) -> __m512bh {
        // SAFETY: the caller's promises; both types are 64 bytes, of which each pattern is valid.
        unsafe { transmute::<__m512i, __m512bh>(_mm512_loadu_si512(at.cast())) }
    }
    #[inline(always)]
    unsafe fn start(_: *const u32) -> __m512 {
        // SAFETY: the caller's promises.
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn group(bytes: u64) -> __m512bh {
        // SAFETY: as in `query`.
        unsafe { transmute::<__m512i, __m512bh>(_mm512_set1_epi32(bytes as i32)) }
    }
    #[inline(always)]
    unsafe fn step(sums: __m512, query: __m512bh, token: __m512bh) -> __m512 {
        // SAFETY: the caller's promises.
        unsafe { _mm512_dpbf16_ps(sums, query, token) }
    }
    #[inline(always)]
    unsafe fn floats(sums: __m512) -> __m512 {
        sums
    }
}

impl Unit for I16x32 {
    integers!(I16Pairs, |_| _mm512_setzero_si512());

    #[inline(always)]
    unsafe fn group(bytes: u64) -> __m512i {
        // SAFETY: the caller's promises.
        unsafe { _mm512_set1_epi32(bytes as i32) }
    }
    #[inline(always)]
    unsafe fn step(sums: __m512i, query: __m512i, token: __m512i) -> __m512i {
        // SAFETY: the caller's promises.
        unsafe { _mm512_add_epi32(sums, _mm512_madd_epi16(query, token)) }
    }
}

impl Unit for U8x64 {
    integers!(U8Pairs, |at: *const u32| _mm512_loadu_si512(at.cast()));

    #[inline(always)]
    unsafe fn group(bytes: u64) -> __m512i {
        // SAFETY: the caller's promises.
        unsafe { _mm512_set1_epi32(bytes as i32) }
    }
    #[inline(always)]
    unsafe fn step(sums: __m512i, query: __m512i, token: __m512i) -> __m512i {
        // SAFETY: the caller's promises.
        unsafe { _mm512_dpbusd_epi32(sums, token, query) }
    }
}

impl Unit for I8x64 {
    integers!(I8Pairs, |at: *const u32| _mm512_loadu_si512(at.cast()));

    #[inline(always)]
    unsafe fn group(bytes: u64) -> __m512i {
        // SAFETY: the caller's promises. Flipping the highest bit of a byte adds 128 to it.
        unsafe { _mm512_xor_si512(_mm512_set1_epi32(bytes as i32), _mm512_set1_epi8(-128)) }
    }
    #[inline(always)]
    unsafe fn step(sums: __m512i, query: __m512i, token: __m512i) -> __m512i {
        // SAFETY: the caller's promises.
        unsafe { _mm512_dpbusd_epi32(sums, token, query) }
    }
}
