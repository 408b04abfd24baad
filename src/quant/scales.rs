//! What a token's one scale byte stands for.

/// The residual scale of each byte: `2^(log2_min + s · log2_step)` for `s` in `0..256`.
///
/// Scales spread over a few octaves, and an error matters in proportion: a logarithmic grid spends the
/// 256 steps evenly.
///
/// ```
/// let table = lateen::quant::scale_table(-2.0, 1.0);
/// assert_eq!(table[..4], [0.25, 0.5, 1.0, 2.0]);
/// ```
#[must_use]
pub fn scale_table(log2_min: f32, log2_step: f32) -> [f32; 256] {
    std::array::from_fn(|s| (f64::from(log2_min) + s as f64 * f64::from(log2_step)).exp2() as f32)
}
