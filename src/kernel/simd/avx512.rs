//! AVX-512 (F, BW, VL, DQ), alone, with VNNI, and with VNNI and BF16: registers of 16.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::Job;
use super::unit::{Machine, Unit};

// Two registers of query rows × 12 tokens are 24 sums; with 2 query registers, a token and a product they fit into 32 registers,
// and 14 loads feed 24 multiply-adds.

/// Does `job` with AVX-512.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")]
pub(super) fn run<J: Job>(job: J) -> J::Output {
    // SAFETY: this function's features are all that the machine needs.
    unsafe { job.run::<Avx512, 2, 1, 12>() }
}

/// Does `job` with AVX-512 and VNNI.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(super) fn run_vnni<J: Job>(job: J) -> J::Output {
    // SAFETY: this function's features are all that the machine needs.
    unsafe { job.run::<Vnni, 2, 1, 12>() }
}

/// Does `job` with AVX-512, VNNI and BF16.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")]
pub(super) fn run_bf16<J: Job>(job: J) -> J::Output {
    // SAFETY: this function's features are all that the machine needs.
    unsafe { job.run::<VnniBf16, 2, 1, 12>() }
}

pub(super) struct Avx512;
pub(super) struct Vnni;
pub(super) struct VnniBf16;

/// One `f32` a group.
pub(super) struct F32x16;
/// Two `bf16` a group.
pub(super) struct Bf16x32;
/// Two `i16` a group. `pmaddwd` is exact here: `query_i8` has the bound.
pub(super) struct I16x32;
/// Four bytes a group, tokens biased by 128 before they get here, which the sums' start takes off again.
pub(super) struct U8x64;
/// Four bytes a group, tokens signed.
pub(super) struct I8x64;

