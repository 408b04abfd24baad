//! One vector against chosen rows.

use std::arch::x86_64::*;

use half::f16;

use super::unit::unrolled;
use super::{Isa, Kind};
use crate::kernel::gather::check;

/// One way to multiply a stretch of a query with the same stretch of a row.
///
/// # Safety of all methods
/// The processor has the instructions; pointers are readable for [`WIDTH`](Self::WIDTH) elements.
trait Stretch {
    type Query: Copy + Default;
    type Row: Copy + Default;
    /// `WIDTH` elements of the query.
    type Register: Copy;
    type Sums: Copy;
    type Sum: Copy;
    const WIDTH: usize;

    unsafe fn query(at: *const Self::Query) -> Self::Register;
    unsafe fn start() -> Self::Sums;
    /// `sums + query · row`.
    unsafe fn step(sums: Self::Sums, query: Self::Register, row: *const Self::Row) -> Self::Sums;
    /// The sum of each, all in the same order of additions.
    unsafe fn finish(sums: [Self::Sums; 4]) -> [Self::Sum; 4];
}

/// How many rows are fetched before they are needed.
const AHEAD: usize = 8;

/// The widest stretch.
const WIDEST: usize = 32;

/// # Safety
/// As for [`Stretch`], and each chosen row is one of `rows`.
#[inline(always)]
unsafe fn run<S: Stretch>(query: &[S::Query], rows: &[S::Row], chosen: &[u32], out: &mut [S::Sum]) {
    let (dim, base) = (query.len(), rows.as_ptr());
    let whole = dim / S::WIDTH * S::WIDTH;
    let row = |row: u32| base.wrapping_add(row as usize * dim);
    let fetch = |ahead: &[u32]| ahead.iter().for_each(|&ahead| lines(row(ahead), dim));
    fetch(&chosen[..chosen.len().min(AHEAD)]);
    let mut last = [S::Query::default(); WIDEST];
    last[..dim - whole].copy_from_slice(&query[whole..]);
    for (i, (four, out)) in chosen.chunks(4).zip(out.chunks_mut(4)).enumerate() {
        let ahead = 4 * i + AHEAD;
        fetch(&chosen[ahead.min(chosen.len())..(ahead + 4).min(chosen.len())]);
        // Of fewer than four the last one several times; what is too much is thrown away.
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| row(four[i.min(four.len() - 1)]));
        let at = [a, b, c, d];
        // SAFETY: whole stretches lie within the query and each row; the rest of a row is copied to where a stretch is readable.
        let sums = unsafe {
            let mut sums = [S::start(); 4];
            for k in (0..whole).step_by(S::WIDTH) {
                let query = S::query(query.as_ptr().add(k));
                unrolled!(r < 4, sums[r] = S::step(sums[r], query, at[r].add(k)));
            }
            if whole < dim {
                let query = S::query(last.as_ptr());
                unrolled!(r < 4, {
                    let mut rest = [S::Row::default(); WIDEST];
                    rest.as_mut_ptr().copy_from_nonoverlapping(at[r].add(whole), dim - whole);
                    sums[r] = S::step(sums[r], query, rest.as_ptr());
                });
            }
            S::finish(sums)
        };
        out.copy_from_slice(&sums[..out.len()]);
    }
}

/// Asks for the cache lines of `len` elements.
#[inline(always)]
fn lines<T>(start: *const T, len: usize) {
    let start = start.cast::<u8>();
    (0..len * size_of::<T>()).step_by(64).for_each(|line| super::prefetch(start.wrapping_add(line)));
}

/// Asks for the cache lines of `items`.
#[inline(always)]
pub(in super::super) fn prefetch<T>(items: &[T]) {
    lines(items.as_ptr(), items.len());
}

struct Avx2F32;
struct Avx2F16;
struct Avx2I8;
struct Avx2I16;
struct Avx512F32;
struct Avx512F16;
struct Avx512I8;
struct Avx512I16;
struct VnniI8;
struct VnniI16;

