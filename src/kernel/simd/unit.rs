//! What the generic kernels need of an instruction set.
//!
//! The methods are `inline(always)` and have no target features of their own: they end up inside the
//! `#[target_feature]` functions of [`super::avx2`] and [`super::avx512`], where the intrinsics become instructions.

use crate::kernel::packed::Lanes;

/// One way to multiply a register of query rows with one group of a token.
///
/// # Safety of all methods
/// The processor must have the instruction set the implementer is named after. Pointers must be readable (or
/// writable) for a register, or for what the method says; none has to be aligned.
pub(super) trait Unit {
    /// Query rows in a register.
    const LANES: usize;
    /// Dwords in a register: one or two for each row.
    const DWORDS: usize = Self::LANES;
    /// Bytes of a token that meet a register: four for each of a row's dwords.
    const GROUP: usize = 4 * (Self::DWORDS / Self::LANES);
    /// Query groups of `LANES` rows.
    type Query: Copy;
    /// Sums of `LANES` rows.
    type Sums: Copy;
    /// `LANES` numbers.
    type Floats: Copy;
    /// The unit for the same token bytes that takes two groups of 8 rows; itself where queries are not packed in pairs.
    type Pairs: Unit;

    /// `LANES` query groups.
    unsafe fn query(at: *const u32) -> Self::Query;
    /// What the sums start with.
    unsafe fn start(at: *const u32) -> Self::Sums;
    /// A token's group, `GROUP` low bytes, for every row, as `step` wants it.
    unsafe fn group(bytes: u64) -> Self::Query;
    /// `sums + query · token`.
    unsafe fn step(sums: Self::Sums, query: Self::Query, token: Self::Query) -> Self::Sums;
    /// The finished sums, rounded to nearest where they are integers.
    unsafe fn floats(sums: Self::Sums) -> Self::Floats;

    unsafe fn load(at: *const f32) -> Self::Floats;
    unsafe fn store(at: *mut f32, value: Self::Floats);
    unsafe fn splat(value: f32) -> Self::Floats;
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `if a > b { a } else { b }`.
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Whether `a > b` in some lane.
    unsafe fn any_above(a: Self::Floats, b: Self::Floats) -> bool;
}

/// An instruction set: the units it has, and how it writes tokens in their groups.
///
/// # Safety of all methods
/// As for [`Unit`]. `from` must be readable for `dim` elements (`bytes` bytes), `to` writable for the groups they fill, rounded
/// up to 64 bytes, and 192 bytes more.
pub(super) trait Machine {
    /// Groups of one `f32`.
    type F32: Unit;
    /// Groups of two `bf16` in place, or of one `f32`.
    type Bf16: Unit;
    const BF16_IN_PLACE: bool;
    /// Groups of four `i8` in place, or of two `i16`.
    type I8: Unit;
    const I8_IN_PLACE: bool;
    /// Groups of four levels as `expand` writes them, or of two as `i16`.
    type Codes: Unit;

    /// `f16` to `f32`.
    unsafe fn widen_f16(from: *const u16, dim: usize, to: *mut u8);
    /// `bf16` to `f32`.
    unsafe fn widen_bf16(from: *const u16, dim: usize, to: *mut u8);
    /// `i8` to `i16`.
    unsafe fn widen_i8(from: *const i8, dim: usize, to: *mut u8);
    /// Whether levels are written as `i16`, two a group, not as four bytes.
    const WIDE_CODES: bool;
    /// Codes of `BITS` bits, 2 or 4, to levels, in the order of `residual::expanded_order`.
    unsafe fn expand<const BITS: usize>(from: *const u8, bytes: usize, levels: &[i8; 16], to: *mut u8);
    /// Codes of 1 bit to levels, in their order.
    unsafe fn expand_signs(from: *const u8, bytes: usize, levels: &[i8; 16], to: *mut u8);
}

/// The address of the first row of a vector.
pub(super) fn rows_of(lanes: &[Lanes]) -> *const u32 {
    lanes.as_ptr().cast()
}

/// The part of [`Unit`] that computes with floats; `$above` says whether a lane of one register is above that of the other.
macro_rules! float_methods {
    ($lanes:literal, $floats:ty, $load:ident, $store:ident, $splat:ident, $add:ident, $mul:ident, $max:ident, $above:expr) => {
        type Floats = $floats;
        const LANES: usize = $lanes;

        #[inline(always)]
        unsafe fn load(at: *const f32) -> $floats {
            // SAFETY: the caller's promises.
            unsafe { $load(at) }
        }
        #[inline(always)]
        unsafe fn store(at: *mut f32, value: $floats) {
            // SAFETY: the caller's promises.
            unsafe { $store(at, value) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> $floats {
            // SAFETY: the caller's promises.
            unsafe { $splat(value) }
        }
        #[inline(always)]
        unsafe fn add(a: $floats, b: $floats) -> $floats {
            // SAFETY: the caller's promises.
            unsafe { $add(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: $floats, b: $floats) -> $floats {
            // SAFETY: the caller's promises.
            unsafe { $mul(a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: $floats, b: $floats) -> $floats {
            // SAFETY: the caller's promises.
            unsafe { $max(a, b) }
        }
        #[inline(always)]
        unsafe fn any_above(a: $floats, b: $floats) -> bool {
            // SAFETY: the caller's promises.
            unsafe { $above(a, b) }
        }
    };
}
pub(super) use float_methods;

/// Registers of 8 floats.
macro_rules! floats_256 {
    () => {
        float_methods!(
            8,
            __m256,
            _mm256_loadu_ps,
            _mm256_storeu_ps,
            _mm256_set1_ps,
            _mm256_add_ps,
            _mm256_mul_ps,
            _mm256_max_ps,
            |a, b| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) != 0
        );
    };
}
pub(super) use floats_256;

/// `for i in 0..N { body }`, for `N ≤ 12` known to the compiler, written out: indices must be constants for arrays of registers to
/// become registers. What is past `N` is asked in a `const`, so that it is left out before code is made of it: most of a kernel's
/// copies would be dead otherwise, and take longer to compile than the rest of the library.
macro_rules! unrolled {
    ($i:ident < $n:expr, $j:ident < $m:expr, $body:expr) => {
        unrolled!($i < $n, unrolled!($j < $m, $body))
    };
    ($i:ident < 4, $body:expr) => {
        unrolled!(@all $i, $body; 0 1 2 3)
    };
    (@all $i:ident, $body:expr; $($at:literal)+) => {
        $({
            let $i = $at;
            $body;
        })+
    };
    ($i:ident < $n:expr, $body:expr) => {
        unrolled!(@ $i $n, $body; 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    (@ $i:ident $n:expr, $body:expr; $($at:literal)+) => {
        $(if const { $at < $n } {
            let $i = $at;
            $body;
        })+
    };
}
pub(super) use unrolled;
