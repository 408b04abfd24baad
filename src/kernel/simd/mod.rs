//! The kernels for x86-64, and all `unsafe` code of the crate's arithmetic.
//!
//! A kernel is put together from four parts: a [`unit::Machine`] (what the processor can do), a [`tokens::Tokens`] (where tokens come
//! from), [`tile::run`] (the loops), and a [`finish::Finish`] (what becomes of the sums). Each part is `inline(always)`; a kernel
//! becomes one function inside [`dispatch`], the only place where an instruction set is chosen.

#![allow(unsafe_code)]

mod avx2;
mod avx512;
mod expand;
mod finish;
pub(super) mod gather;
#[cfg(test)]
mod guard_tests;
pub mod peak;
mod tile;
mod tokens;
mod unit;

use std::marker::PhantomData;

use half::{bf16, f16};

use super::coarse::CentroidIds;
use super::isa::{Isa, Kind};
use super::packed::{Lanes, Packed};
use super::residual::{Centroids, ResidualQuery};
use crate::format::CodeWidth;
use expand::{Digits, Expand, Fields, Signs};
use finish::{Destination, Raise, RaiseScaled, Residual, StoreScaled};
use tokens::{Bytes, Halves, InPlace, Write, Written};
use unit::{Machine, Unit};

/// Work that can be done with any machine: blocks of `FULL` registers, the last perhaps `HALF`, tiles of `T` tokens.
trait Job {
    type Output;
    /// Whether it expands codes.
    const CODES: bool = false;

    /// # Safety
    /// The processor has the machine's instructions.
    unsafe fn run<M: Machine, const FULL: usize, const HALF: usize, const T: usize>(self) -> Self::Output;
}

/// Does `job` with the machine of `isa`; `None` if that is plain Rust.
fn dispatch<J: Job>(isa: Isa, job: J) -> Option<J::Output> {
    match isa.kind() {
        Kind::Scalar => None,
        // SAFETY: an `Isa` holds `Avx2` only if detection found AVX2, FMA and F16C on this processor.
        Kind::Avx2 => Some(unsafe { avx2::run(job) }),
        // SAFETY: an `Isa` holds `Avx512` only if detection found these and AVX-512 F, BW, VL and DQ.
        Kind::Avx512 => Some(unsafe { avx512::run(job) }),
        // SAFETY: an `Isa` holds `Avx512Vnni` only if detection found all these and VNNI.
        Kind::Avx512Vnni { bf16: false } => Some(unsafe { avx512::run_vnni(job) }),
        // SAFETY: an `Isa` holds `bf16: true` only if detection found all these, VNNI, BF16 and VBMI. (A test may say `false` nevertheless.)
        Kind::Avx512Vnni { bf16: true } if J::CODES => Some(unsafe { avx512::run_vbmi(job) }),
        // SAFETY: as above.
        Kind::Avx512Vnni { bf16: true } => Some(unsafe { avx512::run_bf16(job) }),
    }
}

/// A hint to fetch a cache line; the address may be anything.
#[inline(always)]
fn prefetch(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: SSE is part of x86-64; a prefetch never faults.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
}

/// The first row from `from` with a score above its bar. `None` if `isa` is plain Rust.
pub(super) fn next_above(isa: Isa, scores: &[f32], bars: &[f32], from: usize) -> Option<Option<usize>> {
    struct Run<'a>(&'a [f32], &'a [f32], usize);
    impl Job for Run<'_> {
        type Output = Option<usize>;
        #[inline(always)]
        unsafe fn run<M: Machine, const FULL: usize, const HALF: usize, const T: usize>(
            self,
        ) -> Option<usize> {
            let Self(scores, bars, from) = self;
            (from..scores.len() / bars.len()).find(|row| {
                let row = &scores[row * bars.len()..][..bars.len()];
                let mut above = false;
                for at in (0..bars.len()).step_by(M::F32::LANES) {
                    // SAFETY: `row` and `bars` have as many numbers, whole registers of them (asserted below).
                    above |= unsafe {
                        let (row, bars) = (row.as_ptr().add(at), bars.as_ptr().add(at));
                        M::F32::any_above(M::F32::load(row), M::F32::load(bars))
                    };
                }
                above
            })
        }
    }
    assert!(!bars.is_empty() && bars.len().is_multiple_of(16));
    dispatch(isa, Run(scores, bars, from))
}

