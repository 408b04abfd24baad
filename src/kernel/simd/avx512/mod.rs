//! AVX-512 (F, BW, VL, DQ), alone, with VNNI, and with VNNI and BF16: registers of 16.

mod pairs;
mod units;
mod write;

use super::Job;
use super::unit::Machine;
pub(super) use units::{Bf16x32, F32x16, U8x64};
use units::{I8x64, I16x32};
use write::{expand_bytes, expand_planes, expand_signs, widen_bf16, widen_f16, widen_i8};

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

/// Does `job`, which expands no codes, with AVX-512, VNNI and BF16: given VBMI, LLVM takes minutes over biasing bytes.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")]
pub(super) fn run_bf16<J: Job>(job: J) -> J::Output {
    // SAFETY: this function's features are all that the machine needs but for expanding codes.
    unsafe { job.run::<VnniBf16, 2, 1, 12>() }
}

/// Does `job`, which expands codes, with AVX-512, VNNI, BF16 and VBMI.
#[target_feature(
    enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,avx512vbmi"
)]
pub(super) fn run_vbmi<J: Job>(job: J) -> J::Output {
    // SAFETY: this function's features are all that the machine needs.
    unsafe { job.run::<VnniBf16, 2, 1, 12>() }
}

pub(super) struct Avx512;
pub(super) struct Vnni;
pub(super) struct VnniBf16;

macro_rules! machine {
    ($name:ident, $bf16:ty, $bf16_in_place:literal, $i8:ty, $i8_in_place:literal, $codes:ty, $expand:expr) => {
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
                unsafe { $expand(from, bytes, levels, to) }
            }
            #[inline(always)]
            unsafe fn expand_signs(from: *const u8, bytes: usize, levels: &[i8; 16], to: *mut u8) {
                // SAFETY: the caller's promises.
                unsafe { expand_signs::<{ !$i8_in_place }>(from, bytes, levels, to) }
            }
        }
    };
}

machine!(Avx512, F32x16, false, I16x32, false, I16x32, expand_planes::<BITS, true>);
machine!(Vnni, F32x16, false, I8x64, true, U8x64, expand_planes::<BITS, false>);
machine!(VnniBf16, Bf16x32, true, I8x64, true, U8x64, expand_bytes::<BITS>);