macro_rules! floats {
    () => {
        type Floats = __m512;
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn load(at: *const f32) -> __m512 {
            // SAFETY: the caller's promises.
            unsafe { _mm512_loadu_ps(at) }
        }
        #[inline(always)]
        unsafe fn store(at: *mut f32, value: __m512) {
            // SAFETY: the caller's promises.
            unsafe { _mm512_storeu_ps(at, value) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> __m512 {
            // SAFETY: the caller's promises.
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            // SAFETY: the caller's promises.
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            // SAFETY: the caller's promises.
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            // SAFETY: the caller's promises.
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn any_above(a: __m512, b: __m512) -> bool {
            // SAFETY: the caller's promises.
            unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) != 0 }
        }
    };
}

macro_rules! integers {
    ($start:expr) => {
        type Query = __m512i;
        type Sums = __m512i;
        floats!();

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
    type Query = __m512;
    type Sums = __m512;
    floats!();

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
    unsafe fn group(dword: u32) -> __m512 {
        // SAFETY: the caller's promises.
        unsafe { _mm512_set1_ps(f32::from_bits(dword)) }
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
    type Query = __m512bh;
    type Sums = __m512;
    floats!();

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
    unsafe fn group(dword: u32) -> __m512bh {
        // SAFETY: as in `query`.
        unsafe { transmute::<__m512i, __m512bh>(_mm512_set1_epi32(dword as i32)) }
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
    integers!(|_| _mm512_setzero_si512());

    #[inline(always)]
    unsafe fn group(dword: u32) -> __m512i {
        // SAFETY: the caller's promises.
        unsafe { _mm512_set1_epi32(dword as i32) }
    }
    #[inline(always)]
    unsafe fn step(sums: __m512i, query: __m512i, token: __m512i) -> __m512i {
        // SAFETY: the caller's promises.
        unsafe { _mm512_add_epi32(sums, _mm512_madd_epi16(query, token)) }
    }
}

impl Unit for U8x64 {
    integers!(|at: *const u32| _mm512_loadu_si512(at.cast()));

    #[inline(always)]
    unsafe fn group(dword: u32) -> __m512i {
        // SAFETY: the caller's promises.
        unsafe { _mm512_set1_epi32(dword as i32) }
    }
    #[inline(always)]
    unsafe fn step(sums: __m512i, query: __m512i, token: __m512i) -> __m512i {
        // SAFETY: the caller's promises.
        unsafe { _mm512_dpbusd_epi32(sums, token, query) }
    }
}

impl Unit for I8x64 {
    integers!(|at: *const u32| _mm512_loadu_si512(at.cast()));

    #[inline(always)]
    unsafe fn group(dword: u32) -> __m512i {
        // SAFETY: the caller's promises. Flipping the highest bit of a byte adds 128 to it.
        unsafe { _mm512_xor_si512(_mm512_set1_epi32(dword as i32), _mm512_set1_epi8(-128)) }
    }
    #[inline(always)]
    unsafe fn step(sums: __m512i, query: __m512i, token: __m512i) -> __m512i {
        // SAFETY: the caller's promises.
        unsafe { _mm512_dpbusd_epi32(sums, token, query) }
    }
}

/// The lowest `count` of 64 lanes, all if there are more.
fn mask(count: usize) -> u64 {
    if count < 64 { (1 << count) - 1 } else { u64::MAX }
}

/// # Safety
/// As [`Machine::widen_f16`], with AVX-512.
#[inline(always)]
unsafe fn widen_f16(from: *const u16, dim: usize, to: *mut u8) {
    // SAFETY: whole registers, then one masked to what is left of `dim`. The store fills up the row's last 64 bytes with zeros: a
    // masked one could not be forwarded to the loads that follow.
    unsafe {
        for k in (0..dim / 16 * 16).step_by(16) {
            let wide = _mm512_cvtph_ps(_mm256_loadu_si256(from.add(k).cast()));
            _mm512_storeu_ps(to.add(4 * k).cast(), wide);
        }
        let k = dim / 16 * 16;
        if k < dim {
            let wide = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask(dim - k) as u16, from.add(k).cast()));
            _mm512_storeu_ps(to.add(4 * k).cast(), wide);
        }
    }
}

/// # Safety
/// As [`Machine::widen_bf16`], with AVX-512.
#[inline(always)]
unsafe fn widen_bf16(from: *const u16, dim: usize, to: *mut u8) {
    // SAFETY: as in `widen_f16`.
    unsafe {
        for k in (0..dim / 16 * 16).step_by(16) {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.add(k).cast()));
            _mm512_storeu_si512(to.add(4 * k).cast(), _mm512_slli_epi32::<16>(wide));
        }
        let k = dim / 16 * 16;
        if k < dim {
            let last = _mm256_maskz_loadu_epi16(mask(dim - k) as u16, from.add(k).cast());
            let wide = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(last));
            _mm512_storeu_si512(to.add(4 * k).cast(), wide);
        }
    }
}

/// # Safety
/// As [`Machine::widen_i8`], with AVX-512.
#[inline(always)]
unsafe fn widen_i8(from: *const i8, dim: usize, to: *mut u8) {
    for k in (0..dim).step_by(32) {
        // SAFETY: the load is masked to what is left of `dim`; the store fills up the row's last 64 bytes with zeros.
        unsafe {
            let narrow = _mm256_maskz_loadu_epi8(mask(dim - k) as u32, from.add(k));
            _mm512_storeu_si512(to.add(2 * k).cast(), _mm512_cvtepi8_epi16(narrow));
        }
    }
}

/// # Safety
/// As [`Machine::expand`], with AVX-512; `WIDE` writes `i16`.
#[inline(always)]
unsafe fn expand<const BITS: usize, const WIDE: bool>(
    from: *const u8,
    bytes: usize,
    levels: &[i8; 16],
    mut to: *mut u8,
) {
    // SAFETY: loads are masked to `bytes`; a block's planes follow each other `plane` values apart, each store runs at most 128
    // bytes past its plane's start, and the next plane overwrites what was too much.
    unsafe {
        let table = _mm512_broadcast_i32x4(_mm_loadu_si128(levels.as_ptr().cast()));
        let low_bits = _mm512_set1_epi8((1 << BITS) - 1);
        for at in (0..bytes).step_by(64) {
            let from = from.add(at).cast::<i8>();
            let codes = match bytes - at {
                64.. => _mm512_loadu_si512(from.cast()),
                rest => _mm512_maskz_loadu_epi8(mask(rest), from),
            };
            let plane = (bytes - at).min(64).next_multiple_of(4);
            for h in 0..8 / BITS {
                let shifted = _mm512_srl_epi16(codes, _mm_cvtsi32_si128((h * BITS) as i32));
                let level = _mm512_shuffle_epi8(table, _mm512_and_si512(shifted, low_bits));
                if WIDE {
                    let to = to.add(2 * h * plane);
                    let (low, high) = (_mm512_castsi512_si256(level), _mm512_extracti64x4_epi64::<1>(level));
                    _mm512_storeu_si512(to.cast(), _mm512_cvtepi8_epi16(low));
                    _mm512_storeu_si512(to.add(64).cast(), _mm512_cvtepi8_epi16(high));
                } else {
                    _mm512_storeu_si512(to.add(h * plane).cast(), level);
                }
            }
            to = to.add(plane * (8 / BITS) * if WIDE { 2 } else { 1 });
        }
    }
}