/// Writes `round(score · inverse)`, saturated to a byte. False if `isa` is plain Rust.
pub(super) fn coarse(isa: Isa, scores: &[f32], inverses: &[f32], out: &mut [u8]) -> bool {
    assert!(scores.len() == out.len() && inverses.len().is_multiple_of(16));
    if isa.kind() == Kind::Scalar || inverses.is_empty() {
        return false;
    }
    // SAFETY: an `Isa` other than the scalar one exists only if detection found AVX2 on this processor.
    unsafe { avx2::coarse(scores, inverses, out) };
    true
}

/// Raises `maxima` of the columns from `first` by the rows of `(bytes, stride)` that `ids` name. Says whether all exist; `None` if
/// `isa` is plain Rust.
pub(super) fn coarse_maxima(
    isa: Isa,
    table: (&[u8], usize),
    ids: CentroidIds<'_>,
    first: usize,
    maxima: &mut [u8],
) -> Option<bool> {
    if isa.kind() == Kind::Scalar {
        return None;
    }
    assert!(first + maxima.len() <= table.1);
    Some(match maxima.len() {
        // SAFETY: an `Isa` other than the scalar one exists only if detection found AVX2 on this processor.
        32 => unsafe { avx2::maxima_of_32(table, ids, first, maxima) },
        // SAFETY: as above.
        16 => unsafe { avx2::maxima_of_16(table, ids, first, maxima) },
        _ => return None,
    })
}

/// Raises `maxima` by the products of the query with `rows` of `dim` `f32`. False if `isa` is plain Rust.
pub(super) fn maxima_f32(isa: Isa, query: &Packed, rows: &[f32], maxima: &mut [Lanes]) -> bool {
    struct Run<'a>(&'a Packed, &'a [f32], &'a mut [Lanes]);
    impl Job for Run<'_> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<M: Machine, const FULL: usize, const HALF: usize, const T: usize>(self) {
            let Self(query, rows, maxima) = self;
            let dim = query.groups;
            let source = InPlace::new(rows, dim);
            // SAFETY: `rows` has `len / dim` tokens of `dim` groups; `maxima` has the query's vectors (asserted below).
            unsafe {
                tile::run::<M::F32, _, FULL, HALF, T>(query, rows.len() / dim, &source, &mut Raise(maxima));
            }
        }
    }
    assert_eq!(maxima.len(), query.vectors());
    dispatch(isa, Run(query, rows, maxima)).is_some()
}

/// The same over `f16`, widened on the way.
pub(super) fn maxima_f16(isa: Isa, query: &Packed, rows: &[f16], maxima: &mut [Lanes]) -> bool {
    struct Run<'a>(&'a Packed, &'a [f16], &'a mut [Lanes]);
    impl Job for Run<'_> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<M: Machine, const FULL: usize, const HALF: usize, const T: usize>(self) {
            let Self(query, rows, maxima) = self;
            let dim = query.groups;
            let writer = Halves::<M, false> { base: rows.as_ptr().cast(), dim, machine: PhantomData };
            let source = Written { groups: dim, writer };
            // SAFETY: as in `maxima_f32`.
            unsafe {
                tile::run::<M::F32, _, FULL, HALF, T>(query, rows.len() / dim, &source, &mut Raise(maxima));
            }
        }
    }
    assert_eq!(maxima.len(), query.vectors());
    dispatch(isa, Run(query, rows, maxima)).is_some()
}

