//! How hard the two-stage plan tries.

/// Everything approximate about the two-stage plan: more of it finds more and takes longer.
///
/// Two efforts with the same numbers find the same hits on the same snapshot, on every instruction set and with any
/// number of threads. Scores of hits are never approximate, only which documents get one.
///
/// ```
/// use lateen::search::{Effort, SearchOptions};
/// let thorough = Effort { candidates: 2000, ..Effort::for_top(100) };
/// let options = SearchOptions { effort: Some(thorough), ..SearchOptions::top(100) };
/// assert!(thorough.nprobe >= 1 && options.k == 100);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// The most centroids whose lists are walked per query token.
    pub nprobe: usize,
    /// The most documents scored in the second stage; never fewer than `k`.
    pub candidates: usize,
    /// Documents are scored by descending estimate, until an estimate and this many standard deviations of what
    /// scores have been above estimates stay below the `k`-th score. [`f32::INFINITY`] scores all candidates.
    pub margin: f32,
}

impl Effort {
    /// The default for the best `k` documents.
    #[must_use]
    pub fn for_top(k: usize) -> Self {
        Self { nprobe: 64, candidates: k.saturating_mul(8).max(512), margin: f32::INFINITY }
    }

    /// How many documents are likely to be scored.
    pub(super) fn expected(self, k: usize) -> usize {
        if self.margin.is_finite() {
            self.candidates.min(k.saturating_mul(2).max(64))
        } else {
            self.candidates
        }
    }

    /// The same within what makes sense: at least one centroid, at least `k` documents, a margin that is a number.
    pub(super) fn at_least(self, k: usize) -> Self {
        let margin = if self.margin.is_nan() { f32::INFINITY } else { self.margin };
        Self { nprobe: self.nprobe.max(1), candidates: self.candidates.max(k), margin }
    }
}

impl Default for Effort {
    /// [`Effort::for_top`] of the default `k` of [`SearchOptions`](super::SearchOptions), 10.
    fn default() -> Self {
        Self::for_top(10)
    }
}
