/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// The first token's.
    Cls,
    Mean,
    /// The largest of each component.
    Max,
    /// The last token's.
    LastToken,
    /// The mean with weights 1, 2, 3 … by position.
    WeightedMean,
    /// The sum divided by the square root of the number of tokens.
    MeanSqrtLength,
}

impl Pooling {
    /// The mode of a sentence-transformers configuration (`pooling_mode`).
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "cls" => Some(Self::Cls),
            "mean" => Some(Self::Mean),
            "max" => Some(Self::Max),
            "lasttoken" => Some(Self::LastToken),
            "weightedmean" => Some(Self::WeightedMean),
            "mean_sqrt_len_tokens" => Some(Self::MeanSqrtLength),
            _ => None,
        }
    }

    /// The name of the mode.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cls => "cls",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::LastToken => "lasttoken",
            Self::WeightedMean => "weightedmean",
            Self::MeanSqrtLength => "mean_sqrt_len_tokens",
        }
    }

    /// Appends the pooled vector of `rows` (`[tokens, dim]`, all of them real tokens) to `out`; zeros for no tokens.
    /// `skipped` tokens, a prompt's, stood before them and are left out: positions go on counting them.
    pub(super) fn pool(self, rows: &[f32], dim: usize, skipped: usize, out: &mut Vec<f32>) {
        let count = rows.len() / dim;
        let zero = || vec![0.0; dim];
        let weighted = |weight: &dyn Fn(usize) -> f64, divisor: f64| -> Vec<f32> {
            let mut sum = vec![0.0_f64; dim];
            for (at, row) in rows.chunks_exact(dim).enumerate() {
                sum.iter_mut().zip(row).for_each(|(total, &x)| *total += f64::from(x) * weight(at));
            }
            sum.iter().map(|total| (total / divisor) as f32).collect()
        };
        let vector = match self {
            _ if count == 0 => zero(),
            Self::Cls => rows[..dim].to_vec(),
            Self::LastToken => rows[(count - 1) * dim..].to_vec(),
            Self::Mean => weighted(&|_| 1.0, count as f64),
            Self::MeanSqrtLength => weighted(&|_| 1.0, (count as f64).sqrt()),
            Self::WeightedMean => {
                weighted(&|at| (skipped + at + 1) as f64, (count * skipped + count * (count + 1) / 2) as f64)
            }
            Self::Max => rows.chunks_exact(dim).fold(vec![f32::NEG_INFINITY; dim], |mut best, row| {
                best.iter_mut().zip(row).for_each(|(best, &x)| *best = best.max(x));
                best
            }),
        };
        out.extend(vector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_what_its_name_says() {
        let rows = [1.0, 4.0, 3.0, -2.0, 5.0, 1.0];
        let pool = |mode: &str| {
            let mut out = Vec::new();
            Pooling::named(mode).unwrap().pool(&rows, 2, 0, &mut out);
            out
        };
        assert_eq!(pool("cls"), [1.0, 4.0]);
        assert_eq!(pool("lasttoken"), [5.0, 1.0]);
        assert_eq!(pool("mean"), [3.0, 1.0]);
        assert_eq!(pool("max"), [5.0, 4.0]);
        assert_eq!(pool("weightedmean"), [(1.0 + 6.0 + 15.0) / 6.0, (4.0 - 4.0 + 3.0) / 6.0]);
        let mut after_prompt = Vec::new();
        Pooling::WeightedMean.pool(&rows, 2, 2, &mut after_prompt);
        assert_eq!(after_prompt, [(3.0 + 12.0 + 25.0) / 12.0, (12.0 - 8.0 + 5.0) / 12.0]);
        let root = pool("mean_sqrt_len_tokens");
        assert!((root[0] - 27f32.sqrt()).abs() < 1e-5 && (root[1] - 3f32.sqrt()).abs() < 1e-5, "{root:?}");
        assert_eq!(Pooling::named("best"), None);
    }
}
