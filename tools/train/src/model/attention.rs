//! What the attention of all families shares.

use burn_tensor::Tensor;

use super::pass::Pass;
use crate::data::Tokens;

/// Added to the score of a key that is padding; far below any score, far above the smallest float.
const MASKED: f32 = -1e9;

/// `[rows · width, heads · size]` to `[rows, heads, width, size]`; `shape` is `[rows, width, heads, size]`.
#[must_use]
pub fn split_heads(flat: Tensor<2>, shape: [usize; 4]) -> Tensor<4> {
    flat.reshape(shape).swap_dims(1, 2)
}

/// `[rows, heads, width, size]` to `[rows · width, heads · size]`.
#[must_use]
pub fn join_heads(split: Tensor<4>) -> Tensor<2> {
    let [rows, heads, width, size] = split.dims();
    split.swap_dims(1, 2).reshape([rows * width, heads * size])
}

/// 0 for tokens, a large negative number for padding: `[rows, 1, 1, width]`.
#[must_use]
pub fn key_bias(pass: &Pass<'_>, tokens: &Tokens) -> Tensor<4> {
    let bias = tokens.mask.iter().map(|mask| if *mask == 0 { MASKED } else { 0.0 }).collect();
    pass.constant(bias, [tokens.rows, 1, 1, tokens.width])
}

/// As [`key_bias`], and no token looks ahead; with `window`, none looks further back than that many tokens either.
///
/// `[rows, 1, width, width]`.
#[must_use]
pub fn causal_bias(pass: &Pass<'_>, tokens: &Tokens, window: Option<usize>) -> Tensor<4> {
    let (rows, width) = (tokens.rows, tokens.width);
    let mut bias = Vec::with_capacity(rows * width * width);
    for row in tokens.mask.chunks(width.max(1)) {
        for query in 0..width {
            bias.extend((0..width).map(|key| {
                let near = window.is_none_or(|window| query < key + window);
                // A padding query sees itself, so that its softmax is defined.
                let seen = key <= query && near && row[key] != 0;
                if seen || key == query { 0.0 } else { MASKED }
            }));
        }
    }
    pass.constant(bias, [rows, 1, width, width])
}

/// As [`key_bias`], and with `reach` no token looks at one more than that far away: `[rows, 1, 1 or width, width]`.
#[must_use]
pub fn band_bias(pass: &Pass<'_>, tokens: &Tokens, reach: Option<usize>) -> Tensor<4> {
    let (rows, width) = (tokens.rows, tokens.width);
    let Some(reach) = reach.filter(|reach| *reach < width) else { return key_bias(pass, tokens) };
    let mut bias = Vec::with_capacity(rows * width * width);
    for row in tokens.mask.chunks(width.max(1)) {
        for query in 0..width {
            bias.extend((0..width).map(|key| {
                // A query that sees nothing else sees itself, so that its softmax is defined.
                let seen = row[key] != 0 && query.abs_diff(key) <= reach;
                if seen || key == query { 0.0 } else { MASKED }
            }));
        }
    }
    pass.constant(bias, [rows, 1, width, width])
}
