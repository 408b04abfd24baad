//! What becomes of a tile's sums.

use super::unit::{Unit, unrolled};
use crate::kernel::packed::Lanes;
use crate::kernel::residual::Centroids;

/// Takes the sums of `T` tokens from `first` for `V` registers of query rows from vector `vector`.
pub(super) trait Finish {
    /// # Safety
    /// The processor has `U`'s instructions; the vectors and tokens are some that the finisher was made for.
    unsafe fn finish<U: Unit, const V: usize, const T: usize>(
        &mut self,
        vector: usize,
        first: usize,
        sums: &[[U::Floats; V]; T],
    );
}

/// The address of register `v` of vector `vector`.
///
/// # Safety
/// It lies in `lanes`.
#[inline(always)]
unsafe fn register<U: Unit>(lanes: &[Lanes], vector: usize, v: usize) -> *const f32 {
    // SAFETY: the caller's promise; a vector is 16 dwords.
    unsafe { lanes.as_ptr().cast::<f32>().add(vector * 16 + v * U::LANES) }
}

/// `maxima = max(maxima, score(t, v, sums))` over the tile.
///
/// # Safety
/// As [`Finish::finish`]; `maxima` has the vectors.
#[inline(always)]
unsafe fn raise<U: Unit, const V: usize, const T: usize>(
    maxima: &mut [Lanes],
    vector: usize,
    sums: &[[U::Floats; V]; T],
    score: impl Fn(usize, usize, U::Floats) -> U::Floats,
) {
    let base = maxima.as_mut_ptr().cast::<f32>();
    // SAFETY: register `v` lies in `maxima`; the processor has `U`'s instructions.
    unrolled!(v < V, unsafe {
        let at = base.add(vector * 16 + v * U::LANES);
        let mut max = U::load(at);
        unrolled!(t < T, max = U::max(score(t, v, sums[t][v]), max));
        U::store(at, max);
    });
}

/// Raises the maxima by the sums themselves.
pub(super) struct Raise<'a>(pub(super) &'a mut [Lanes]);

impl Finish for Raise<'_> {
    #[inline(always)]
    unsafe fn finish<U: Unit, const V: usize, const T: usize>(
        &mut self,
        vector: usize,
        _: usize,
        sums: &[[U::Floats; V]; T],
    ) {
        // SAFETY: the caller's promises.
        unsafe { raise::<U, V, T>(self.0, vector, sums, |_, _, score| score) };
    }
}

/// Raises the maxima by `sum · row_scale`.
pub(super) struct RaiseScaled<'a> {
    pub(super) maxima: &'a mut [Lanes],
    pub(super) row_scales: &'a [f32],
}

impl Finish for RaiseScaled<'_> {
    #[inline(always)]
    unsafe fn finish<U: Unit, const V: usize, const T: usize>(
        &mut self,
        vector: usize,
        first: usize,
        sums: &[[U::Floats; V]; T],
    ) {
        let scales = &self.row_scales[first..first + T];
        // SAFETY: the caller's promises.
        let score = |t: usize, _, sum| unsafe { U::mul(sum, U::splat(scales[t])) };
        // SAFETY: the caller's promises.
        unsafe { raise::<U, V, T>(self.maxima, vector, sums, score) };
    }
}

/// Writes `sum · row_scale · scale` to row-major `out`.
pub(super) struct StoreScaled<'a> {
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) row_scales: &'a [f32],
    pub(super) scales: &'a [Lanes],
}

impl Finish for StoreScaled<'_> {
    #[inline(always)]
    unsafe fn finish<U: Unit, const V: usize, const T: usize>(
        &mut self,
        vector: usize,
        first: usize,
        sums: &[[U::Floats; V]; T],
    ) {
        let row_scales = &self.row_scales[first..first + T];
        unrolled!(t < T, {
            let out = &mut self.out[(first + t) * self.stride + vector * 16..][..V * U::LANES];
            // SAFETY: register `v` lies in `scales` and in `out`; the processor has `U`'s instructions.
            unrolled!(v < V, unsafe {
                let score = U::mul(sums[t][v], U::splat(row_scales[t]));
                let scale = U::load(register::<U>(self.scales, vector, v));
                U::store(out.as_mut_ptr().add(v * U::LANES), U::mul(score, scale));
            });
        });
    }
}

/// Scores residual codes: `sum · scale · token_scale + centroid_score`; raises maxima, or writes to row-major `out`.
pub(super) struct Residual<'a> {
    pub(super) centroids: Centroids<'a>,
    pub(super) token_scales: &'a [u8],
    pub(super) scale_table: &'a [f32; 256],
    pub(super) scales: &'a [Lanes],
    pub(super) to: Destination<'a>,
}

/// Where scores go.
pub(super) enum Destination<'a> {
    Maxima(&'a mut [Lanes]),
    Scores(&'a mut [f32]),
}

impl Finish for Residual<'_> {
    #[inline(always)]
    unsafe fn finish<U: Unit, const V: usize, const T: usize>(
        &mut self,
        vector: usize,
        first: usize,
        sums: &[[U::Floats; V]; T],
    ) {
        let token_scales = &self.token_scales[first..first + T];
        let mut scale_of = [0.0; T];
        let mut rows = [self.centroids.any(); T];
        unrolled!(t < T, {
            scale_of[t] = self.scale_table[usize::from(token_scales[t])];
            rows[t] = &self.centroids.row(first + t)[vector * 16..][..V * U::LANES];
        });
        let scales = self.scales;
        // SAFETY: register `v < V` lies in `scales` and in each centroid row; the processor has `U`'s instructions.
        let score = |t: usize, v: usize, sum: U::Floats| unsafe {
            let scaled = U::mul(sum, U::load(register::<U>(scales, vector, v)));
            let centroid = U::load(rows[t].as_ptr().add(v * U::LANES));
            U::add(U::mul(scaled, U::splat(scale_of[t])), centroid)
        };
        match &mut self.to {
            // SAFETY: the caller's promises.
            Destination::Maxima(maxima) => unsafe { raise::<U, V, T>(maxima, vector, sums, score) },
            Destination::Scores(out) => {
                let stride = self.centroids.stride;
                unrolled!(t < T, {
                    let out = &mut out[(first + t) * stride + vector * 16..][..V * U::LANES];
                    // SAFETY: register `v` lies in `out`; the processor has `U`'s instructions.
                    unrolled!(v < V, unsafe {
                        U::store(out.as_mut_ptr().add(v * U::LANES), score(t, v, sums[t][v]))
                    });
                });
            }
        }
    }
}
