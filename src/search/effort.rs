//! How hard the two-stage plan tries.

/// Everything approximate about the two-stage plan: more of it finds more and takes longer.
///
/// Two efforts with the same numbers find the same hits on the same snapshot, on every instruction set and with any
/// number of threads. Scores of hits are never approximate, only which documents get one.
///
/// ```
/// use lateen::search::{Effort, SearchOptions};
/// let thorough = Effort { nprobe: 128, ..Effort::for_top(100) };
/// let options = SearchOptions { effort: Some(thorough), ..SearchOptions::top(100) };
/// assert!(thorough.nprobe >= 1 && options.k == 100);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Centroids whose lists are walked per query token, in a segment of up to two million tokens with the usual 64 tokens a centroid.
    /// In larger ones as many more as the square root of their size says; where lists are shorter, as in small or merged segments, as
    /// many more as they are shorter, up to eight times.
    pub nprobe: usize,
    /// The most documents, best of the walk, whose estimates are made again from the centroids of all their tokens; never
    /// fewer than `candidates`. A refined estimate costs about a tenth of a score.
    pub refine: usize,
    /// The most documents scored in the second stage; never fewer than `k`.
    pub candidates: usize,
    /// Documents are scored by descending estimate, until an estimate and this many standard deviations of what
    /// scores have been above estimates stay below the `k`-th score. [`f32::INFINITY`] scores all candidates.
    pub margin: f32,
}

impl Effort {
    /// The default margin: one document in eighty lies further above its estimate.
    pub const MARGIN: f32 = 2.25;

    /// The default for the best `k` documents: made for a recall@k of 0.99 against a scan of the same codes. What it reaches on an
    /// index, [`tune`](super::tune) measures there.
    #[must_use]
    pub fn for_top(k: usize) -> Self {
        Self::with(if k > 32 { 40 } else { 24 }, k.saturating_mul(6).max(200))
    }

    /// So many centroids and scored documents, twice as many refined estimates, and the default margin.
    #[must_use]
    pub fn with(nprobe: usize, candidates: usize) -> Self {
        Self { nprobe, refine: candidates.saturating_mul(2), candidates, margin: Self::MARGIN }
    }

    /// How many documents are likely to be scored.
    pub(super) fn expected(self, k: usize) -> usize {
        if self.margin.is_finite() {
            self.candidates.min(k.saturating_mul(3).max(64))
        } else {
            self.candidates
        }
    }

    /// The same within what makes sense: at least one centroid, at least `k` documents, a margin that is a number.
    pub(super) fn at_least(self, k: usize) -> Self {
        let margin = if self.margin.is_nan() { f32::INFINITY } else { self.margin };
        let candidates = self.candidates.max(k);
        Self { nprobe: self.nprobe.max(1), refine: self.refine.max(candidates), candidates, margin }
    }
}

impl Default for Effort {
    /// [`Effort::for_top`] of the default `k` of [`SearchOptions`](super::SearchOptions), 10.
    fn default() -> Self {
        Self::for_top(10)
    }
}
