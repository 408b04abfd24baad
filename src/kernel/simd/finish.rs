//! What becomes of a tile's sums.

use super::unit::{Unit, unrolled};
use crate::kernel::packed::Lanes;
use crate::kernel::residual::Centroids;

/// Takes the sums of `T` tokens from `first` for `V` registers of query rows from vector `vector`.
pub(super) trait Finish {
    /// What is known of a tile's tokens before their sums.
    type Tile: Copy + Default;

    /// Looks up what [`finish`](Self::finish) needs of tokens `first..first + count`, at most [`MAX_TILE`]. Called for a tile while the one
    /// before is still to be summed, so that what is far away has time to come.
    #[inline(always)]
    fn prepare(&mut self, _first: usize, _count: usize) -> Self::Tile {
        Self::Tile::default()
    }

    /// # Safety
    /// The processor has `U`'s instructions; the vectors and tokens are some that the finisher was made for; `tile` is what
    /// [`prepare`](Self::prepare) gave for these tokens.
    unsafe fn finish<U: Unit, const V: usize, const T: usize>(
        &mut self,
        vector: usize,
        first: usize,
        tile: &Self::Tile,
        sums: &[[U::Floats; V]; T],
    );
}

/// The most tokens of a tile.
pub(super) const MAX_TILE: usize = 12;

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
    type Tile = ();

    #[inline(always)]
    unsafe fn finish<U: Unit, const V: usize, const T: usize>(
        &mut self,
        vector: usize,
        _: usize,
        (): &(),
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
    type Tile = ();

    #[inline(always)]
    unsafe fn finish<U: Unit, const V: usize, const T: usize>(
        &mut self,
        vector: usize,
        first: usize,
        (): &(),
        sums: &[[U::Floats; V]; T],
    ) {
        let scales = &self.row_scales[first..first + T];
        // SAFETY: the caller's promises.
        let score = |t: usize, _, sum| unsafe { U::mul(sum, U::splat(scales[t])) };
        // SAFETY: the caller's promises.
        unsafe { raise::<U, V, T>(self.maxima, vector, sums, score) };
    }
}

/// The columns from `at` on that `V` registers hold, and those that are left of 16: registers of pairs hold 8.
#[inline(always)]
fn columns<U: Unit, const V: usize>(out: &mut [f32], at: usize) -> (&mut [f32], &mut [f32]) {
    let rest = if U::LANES < U::DWORDS { 16 - U::LANES } else { 0 };
    out[at..][..V * U::LANES + rest].split_at_mut(V * U::LANES)
}

/// Writes `sum · row_scale · scale` to row-major `out`.
pub(super) struct StoreScaled<'a> {
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) row_scales: &'a [f32],
    pub(super) scales: &'a [Lanes],
}

impl Finish for StoreScaled<'_> {
    type Tile = ();

    #[inline(always)]
    unsafe fn finish<U: Unit, const V: usize, const T: usize>(
        &mut self,
        vector: usize,
        first: usize,
        (): &(),
        sums: &[[U::Floats; V]; T],
    ) {
        let row_scales = &self.row_scales[first..first + T];
        unrolled!(t < T, {
            let (out, rest) = columns::<U, V>(self.out, (first + t) * self.stride + vector * 16);
            // SAFETY: register `v` lies in `scales` and in `out`; the processor has `U`'s instructions.
            unrolled!(v < V, unsafe {
                let score = U::mul(sums[t][v], U::splat(row_scales[t]));
                let scale = U::load(register::<U>(self.scales, vector, v));
                U::store(out.as_mut_ptr().add(v * U::LANES), U::mul(score, scale));
            });
            rest.fill(0.0);
        });
    }
}

/// Scores residual codes: `sum · scale · token_scale + centroid_score`; raises maxima, or writes to row-major `out`.
pub(super) struct Residual<'a> {
    pub(super) centroids: Centroids<'a>,
    pub(super) scale_table: &'a [f32; 256],
    pub(super) scales: &'a [Lanes],
    pub(super) to: Destination<'a>,
}

/// Where scores go.
pub(super) enum Destination<'a> {
    Maxima(&'a mut [Lanes]),
    Scores(&'a mut [f32]),
}

/// The scales of a tile's tokens, and the scores of their centroids.
#[derive(Clone, Copy)]
pub(super) struct Lookups<'a> {
    scales: [f32; MAX_TILE],
    rows: [&'a [f32]; MAX_TILE],
}

impl Default for Lookups<'_> {
    fn default() -> Self {
        Self { scales: [0.0; MAX_TILE], rows: [&[]; MAX_TILE] }
    }
}

impl<'a> Finish for Residual<'a> {
    type Tile = Lookups<'a>;

    #[inline(always)]
    fn prepare(&mut self, first: usize, count: usize) -> Lookups<'a> {
        let mut tile = Lookups::default();
        for t in 0..count {
            tile.scales[t] = self.scale_table[usize::from(self.centroids.tokens.scales[first + t])];
            tile.rows[t] = self.centroids.row(first + t);
            tile.rows[t].iter().step_by(16).for_each(|line| super::prefetch(std::ptr::from_ref(line).cast()));
        }
        tile
    }

    #[inline(always)]
    unsafe fn finish<U: Unit, const V: usize, const T: usize>(
        &mut self,
        vector: usize,
        first: usize,
        tile: &Lookups<'a>,
        sums: &[[U::Floats; V]; T],
    ) {
        let mut rows = [tile.rows[0]; T];
        unrolled!(t < T, rows[t] = &tile.rows[t][vector * 16..][..V * U::LANES]);
        let scales = self.scales;
        // SAFETY: register `v < V` lies in `scales` and in each centroid row; the processor has `U`'s instructions.
        let score = |t: usize, v: usize, sum: U::Floats| unsafe {
            let scaled = U::mul(sum, U::load(register::<U>(scales, vector, v)));
            let centroid = U::load(rows[t].as_ptr().add(v * U::LANES));
            U::add(U::mul(scaled, U::splat(tile.scales[t])), centroid)
        };
        match &mut self.to {
            // SAFETY: the caller's promises.
            Destination::Maxima(maxima) => unsafe { raise::<U, V, T>(maxima, vector, sums, score) },
            Destination::Scores(out) => {
                let stride = self.centroids.stride;
                unrolled!(t < T, {
                    let (out, rest) = columns::<U, V>(out, (first + t) * stride + vector * 16);
                    // SAFETY: register `v` lies in `out`; the processor has `U`'s instructions.
                    unrolled!(v < V, unsafe {
                        U::store(out.as_mut_ptr().add(v * U::LANES), score(t, v, sums[t][v]))
                    });
                    rest.fill(0.0);
                });
            }
        }
    }
}