/// # Safety
/// As [`Machine::expand_signs`], with AVX-512; `WIDE` writes `i16`.
#[inline(always)]
unsafe fn expand_signs<const WIDE: bool>(from: *const u8, bytes: usize, levels: &[i8; 16], to: *mut u8) {
    let step = if WIDE { 4 } else { 8 };
    for at in (0..bytes).step_by(step) {
        // SAFETY: the load is of `step` bytes or masked to what is left of `bytes`; the store fills up the last 64 bytes.
        unsafe {
            let from = from.add(at);
            let signs = match bytes - at {
                rest if rest < step => {
                    _mm_cvtsi128_si64(_mm_maskz_loadu_epi8(mask(rest) as u16, from.cast())) as u64
                }
                _ if WIDE => from.cast::<u32>().read_unaligned().into(),
                _ => from.cast::<u64>().read_unaligned(),
            };
            let level = if WIDE {
                let [low, high] = [levels[0], levels[1]].map(|level| _mm512_set1_epi16(level.into()));
                _mm512_mask_blend_epi16(signs as u32, low, high)
            } else {
                _mm512_mask_blend_epi8(signs, _mm512_set1_epi8(levels[0]), _mm512_set1_epi8(levels[1]))
            };
            _mm512_storeu_si512(to.add(at / step * 64).cast(), level);
        }
    }
}

macro_rules! machine {
    ($name:ident, $bf16:ty, $bf16_in_place:literal, $i8:ty, $i8_in_place:literal, $codes:ty) => {
        impl Machine for $name {
            type F32 = F32x16;
            type Bf16 = $bf16;
            const BF16_IN_PLACE: bool = $bf16_in_place;
            type I8 = $i8;
            const I8_IN_PLACE: bool = $i8_in_place;
            type Codes = $codes;
            const WIDE_CODES: bool = !$i8_in_place;

            #[inline(always)]
            unsafe fn widen_f16(from: *const u16, dim: usize, to: *mut u8) {
                // SAFETY: the caller's promises.
                unsafe { widen_f16(from, dim, to) }
            }
            #[inline(always)]
            unsafe fn widen_bf16(from: *const u16, dim: usize, to: *mut u8) {
                // SAFETY: the caller's promises.
                unsafe { widen_bf16(from, dim, to) }
            }
            #[inline(always)]
            unsafe fn widen_i8(from: *const i8, dim: usize, to: *mut u8) {
                // SAFETY: the caller's promises.
                unsafe { widen_i8(from, dim, to) }
            }
            #[inline(always)]
            unsafe fn expand<const BITS: usize>(
                from: *const u8,
                bytes: usize,
                levels: &[i8; 16],
                to: *mut u8,
            ) {
                // SAFETY: the caller's promises.
                unsafe { expand::<BITS, { !$i8_in_place }>(from, bytes, levels, to) }
            }
            #[inline(always)]
            unsafe fn expand_signs(from: *const u8, bytes: usize, levels: &[i8; 16], to: *mut u8) {
                // SAFETY: the caller's promises.
                unsafe { expand_signs::<{ !$i8_in_place }>(from, bytes, levels, to) }
            }
        }
    };
}

machine!(Avx512, F32x16, false, I16x32, false, I16x32);
machine!(Vnni, F32x16, false, I8x64, true, U8x64);
machine!(VnniBf16, Bf16x32, true, I8x64, true, U8x64);
