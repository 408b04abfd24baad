//! Tiles of query rows × tokens, summed in registers.

use std::mem::zeroed;

use super::finish::Finish;
use super::tokens::{Panel, Rows, Tokens};
use super::unit::{Unit, rows_of, unrolled};
use crate::kernel::packed::Packed;

/// Tokens of the second-largest tile.
const SMALL: usize = 4;

/// Runs all `tokens` tokens past all query rows in tiles of `T` tokens and hands each tile's sums to `finish`.
///
/// A block of the query is `FULL` registers, the last may be `HALF`. The last tile of a document may overlap the one before:
/// what `finish` does may be done twice.
///
/// # Safety
/// The processor has `U`'s instructions; `source` has `tokens` tokens of `query.groups` groups;
/// `finish` accepts these vectors and tokens.
#[inline(always)]
pub(super) unsafe fn run<U: Unit, S: Tokens, const FULL: usize, const HALF: usize, const T: usize>(
    query: &Packed,
    tokens: usize,
    source: &S,
    finish: &mut impl Finish,
) {
    let mut panel = Panel::new(if S::IN_PLACE { 0 } else { query.groups }, T);
    let mut first = 0;
    while tokens - first >= T {
        // SAFETY: the caller's promises; `first + T` is at most `tokens`.
        unsafe { tile::<U, S, FULL, HALF, T>(query, first, source, finish, &mut panel) };
        first += T;
    }
    if tokens >= SMALL {
        while first < tokens {
            let at = first.min(tokens - SMALL);
            // SAFETY: the caller's promises; `at + SMALL` is at most `tokens`.
            unsafe { tile::<U, S, FULL, HALF, SMALL>(query, at, source, finish, &mut panel) };
            first = at + SMALL;
        }
    }
    for t in first..tokens {
        // SAFETY: the caller's promises; `t` is less than `tokens`.
        unsafe { tile::<U, S, FULL, HALF, 1>(query, t, source, finish, &mut panel) };
    }
}

#[inline(always)]
unsafe fn tile<U: Unit, S: Tokens, const FULL: usize, const HALF: usize, const T: usize>(
    query: &Packed,
    first: usize,
    source: &S,
    finish: &mut impl Finish,
    panel: &mut Panel,
) {
    // SAFETY: the caller's promises; `panel` was made for this source and at least `T` tokens.
    let rows = unsafe { source.rows::<T>(first, panel) };
    for (vector, block) in query.blocks() {
        let start = rows_of(&query.start()[vector..]);
        let whole = block.len() == query.width * query.groups;
        // Registers of 16 rows are what only machines that pair tokens have.
        if U::LANES == 16 && query.ends_paired(vector, block.len() / query.groups.max(1)) {
            if whole && query.width == 2 {
                // SAFETY: a block of two vectors has `HALF` registers and one more, held twice, for each group.
                let (sums, pairs) = unsafe { paired_sums::<U, S, HALF, T>(rows_of(block), start, rows) };
                // SAFETY: the caller's promises.
                unsafe {
                    finish.finish::<U, HALF, T>(vector, first, &sums);
                    finish.finish_pairs::<U, T>(vector + 1, first, &pairs);
                }
            } else {
                // SAFETY: a block of one vector has one register, held twice, for each group.
                let (_, pairs) = unsafe { paired_sums::<U, S, 0, T>(rows_of(block), start, rows) };
                // SAFETY: the caller's promises.
                unsafe { finish.finish_pairs::<U, T>(vector, first, &pairs) };
            }
        } else if whole {
            // SAFETY: a block of `width` vectors has `FULL` registers of `U` for each group.
            let sums = unsafe { sums::<U, S, FULL, T>(rows_of(block), start, rows) };
            // SAFETY: the caller's promises.
            unsafe { finish.finish::<U, FULL, T>(vector, first, &sums) };
        } else {
            // SAFETY: the last block has `HALF` registers of `U` for each group if it has not `width` vectors.
            let sums = unsafe { sums::<U, S, HALF, T>(rows_of(block), start, rows) };
            // SAFETY: the caller's promises.
            unsafe { finish.finish::<U, HALF, T>(vector, first, &sums) };
        }
    }
}