/// The same over rows of `dim` `bf16`, in pairs where `isa` multiplies pairs, widened otherwise.
pub(super) fn maxima_bf16(
    isa: Isa,
    query: &Packed,
    (rows, dim): (&[bf16], usize),
    maxima: &mut [Lanes],
) -> bool {
    struct Run<'a>(&'a Packed, &'a [bf16], usize, &'a mut [Lanes]);
    impl Job for Run<'_> {
        type Output = ();
        #[inline(always)]
        unsafe fn run<M: Machine, const FULL: usize, const HALF: usize, const T: usize>(self) {
            let Self(query, rows, dim, maxima) = self;
            let (tokens, finish) = (rows.len() / dim, &mut Raise(maxima));
            if M::BF16_IN_PLACE {
                let source = InPlace::new(rows, dim);
                // SAFETY: `rows` has `tokens` tokens of the query's groups, `maxima` the query's vectors (asserted below).
                unsafe { tile::run::<M::Bf16, _, FULL, HALF, T>(query, tokens, &source, finish) };
            } else {
                let writer = Halves::<M, true> { base: rows.as_ptr().cast(), dim, machine: PhantomData };
                let source = Written { groups: dim, writer };
                // SAFETY: `rows` has `tokens` tokens of the query's groups, `maxima` the query's vectors (asserted below).
                unsafe { tile::run::<M::Bf16, _, FULL, HALF, T>(query, tokens, &source, finish) };
            }
        }
    }
    assert_eq!(maxima.len(), query.vectors());
    assert_eq!(query.groups, if isa.has_bf16() { dim.div_ceil(2) } else { dim });
    dispatch(isa, Run(query, rows, dim, maxima)).is_some()
}

/// `i8` rows and a scale for each.
#[derive(Clone, Copy)]
pub(super) struct ScaledRows<'a> {
    pub(super) rows: &'a [i8],
    pub(super) dim: usize,
    pub(super) row_scales: &'a [f32],
}

struct I8Job<'a, F>(&'a Packed, ScaledRows<'a>, F);

impl<F: finish::Finish> Job for I8Job<'_, F> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<M: Machine, const FULL: usize, const HALF: usize, const T: usize>(self) {
        let Self(query, ScaledRows { rows, dim, row_scales }, mut finish) = self;
        if M::I8_IN_PLACE {
            let source = InPlace::new(rows, dim);
            // SAFETY: `check` saw that there are as many tokens of the query's groups; the callers check the rest.
            unsafe { tile::run::<M::I8, _, FULL, HALF, T>(query, row_scales.len(), &source, &mut finish) };
        } else {
            let writer = Bytes::<M> { base: rows.as_ptr(), dim, machine: PhantomData };
            let source = Written { groups: query.groups, writer };
            // SAFETY: `check` saw that there are as many tokens of the query's groups; the callers check the rest.
            unsafe { tile::run::<M::I8, _, FULL, HALF, T>(query, row_scales.len(), &source, &mut finish) };
        }
    }
}

impl ScaledRows<'_> {
    fn check(&self, isa: Isa, query: &Packed) {
        assert_eq!(self.rows.len(), self.row_scales.len() * self.dim);
        assert_eq!(query.groups, self.dim.div_ceil(if isa.has_vnni() { 4 } else { 2 }));
    }
}

/// Raises `maxima` by `sum · row_scale`. False if `isa` is plain Rust.
pub(super) fn maxima_i8(isa: Isa, query: &Packed, rows: ScaledRows<'_>, maxima: &mut [Lanes]) -> bool {
    rows.check(isa, query);
    assert_eq!(maxima.len(), query.vectors());
    dispatch(isa, I8Job(query, rows, RaiseScaled { maxima, row_scales: rows.row_scales })).is_some()
}

/// Writes `sum · row_scale · scale` to `out`, `[tokens, stride]`. False if `isa` is plain Rust.
pub(super) fn scores_i8(
    isa: Isa,
    query: &Packed,
    rows: ScaledRows<'_>,
    scales: &[Lanes],
    out: &mut [f32],
) -> bool {
    rows.check(isa, query);
    assert_eq!(scales.len(), query.vectors());
    let (stride, row_scales) = (query.stride(), rows.row_scales);
    dispatch(isa, I8Job(query, rows, StoreScaled { out, stride, row_scales, scales })).is_some()
}