/// Adds up the lanes of four registers.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn finish_f32(sums: [__m256; 4]) -> [f32; 4] {
    // SAFETY: the caller's promise; a register of four is the array of four.
    unsafe {
        let half = |x| _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let [a, b, c, d] = [half(sums[0]), half(sums[1]), half(sums[2]), half(sums[3])];
        let pairs = [_mm_hadd_ps(a, b), _mm_hadd_ps(c, d)];
        std::mem::transmute::<__m128, [f32; 4]>(_mm_hadd_ps(pairs[0], pairs[1]))
    }
}

/// Adds up the lanes of four registers.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn finish_i32(sums: [__m256i; 4]) -> [i32; 4] {
    // SAFETY: the caller's promise; a register of four is the array of four.
    unsafe {
        let half = |x| _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
        let [a, b, c, d] = [half(sums[0]), half(sums[1]), half(sums[2]), half(sums[3])];
        let pairs = [_mm_hadd_epi32(a, b), _mm_hadd_epi32(c, d)];
        std::mem::transmute::<__m128i, [i32; 4]>(_mm_hadd_epi32(pairs[0], pairs[1]))
    }
}

macro_rules! stretch {
    ($name:ident: $query:ty, $row:ty, [$register:ty; $width:literal], $sum:ty,
     $load:expr, $zero:expr, $step:expr, $finish:expr) => {
        impl Stretch for $name {
            type Query = $query;
            type Row = $row;
            type Register = $register;
            type Sums = $register;
            type Sum = $sum;
            const WIDTH: usize = $width;

            #[inline(always)]
            unsafe fn query(at: *const $query) -> $register {
                // SAFETY: the caller's promises.
                unsafe { $load(at) }
            }
            #[inline(always)]
            unsafe fn start() -> $register {
                // SAFETY: the caller's promises.
                unsafe { $zero() }
            }
            #[inline(always)]
            unsafe fn step(sums: $register, query: $register, row: *const $row) -> $register {
                // SAFETY: the caller's promises.
                unsafe { $step(sums, query, row) }
            }
            #[inline(always)]
            unsafe fn finish(sums: [$register; 4]) -> [$sum; 4] {
                // SAFETY: the caller's promises.
                unsafe { $finish(sums) }
            }
        }
    };
}

macro_rules! floats {
    ($name:ident: $row:ty, [$register:ty; $width:literal], $load:expr, $zero:expr, $fma:expr, $widen:expr, $finish:expr) => {
        stretch!($name: f32, $row, [$register; $width], f32, $load, $zero,
            |sums, query, row: *const $row| $fma(query, $widen(row), sums), $finish);
    };
}

macro_rules! integers {
    ($name:ident: $query:ty, [$register:ty; $width:literal], $load:expr, $zero:expr, $multiply:expr, $widen:expr, $finish:expr) => {
        stretch!($name: $query, i8, [$register; $width], i32, $load, $zero,
            |sums, query, row: *const i8| $multiply(sums, query, $widen(row)), $finish);
    };
}

macro_rules! wide_floats {
    ($name:ident: $row:ty, $widen:expr) => {
        floats!($name: $row, [__m512; 16], _mm512_loadu_ps, _mm512_setzero_ps, _mm512_fmadd_ps, $widen, |sums: [__m512; 4]| {
            let half = |x| _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x));
            finish_f32([half(sums[0]), half(sums[1]), half(sums[2]), half(sums[3])])
        });
    };
}

macro_rules! wide_integers {
    ($name:ident: $query:ty, $load:expr, $multiply:expr) => {
        integers!($name: $query, [__m512i; 32], $load, _mm512_setzero_si512, $multiply,
            |row: *const i8| _mm512_cvtepi8_epi16(_mm256_loadu_si256(row.cast())), |sums: [__m512i; 4]| {
            let half = |x| _mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64::<1>(x));
            finish_i32([half(sums[0]), half(sums[1]), half(sums[2]), half(sums[3])])
        });
    };
}

floats!(Avx2F32: f32, [__m256; 8], _mm256_loadu_ps, _mm256_setzero_ps, _mm256_fmadd_ps, _mm256_loadu_ps, finish_f32);
floats!(Avx2F16: f16, [__m256; 8], _mm256_loadu_ps, _mm256_setzero_ps, _mm256_fmadd_ps,
    |row: *const f16| _mm256_cvtph_ps(_mm_loadu_si128(row.cast())), finish_f32);
