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
    let mut ready = finish.prepare(0, T.min(tokens));
    while tokens - first >= T {
        let next = if tokens - first >= 2 * T { finish.prepare(first + T, T) } else { Default::default() };
        // SAFETY: the caller's promises; `first + T` is at most `tokens`, and `ready` is of these.
        unsafe { tile::<U, S, FULL, HALF, T, _>(query, first, source, (finish, &ready), &mut panel) };
        first += T;
        ready = next;
    }
    if tokens >= SMALL {
        while first < tokens {
            let at = first.min(tokens - SMALL);
            let ready = finish.prepare(at, SMALL);
            // SAFETY: the caller's promises; `at + SMALL` is at most `tokens`, and `ready` is of these.
            unsafe { tile::<U, S, FULL, HALF, SMALL, _>(query, at, source, (finish, &ready), &mut panel) };
            first = at + SMALL;
        }
    }
    for t in first..tokens {
        let ready = finish.prepare(t, 1);
        // SAFETY: the caller's promises; `t` is less than `tokens`, and `ready` is of it.
        unsafe { tile::<U, S, FULL, HALF, 1, _>(query, t, source, (finish, &ready), &mut panel) };
    }
}

#[inline(always)]
unsafe fn tile<U: Unit, S: Tokens, const FULL: usize, const HALF: usize, const T: usize, F: Finish>(
    query: &Packed,
    first: usize,
    source: &S,
    (finish, ready): (&mut F, &F::Tile),
    panel: &mut Panel,
) {
    // SAFETY: the caller's promises; `panel` was made for this source and at least `T` tokens.
    let rows = unsafe { source.rows::<T>(first, panel) };
    for (vector, block) in query.blocks() {
        let start = rows_of(&query.start()[vector..]);
        if block.len() == query.full_block() {
            // SAFETY: a block of `width` vectors has `FULL` registers of `U` for each group.
            let sums = unsafe { sums::<U, S, FULL, T>(rows_of(block), start, rows) };
            // SAFETY: the caller's promises.
            unsafe { finish.finish::<U, FULL, T>(vector, first, ready, &sums) };
        } else {
            // SAFETY: the last block has `HALF` registers of `U` for each group if it has not `width` vectors.
            let sums = unsafe { sums::<U, S, HALF, T>(rows_of(block), start, rows) };
            // SAFETY: the caller's promises.
            unsafe { finish.finish::<U, HALF, T>(vector, first, ready, &sums) };
        }
    }
    if let Some((vector, block)) = query.pairs() {
        let start = rows_of(&query.start()[vector..]);
        // SAFETY: pairs are one register of `U::Pairs` for each two groups, rounded up.
        let sums = unsafe { sums::<U::Pairs, S, 1, T>(rows_of(block), start, rows) };
        // SAFETY: the caller's promises.
        unsafe { finish.finish::<U::Pairs, 1, T>(vector, first, ready, &sums) };
    }
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
    unrolled!(t < T, v < V, sums[t][v] = unsafe { U::start(start.add(v * U::DWORDS)) });
    let groups = rows.groups::<U>();
    for g in 0..groups {
        if S::IN_PLACE {
            rows.prefetch::<U>(g);
        }
        // SAFETY: as above.
        let mut query: [U::Query; V] = unsafe { zeroed() };
        // SAFETY: group `g` of `V` registers, of which there are `groups` or one more.
        unrolled!(v < V, query[v] = unsafe { U::query(block.add((g * V + v) * U::DWORDS)) });
        unrolled!(t < T, {
            // SAFETY: token `t < T` of the tile has full group `g`.
            let token = unsafe { U::group(rows.group::<U>(t, g)) };
            // SAFETY: the processor has `U`'s instructions.
            unrolled!(v < V, sums[t][v] = unsafe { U::step(sums[t][v], query[v], token) });
        });
    }
    if rows.tail::<U>() > 0 {
        unrolled!(t < T, {
            // SAFETY: the tail's bytes are the token's.
            let token = unsafe { U::group(rows.last::<U>(t)) };
            unrolled!(v < V, {
                // SAFETY: a row with a tail has a query group for it.
                let query = unsafe { U::query(block.add((groups * V + v) * U::DWORDS)) };
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
