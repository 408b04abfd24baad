/// How much each token of a text counts: ids of the vocabulary, ascending, with weights above 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SparseVector {
    /// Ids of tokens, ascending, none twice.
    pub ids: Vec<u32>,
    /// The weight of each.
    pub weights: Vec<f32>,
}

impl SparseVector {
    /// From `(token, weight)` in any order: of a token that occurs more than once the largest weight counts, and weights
    /// that are not above 0 are left out.
    pub(super) fn largest(mut all: Vec<(u32, f32)>) -> Self {
        all.retain(|&(_, weight)| weight > 0.0);
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        all.dedup_by_key(|(id, _)| *id);
        let (ids, weights) = all.into_iter().unzip();
        Self { ids, weights }
    }

    /// `Σ w₁ · w₂` over the tokens that both have: larger is better.
    ///
    /// ```
    /// use lateen::encode::SparseVector;
    /// let query = SparseVector { ids: vec![3, 9], weights: vec![0.5, 1.0] };
    /// let document = SparseVector { ids: vec![9, 12], weights: vec![0.25, 2.0] };
    /// assert_eq!(query.dot(&document), 0.25);
    /// ```
    #[must_use]
    pub fn dot(&self, other: &Self) -> f32 {
        let (mut sum, mut at) = (0.0, 0);
        for (id, weight) in self.ids.iter().zip(&self.weights) {
            at += other.ids[at..].partition_point(|other| other < id);
            if other.ids.get(at) == Some(id) {
                sum += weight * other.weights[at];
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_weight_of_a_token_counts() {
        let made = SparseVector::largest(vec![(7, 0.5), (2, 1.0), (7, 0.75), (3, 0.0), (4, -1.0)]);
        assert_eq!(made, SparseVector { ids: vec![2, 7], weights: vec![1.0, 0.75] });
        assert_eq!(made.dot(&made), 1.5625);
        assert_eq!(made.dot(&SparseVector::default()), 0.0);
    }
}
