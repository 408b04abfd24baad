//! AVX2 with FMA and F16C: registers of 8.

use std::arch::x86_64::*;

use half::f16;

use super::Job;
use super::unit::{Machine, Unit, float_methods, floats_256};
use crate::kernel::coarse::CentroidIds;
use crate::kernel::scalar;

/// Does `job` with AVX2: the 16 rows of a block are two registers, so that 12 sums, 2 query registers, a token and a product fill the 16.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn run<J: Job>(job: J) -> J::Output {
    // SAFETY: this function's features are all that the machine needs.
    unsafe { job.run::<Avx2, 2, 2, 6>() }
}

/// `⟨a, b⟩`, summed in `f32`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn dot_f16(a: &[f16], b: &[f16]) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = _mm256_setzero_ps();
    for (a, b) in a.iter().zip(b) {
        // SAFETY: eight readable halves each; `loadu` asks for no alignment.
        let (a, b) = unsafe { (_mm_loadu_si128(a.as_ptr().cast()), _mm_loadu_si128(b.as_ptr().cast())) };
        sums = _mm256_fmadd_ps(_mm256_cvtph_ps(a), _mm256_cvtph_ps(b), sums);
    }
    let mut lanes = [0.0; 8];
    // SAFETY: eight writable numbers.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sums) };
    lanes.iter().sum::<f32>() + scalar::dot_f16(a_tail, b_tail)
}

/// `round(score · inverse)`, saturated to a byte; a NaN becomes 255. `inverses` has whole vectors of 16, `scores` and `out` whole rows.
#[target_feature(enable = "avx2")]
pub(super) fn coarse(scores: &[f32], inverses: &[f32], out: &mut [u8]) {
    let inverses = inverses.as_chunks::<16>().0;
    let vectors = scores.as_chunks::<16>().0.iter().zip(inverses.iter().cycle());
    for ((scores, inverses), out) in vectors.zip(out.as_chunks_mut::<16>().0) {
        let mut words = [_mm256_setzero_si256(); 2];
        for (h, words) in words.iter_mut().enumerate() {
            // SAFETY: half `h < 2` of 16 readable numbers.
            let (scores, inverses) = unsafe {
                (_mm256_loadu_ps(scores.as_ptr().add(8 * h)), _mm256_loadu_ps(inverses.as_ptr().add(8 * h)))
            };
            let scaled = _mm256_min_ps(_mm256_mul_ps(scores, inverses), _mm256_set1_ps(255.0));
            *words = _mm256_cvtps_epi32(scaled);
        }
        // Packs work within halves: 0–3 8–11 4–7 12–15.
        let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(words[0], words[1]));
        let bytes = _mm_packus_epi16(_mm256_castsi256_si128(packed), _mm256_extracti128_si256::<1>(packed));
        // SAFETY: 16 writable bytes.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), bytes) };
    }
}

macro_rules! maxima {
    ($name:ident, $each:ident, $register:ty, $load:ident, $store:ident, $max:ident, $bytes:literal) => {
        /// Raises `maxima` by columns `first..` of the rows that `ids` name; false if one does not exist.
        #[target_feature(enable = "avx2")]
        pub(super) fn $name(
            table: (&[u8], usize),
            ids: CentroidIds<'_>,
            first: usize,
            maxima: &mut [u8],
        ) -> bool {
            match ids.width {
                2 => $each(table, ids.bytes.as_chunks::<2>().0, first, maxima),
                3 => $each(table, ids.bytes.as_chunks::<3>().0, first, maxima),
                _ => $each(table, ids.bytes.as_chunks::<4>().0, first, maxima),
            }
        }

        #[target_feature(enable = "avx2")]
        fn $each<const W: usize>(
            (table, stride): (&[u8], usize),
            ids: &[[u8; W]],
            first: usize,
            maxima: &mut [u8],
        ) -> bool {
            let maxima = &mut maxima[..$bytes];
            assert!(first + $bytes <= stride && table.len() >= stride);
            let last = table.len() / stride - 1;
            let columns = table.as_ptr().wrapping_add(first);
            // SAFETY: so many readable bytes.
            let start: $register = unsafe { $load(maxima.as_ptr().cast()) };
            let mut largest = 0;
            let mut row = |id: &[u8; W]| {
                let mut bytes = [0; 8];
                bytes[..W].copy_from_slice(id);
                let id = u64::from_le_bytes(bytes) as usize;
                largest = id.max(largest);
                // SAFETY: row `min(id, last)` of the table has `stride` bytes, `first + $bytes` at least.
                unsafe { $load(columns.add(id.min(last) * stride).cast()) }
            };
            // Two maxima by name, not in an array, so that they stay in registers.
            let (mut even, mut odd) = (start, start);
            let (pairs, rest) = ids.as_chunks::<2>();
            for [a, b] in pairs {
                (even, odd) = ($max(even, row(a)), $max(odd, row(b)));
            }
            for id in rest {
                even = $max(even, row(id));
            }
            // SAFETY: so many writable bytes.
            unsafe { $store(maxima.as_mut_ptr().cast(), $max(even, odd)) };
            largest <= last
        }
    };
}