/// Codes, expanded row by row.
struct Codes<'a, M, E> {
    query: &'a ResidualQuery,
    row_bytes: usize,
    centroids: Centroids<'a>,
    kind: PhantomData<(M, E)>,
}

impl<M: Machine, E: Expand> Write for Codes<'_, M, E> {
    #[inline(always)]
    fn source(&self) -> (*const u8, usize) {
        (self.centroids.tokens.codes.as_ptr(), self.row_bytes)
    }

    #[inline(always)]
    unsafe fn write(&self, token: usize, to: *mut u8) {
        // SAFETY: the token has `row_bytes` bytes of codes; the rest is the caller's promise.
        unsafe { E::expand::<M>(self.source().0.add(token * self.row_bytes), self.row_bytes, self.query, to) }
    }
}

struct ResidualJob<'a, E>(&'a ResidualQuery, Centroids<'a>, Destination<'a>, PhantomData<E>);

impl<E: Expand> Job for ResidualJob<'_, E> {
    type Output = ();
    const CODES: bool = true;

    #[inline(always)]
    unsafe fn run<M: Machine, const FULL: usize, const HALF: usize, const T: usize>(self) {
        let Self(query, centroids, to, _) = self;
        let writer = Codes::<M, E> { query, row_bytes: query.row_bytes(), centroids, kind: PhantomData };
        let source = Written { groups: query.packed().groups, writer };
        let (scales, scale_table) = (query.scales(), query.scale_table());
        let tokens = centroids.tokens.len();
        let mut finish = Residual { centroids, scale_table, scales, to };
        // SAFETY: `residual` below checked that codes, scales and query fit together.
        unsafe {
            tile::run::<M::Codes, _, FULL, HALF, T>(query.packed(), tokens, &source, &mut finish);
        }
    }
}

/// Raises maxima by, or writes, the scores of residual codes. False if the query's instruction set is plain Rust.
fn residual(query: &ResidualQuery, centroids: Centroids<'_>, to: Destination<'_>) -> bool {
    let tokens = centroids.tokens;
    assert_eq!(tokens.codes.len(), tokens.len() * query.row_bytes());
    assert_eq!(query.scales().len(), query.packed().vectors());
    assert_eq!(centroids.stride, query.stride());
    assert!(query.width() != CodeWidth::Ternary || query.digits().len() == 256);
    match query.width() {
        CodeWidth::One => expanded::<Signs>(query, centroids, to),
        CodeWidth::Ternary => expanded::<Digits>(query, centroids, to),
        CodeWidth::Two => expanded::<Fields<2>>(query, centroids, to),
        CodeWidth::Four => expanded::<Fields<4>>(query, centroids, to),
    }
}

fn expanded<E: Expand>(query: &ResidualQuery, centroids: Centroids<'_>, to: Destination<'_>) -> bool {
    dispatch(query.isa(), ResidualJob::<E>(query, centroids, to, PhantomData)).is_some()
}

pub(super) fn maxima_residual(query: &ResidualQuery, centroids: Centroids<'_>, maxima: &mut [Lanes]) -> bool {
    assert_eq!(maxima.len(), query.packed().vectors());
    residual(query, centroids, Destination::Maxima(maxima))
}

pub(super) fn scores_residual(query: &ResidualQuery, centroids: Centroids<'_>, out: &mut [f32]) -> bool {
    residual(query, centroids, Destination::Scores(out))
}

/// `⟨a, b⟩`, eight sums. `None` if `isa` is plain Rust.
pub(super) fn dot_f16(isa: Isa, a: &[f16], b: &[f16]) -> Option<f32> {
    // SAFETY: an `Isa` other than the scalar one exists only if detection found AVX2, FMA and F16C on this processor.
    (isa.kind() != Kind::Scalar).then(|| unsafe { avx2::dot_f16(a, b) })
}