wide_floats!(Avx512F32: f32, _mm512_loadu_ps);
wide_floats!(Avx512F16: f16, |row: *const f16| _mm512_cvtph_ps(_mm256_loadu_si256(row.cast())));

// A pair of products is at most 2 · 2¹⁵ · 2⁷; what the sum may be the callers bound.
integers!(Avx2I8: i8, [__m256i; 16], |at: *const i8| _mm256_cvtepi8_epi16(_mm_loadu_si128(at.cast())), _mm256_setzero_si256,
    |sums, a, b| _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)),
    |row: *const i8| _mm256_cvtepi8_epi16(_mm_loadu_si128(row.cast())), finish_i32);
integers!(Avx2I16: i16, [__m256i; 16], |at: *const i16| _mm256_loadu_si256(at.cast()), _mm256_setzero_si256,
    |sums, a, b| _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)),
    |row: *const i8| _mm256_cvtepi8_epi16(_mm_loadu_si128(row.cast())), finish_i32);
wide_integers!(Avx512I8: i8, |at: *const i8| _mm512_cvtepi8_epi16(_mm256_loadu_si256(at.cast())),
    |sums, a, b| _mm512_add_epi32(sums, _mm512_madd_epi16(a, b)));
wide_integers!(Avx512I16: i16, |at: *const i16| _mm512_loadu_si512(at.cast()),
    |sums, a, b| _mm512_add_epi32(sums, _mm512_madd_epi16(a, b)));
wide_integers!(VnniI8: i8, |at: *const i8| _mm512_cvtepi8_epi16(_mm256_loadu_si256(at.cast())), _mm512_dpwssd_epi32);
wide_integers!(VnniI16: i16, |at: *const i16| _mm512_loadu_si512(at.cast()), _mm512_dpwssd_epi32);

macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident: $query:ty, $row:ty, $sum:ty, $avx2:ty, $avx512:ty, $vnni:ty) => {
        $(#[$doc])*
        pub(in super::super) fn $name(isa: Isa, query: &[$query], rows: &[$row], chosen: &[u32], out: &mut [$sum]) -> bool {
            #[target_feature(enable = "avx2,fma,f16c")]
            fn avx2(query: &[$query], rows: &[$row], chosen: &[u32], out: &mut [$sum]) {
                // SAFETY: this function's features are all that is needed; the rows were checked.
                unsafe { run::<$avx2>(query, rows, chosen, out) }
            }
            #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")]
            fn avx512(query: &[$query], rows: &[$row], chosen: &[u32], out: &mut [$sum]) {
                // SAFETY: this function's features are all that is needed; the rows were checked.
                unsafe { run::<$avx512>(query, rows, chosen, out) }
            }
            #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
            fn vnni(query: &[$query], rows: &[$row], chosen: &[u32], out: &mut [$sum]) {
                // SAFETY: this function's features are all that is needed; the rows were checked.
                unsafe { run::<$vnni>(query, rows, chosen, out) }
            }
            if isa.kind() == Kind::Scalar {
                return false;
            }
            check((query.len(), rows.len()), chosen, out.len());
            // SAFETY: an `Isa` other than the scalar one exists only if detection found its instructions on this processor; the rows exist.
            unsafe {
                match isa.kind() {
                    Kind::Scalar => {}
                    Kind::Avx2 => avx2(query, rows, chosen, out),
                    Kind::Avx512 => avx512(query, rows, chosen, out),
                    Kind::Avx512Vnni { .. } => vnni(query, rows, chosen, out),
                }
            }
            true
        }
    };
}

kernel! {
    /// False if `isa` is plain Rust.
    f32s: f32, f32, f32, Avx2F32, Avx512F32, Avx512F32
}
kernel! {
    /// False if `isa` is plain Rust.
    f16s: f32, f16, f32, Avx2F16, Avx512F16, Avx512F16
}
kernel! {
    /// False if `isa` is plain Rust.
    i8s: i8, i8, i32, Avx2I8, Avx512I8, VnniI8
}
kernel! {
    /// False if `isa` is plain Rust.
    i16s: i16, i8, i32, Avx2I16, Avx512I16, VnniI16
}