maxima!(maxima_of_32, each_of_32, __m256i, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_max_epu8, 32);
maxima!(maxima_of_16, each_of_16, __m128i, _mm_loadu_si128, _mm_storeu_si128, _mm_max_epu8, 16);

pub(super) struct Avx2;

/// One `f32` a group.
pub(super) struct F32x8;

/// Two `i16` a group. `pmaddwd` is exact here: `query_i8` has the bound.
pub(super) struct I16x16;

impl Unit for F32x8 {
    type Pairs = Self;
    type Query = __m256;
    type Sums = __m256;
    floats_256!();

    #[inline(always)]
    unsafe fn query(at: *const u32) -> __m256 {
        // SAFETY: the caller's promises.
        unsafe { _mm256_loadu_ps(at.cast()) }
    }
    #[inline(always)]
    unsafe fn start(_: *const u32) -> __m256 {
        // SAFETY: the caller's promises.
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn group(bytes: u64) -> __m256 {
        // SAFETY: the caller's promises.
        unsafe { _mm256_set1_ps(f32::from_bits(bytes as u32)) }
    }
    #[inline(always)]
    unsafe fn step(sums: __m256, query: __m256, token: __m256) -> __m256 {
        // SAFETY: the caller's promises.
        unsafe { _mm256_fmadd_ps(query, token, sums) }
    }
    #[inline(always)]
    unsafe fn floats(sums: __m256) -> __m256 {
        sums
    }
}

impl Unit for I16x16 {
    type Pairs = Self;
    type Query = __m256i;
    type Sums = __m256i;
    floats_256!();

    #[inline(always)]
    unsafe fn query(at: *const u32) -> __m256i {
        // SAFETY: the caller's promises.
        unsafe { _mm256_loadu_si256(at.cast()) }
    }
    #[inline(always)]
    unsafe fn start(_: *const u32) -> __m256i {
        // SAFETY: the caller's promises.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn group(bytes: u64) -> __m256i {
        // SAFETY: the caller's promises.
        unsafe { _mm256_set1_epi32(bytes as i32) }
    }
    #[inline(always)]
    unsafe fn step(sums: __m256i, query: __m256i, token: __m256i) -> __m256i {
        // SAFETY: the caller's promises.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(query, token)) }
    }
    #[inline(always)]
    unsafe fn floats(sums: __m256i) -> __m256 {
        // SAFETY: the caller's promises.
        unsafe { _mm256_cvtepi32_ps(sums) }
    }
}

impl Machine for Avx2 {
    type F32 = F32x8;
    type Bf16 = F32x8;
    const BF16_IN_PLACE: bool = false;
    type I8 = I16x16;
    const I8_IN_PLACE: bool = false;
    type Codes = I16x16;
    const WIDE_CODES: bool = true;

    #[inline(always)]
    unsafe fn widen_f16(from: *const u16, dim: usize, to: *mut u8) {
        // SAFETY: whole chunks, then the single elements after them, all within `dim` of readable `from` and writable `to`.
        unsafe {
            for k in (0..dim / 8 * 8).step_by(8) {
                let wide = _mm256_cvtph_ps(_mm_loadu_si128(from.add(k).cast()));
                _mm256_storeu_ps(to.add(4 * k).cast(), wide);
            }
            for k in dim / 8 * 8..dim {
                let wide = f16::from_bits(from.add(k).read_unaligned()).to_f32();
                to.add(4 * k).cast::<f32>().write_unaligned(wide);
            }
        }
    }

