//! How the states of a text's tokens become one vector.

use burn_tensor::Tensor;

use super::pass::Pass;
use crate::data::Tokens;

/// Which states count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The first token's.
    Cls,
    /// The mean over all tokens.
    Mean,
    /// The last token's, the way of decoders.
    Last,
}

impl Pooling {
    /// sentence-transformers' key in `1_Pooling/config.json`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Cls => "pooling_mode_cls_token",
            Self::Mean => "pooling_mode_mean_tokens",
            Self::Last => "pooling_mode_lasttoken",
        }
    }

    /// All ways.
    pub const ALL: [Self; 3] = [Self::Cls, Self::Mean, Self::Last];

    /// `[rows, width, hidden]` to `[rows, hidden]`.
    #[must_use]
    pub fn apply(self, pass: &Pass<'_>, states: Tensor<3>, tokens: &Tokens) -> Tensor<2> {
        let [rows, width, hidden] = states.dims();
        match self {
            Self::Mean => {
                let mask = tokens.mask.iter().map(|mask| f32::from(u8::from(*mask != 0))).collect::<Vec<_>>();
                let counts = mask.chunks(width).map(|row| row.iter().sum::<f32>().max(1e-9)).collect();
                let sum = (states * pass.constant(mask, [rows, width, 1])).sum_dim(1);
                sum.reshape([rows, hidden]) / pass.constant(counts, [rows, 1])
            }
            Self::Cls | Self::Last => {
                let rows_of = tokens.mask.chunks(width).enumerate().map(|(row, mask)| {
                    let first = mask.iter().position(|mask| *mask != 0);
                    let last = mask.iter().rposition(|mask| *mask != 0);
                    let at = if self == Self::Cls { first } else { last };
                    (row * width + at.unwrap_or(0)) as u32
                });
                let chosen = pass.ids(&rows_of.collect::<Vec<_>>(), 1, rows).reshape([rows]);
                states.reshape([rows * width, hidden]).select(0, chosen)
            }
        }
    }
}

/// Rows scaled to length 1; a row of zeros stays one.
#[must_use]
pub fn normalize<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let squares = (x.clone() * x.clone()).sum_dim(D - 1);
    // The root of 0 has no derivative: rows that short are scaled by a constant.
    x / squares.clamp_min(1e-24).sqrt()
}
