//! Tokens written in the groups that the units read.

use std::arch::x86_64::*;

#[cfg(doc)]
use crate::kernel::simd::unit::Machine;

/// The lowest `count` of 64 lanes, all if there are more.
fn mask(count: usize) -> u64 {
    if count < 64 { (1 << count) - 1 } else { u64::MAX }
}

/// # Safety
/// As [`Machine::widen_f16`], with AVX-512.
#[inline(always)]
pub(super) unsafe fn widen_f16(from: *const u16, dim: usize, to: *mut u8) {
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
pub(super) unsafe fn widen_bf16(from: *const u16, dim: usize, to: *mut u8) {
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
pub(super) unsafe fn widen_i8(from: *const i8, dim: usize, to: *mut u8) {
    for k in (0..dim).step_by(32) {
        // SAFETY: the load is masked to what is left of `dim`; the store fills up the row's last 64 bytes with zeros.
        unsafe {
            let narrow = _mm256_maskz_loadu_epi8(mask(dim - k) as u32, from.add(k));
            _mm512_storeu_si512(to.add(2 * k).cast(), _mm512_cvtepi8_epi16(narrow));
        }
    }
}

/// # Safety
/// As [`Machine::expand`], with AVX-512, in planes; `WIDE` writes `i16`.
#[inline(always)]
pub(super) unsafe fn expand_planes<const BITS: usize, const WIDE: bool>(
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
pub(super) unsafe fn expand_signs<const WIDE: bool>(
    from: *const u8,
    bytes: usize,
    levels: &[i8; 16],
    to: *mut u8,
) {
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

/// # Safety
/// As [`Machine::expand`], with AVX-512 and VBMI, in the order of the codes.
#[inline(always)]
pub(super) unsafe fn expand_bytes<const BITS: usize>(
    from: *const u8,
    bytes: usize,
    levels: &[i8; 16],
    to: *mut u8,
) {
    // 64 codes at a time: eight to each 64-bit lane, whose fields are then shifted to bytes of their own.
    let step = 8 * BITS;
    // SAFETY: loads are masked to `bytes`; the last store fills up the row's last 64 bytes.
    unsafe {
        let levels = _mm_loadu_si128(levels.as_ptr().cast());
        // What lies above a field in its byte picks one of equal entries: lookups take six bits.
        let (table, shifts) = if BITS == 2 {
            (_mm512_broadcastd_epi32(levels), 0x0e0c_0a08_0604_0200)
        } else {
            (_mm512_broadcast_i32x4(levels), 0x1c18_1410_0c08_0400)
        };
        let write = |at: usize, lanes| {
            let fields = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(shifts), lanes);
            _mm512_storeu_si512(to.add(at / step * 64).cast(), _mm512_permutexvar_epi8(fields, table));
        };
        let whole = bytes / step * step;
        for at in (0..whole).step_by(step) {
            let from = from.add(at);
            if BITS == 2 {
                write(at, _mm512_cvtepu16_epi64(_mm_loadu_si128(from.cast())));
            } else {
                write(at, _mm512_cvtepu32_epi64(_mm256_loadu_si256(from.cast())));
            }
        }
        if whole < bytes {
            let (from, rest) = (from.add(whole).cast(), mask(bytes - whole) as u32);
            if BITS == 2 {
                write(whole, _mm512_cvtepu16_epi64(_mm_maskz_loadu_epi8(rest as u16, from)));
            } else {
                write(whole, _mm512_cvtepu32_epi64(_mm256_maskz_loadu_epi8(rest, from)));
            }
        }
    }
}
