//! The kernels in plain Rust: the reference for the others, and what runs where there is nothing better.
//!
//! The inner loops run over 16 independent lanes of fixed length, which the compiler turns into vectors.

use half::f16;

use super::packed::{Lanes, Packed};

/// `out[row] = Σ_k query[row][k] · token[k]` for the 16 rows of one block (one `f32` per group).
pub(super) fn products_f32(block: &[Lanes], token: &[f32]) -> [f32; 16] {
    let mut sums = [0.0; 16];
    for (query, &value) in block.iter().zip(token) {
        for (sum, &q) in sums.iter_mut().zip(&query.0) {
            *sum += f32::from_bits(q) * value;
        }
    }
    sums
}

/// The same over pairs of `i16`. Exact: see [`super::query_i8`] for the bound.
pub(super) fn products_i16(block: &[Lanes], token: &[[i16; 2]]) -> [i32; 16] {
    let mut sums = [0; 16];
    for (query, value) in block.iter().zip(token) {
        for (sum, &q) in sums.iter_mut().zip(&query.0) {
            let (low, high) = (i32::from(q as i16), i32::from((q >> 16) as i16));
            *sum += low * i32::from(value[0]) + high * i32::from(value[1]);
        }
    }
    sums
}

/// Raises `maxima` by the products of `tokens` tokens, each written as `f32` by `token`.
pub(super) fn maxima_f32(
    query: &Packed,
    dim: usize,
    tokens: usize,
    maxima: &mut [Lanes],
    token: impl Fn(usize, &mut [f32]),
) {
    let mut row = vec![0.0; dim];
    for t in 0..tokens {
        token(t, &mut row);
        for (vector, block) in query.blocks() {
            raise(&mut maxima[vector], products_f32(block, &row));
        }
    }
}

/// `maxima = max(maxima, scores)`. A NaN raises nothing, as in `maxps`.
pub(super) fn raise(maxima: &mut Lanes, scores: [f32; 16]) {
    for (max, score) in maxima.0.iter_mut().zip(scores) {
        *max = if score > f32::from_bits(*max) { score.to_bits() } else { *max };
    }
}

/// `Σ a·b`, eight partial sums.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum_by_lanes(a, b, |a, b| a * b)
}

/// `Σ (a−b)²`, eight partial sums.
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    sum_by_lanes(a, b, |a, b| (a - b) * (a - b))
}

fn sum_by_lanes(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(&a, &b)| term(a, b)).sum();
    sums.iter().sum::<f32>() + tail
}

/// `Σ a·b`, each half widened.
pub(super) fn dot_f16(a: &[f16], b: &[f16]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a.to_f32() * b.to_f32()).sum()
}

/// `Σ a·b`, exact.
pub(super) fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}