    #[inline(always)]
    unsafe fn widen_bf16(from: *const u16, dim: usize, to: *mut u8) {
        // SAFETY: as in `widen_f16`.
        unsafe {
            for k in (0..dim / 8 * 8).step_by(8) {
                let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.add(k).cast()));
                _mm256_storeu_si256(to.add(4 * k).cast(), _mm256_slli_epi32::<16>(wide));
            }
            for k in dim / 8 * 8..dim {
                let bits = u32::from(from.add(k).read_unaligned()) << 16;
                to.add(4 * k).cast::<u32>().write_unaligned(bits);
            }
        }
    }

    #[inline(always)]
    unsafe fn widen_i8(from: *const i8, dim: usize, to: *mut u8) {
        // SAFETY: as in `widen_f16`; the one element that fills up the last group lies in `to`.
        unsafe {
            for k in (0..dim / 16 * 16).step_by(16) {
                let wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(from.add(k).cast()));
                _mm256_storeu_si256(to.add(2 * k).cast(), wide);
            }
            for k in dim / 16 * 16..dim {
                to.add(2 * k).cast::<i16>().write_unaligned(from.add(k).read().into());
            }
            if dim % 2 == 1 {
                to.add(2 * dim).cast::<i16>().write_unaligned(0);
            }
        }
    }

    #[inline(always)]
    unsafe fn expand<const BITS: usize>(from: *const u8, bytes: usize, levels: &[i8; 16], mut to: *mut u8) {
        // SAFETY: loads stay within `bytes` (the last block goes through `block`); a block's planes follow each other `plane` values
        // apart, each store runs at most 128 bytes past its plane's start, and the next plane overwrites what was too much.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(levels.as_ptr().cast()));
            let mask = _mm256_set1_epi8((1 << BITS) - 1);
            for at in (0..bytes).step_by(64) {
                let mut block = [0u8; 64];
                let count = (bytes - at).min(64);
                let codes = if count == 64 {
                    from.add(at)
                } else {
                    block.as_mut_ptr().copy_from_nonoverlapping(from.add(at), count);
                    block.as_ptr()
                };
                let halves = [_mm256_loadu_si256(codes.cast()), _mm256_loadu_si256(codes.add(32).cast())];
                let plane = count.next_multiple_of(4);
                for h in 0..8 / BITS {
                    let shift = _mm_cvtsi32_si128((h * BITS) as i32);
                    for (i, half) in halves.into_iter().enumerate() {
                        let codes = _mm256_and_si256(_mm256_srl_epi16(half, shift), mask);
                        let level = _mm256_shuffle_epi8(table, codes);
                        let low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(level));
                        let high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(level));
                        let to = to.add(2 * (h * plane + 32 * i));
                        _mm256_storeu_si256(to.cast(), low);
                        _mm256_storeu_si256(to.add(32).cast(), high);
                    }
                }
                to = to.add(2 * plane * (8 / BITS));
            }
        }
    }

    #[inline(always)]
    unsafe fn expand_signs(from: *const u8, bytes: usize, levels: &[i8; 16], to: *mut u8) {
        // SAFETY: bytes are read one or two at a time; the last store runs at most 16 bytes past the row.
        unsafe {
            let [low, high] = [levels[0], levels[1]].map(|level| _mm256_set1_epi16(level.into()));
            let bits = _mm256_setr_epi16(
                1,
                2,
                4,
                8,
                16,
                32,
                64,
                128,
                256,
                512,
                1024,
                2048,
                4096,
                8192,
                16384,
                i16::MIN,
            );
            for at in (0..bytes).step_by(2) {
                let signs = if at + 1 < bytes {
                    from.add(at).cast::<i16>().read_unaligned()
                } else {
                    from.add(at).read().into()
                };
                let set = _mm256_cmpeq_epi16(_mm256_and_si256(_mm256_set1_epi16(signs), bits), bits);
                let level = _mm256_blendv_epi8(low, high, set);
                _mm256_storeu_si256(to.add(16 * at).cast(), level);
            }
        }
    }
}