/// As [`sums`] for the first `V` registers; and for the register after them, which holds 8 rows twice, the sums of tokens `2p` and
/// `2p + 1` in the halves of `pairs[p]`. Without a partner, a token is its own.
///
/// # Safety
/// `block` has a row of `V + 1` registers of 16 lanes for each of the rows' groups, the last of which may be partly filled; `start`
/// has `V + 1` registers.
#[inline(always)]
unsafe fn paired_sums<U: Unit, S: Tokens, const V: usize, const T: usize>(
    block: *const u32,
    start: *const u32,
    rows: Rows,
) -> ([[U::Floats; V]; T], [U::Floats; T]) {
    // SAFETY: registers are integers or floats, for which zero is a value.
    let (mut sums, mut pairs): ([[U::Sums; V]; T], [U::Sums; T]) = unsafe { (zeroed(), zeroed()) };
    // SAFETY: `start` has `V + 1` registers.
    unrolled!(t < T, v < V, sums[t][v] = unsafe { U::start(start.add(v * U::LANES)) });
    // SAFETY: as above.
    unrolled!(p < T, pairs[p] = unsafe { U::start(start.add(V * U::LANES)) });
    for g in 0..rows.groups + usize::from(rows.tail > 0) {
        if S::IN_PLACE {
            rows.prefetch(g);
        }
        // SAFETY: as above.
        let mut query: [U::Query; V] = unsafe { zeroed() };
        // SAFETY: group `g` of `V + 1` registers.
        unrolled!(v < V, query[v] = unsafe { U::query(block.add((g * (V + 1) + v) * U::LANES)) });
        // SAFETY: as above.
        let twice = unsafe { U::query(block.add((g * (V + 1) + V) * U::LANES)) };
        unrolled!(
            p < T,
            if 2 * p < T {
                let (a, b) = (2 * p, if 2 * p + 1 < T { 2 * p + 1 } else { 2 * p });
                // SAFETY: tokens `a` and `b` of the tile have group `g`, or a tail if it is the one after the full groups.
                let (low, high) = unsafe {
                    if g < rows.groups {
                        (U::group(rows.group(a, g)), U::group(rows.group(b, g)))
                    } else {
                        (U::group(rows.tail(a)), U::group(rows.tail(b)))
                    }
                };
                // SAFETY: the processor has `U`'s instructions.
                unrolled!(v < V, unsafe {
                    sums[a][v] = U::step(sums[a][v], query[v], low);
                    if a < b {
                        sums[b][v] = U::step(sums[b][v], query[v], high);
                    }
                });
                // SAFETY: the processor has `U`'s instructions, and 16 lanes.
                pairs[p] = unsafe { U::step(pairs[p], twice, U::join(low, high)) };
            }
        );
    }
    // SAFETY: as above.
    let (mut scores, mut paired): ([[U::Floats; V]; T], [U::Floats; T]) = unsafe { (zeroed(), zeroed()) };
    // SAFETY: the processor has `U`'s instructions.
    unrolled!(t < T, v < V, scores[t][v] = unsafe { U::floats(sums[t][v]) });
    // SAFETY: the processor has `U`'s instructions.
    unrolled!(p < T, paired[p] = unsafe { U::floats(pairs[p]) });
    (scores, paired)
}

/// `sums[t][v] = start[v] + Σ_g query[g][v] · rows[t][g]`, as numbers.
///
/// # Safety
/// `block` has a `V`-register row for each of the rows' groups, the last of which may be partly filled; `start` has `V` registers.
#[inline(always)]
unsafe fn sums<U: Unit, S: Tokens, const V: usize, const T: usize>(
    block: *const u32,
    start: *const u32,
    rows: Rows,
) -> [[U::Floats; V]; T] {
    // SAFETY: registers are integers or floats, for which zero is a value.
    let mut sums: [[U::Sums; V]; T] = unsafe { zeroed() };
    // SAFETY: `start` has `V` registers.
    unrolled!(t < T, v < V, sums[t][v] = unsafe { U::start(start.add(v * U::LANES)) });
    for g in 0..rows.groups {
        if S::IN_PLACE {
            rows.prefetch(g);
        }
        // SAFETY: as above.
        let mut query: [U::Query; V] = unsafe { zeroed() };
        // SAFETY: group `g` of `V` registers, of which there are `rows.groups` or one more.
        unrolled!(v < V, query[v] = unsafe { U::query(block.add((g * V + v) * U::LANES)) });
        unrolled!(t < T, {
            // SAFETY: token `t < T` of the tile has full group `g`.
            let token = unsafe { U::group(rows.group(t, g)) };
            // SAFETY: the processor has `U`'s instructions.
            unrolled!(v < V, sums[t][v] = unsafe { U::step(sums[t][v], query[v], token) });
        });
    }
    if rows.tail > 0 {
        unrolled!(t < T, {
            // SAFETY: the tail's bytes are the token's.
            let token = unsafe { U::group(rows.tail(t)) };
            unrolled!(v < V, {
                // SAFETY: a row with a tail has a query group for it.
                let query = unsafe { U::query(block.add((rows.groups * V + v) * U::LANES)) };
                // SAFETY: the processor has `U`'s instructions.
                sums[t][v] = unsafe { U::step(sums[t][v], query, token) };
            });
        });
    }
    // Into an array of its own, so that the sums themselves need no address and stay in registers.
    // SAFETY: as above.
    let mut scores: [[U::Floats; V]; T] = unsafe { zeroed() };
    // SAFETY: the processor has `U`'s instructions.
    unrolled!(t < T, v < V, scores[t][v] = unsafe { U::floats(sums[t][v]) });
    scores
}
