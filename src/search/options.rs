//! What the caller may ask of one search.

use super::{Effort, Filter, Recall};
use crate::kernel::Isa;

/// How hits are to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PlanChoice {
    /// Whichever plan is estimated to cost less; the estimate is in the report.
    #[default]
    Auto,
    /// Score every document that may be a hit.
    Exact,
    /// Centroids first, then the shortlist; an error where the index has no centroids.
    TwoStage,
}

/// Settings of one search. Nothing here is remembered by the index.
#[derive(Debug, Clone)]
pub struct SearchOptions {
    /// How many hits at most; as many come back whenever as many live documents pass the filter. Default 10.
    pub k: usize,
    /// How to find them. Default [`PlanChoice::Auto`].
    pub plan: PlanChoice,
    /// How much of the exact answer is to be found. Default [`Recall::DEFAULT`]. The index knows which effort that
    /// takes if it was measured ([`tune`](super::tune)); if it was not, the effort is [`Effort::for_top`] of `k`, and the
    /// report says so.
    pub recall: Recall,
    /// How hard the two-stage plan tries, whatever `recall` says. Default: what `recall` takes.
    pub effort: Option<Effort>,
    /// The documents that may be hits. Default: all that are not deleted.
    pub filter: Option<Filter>,
    /// Beam width of the graph search over dense vectors. Default: `max(2·k, 128)`.
    pub ef_search: Option<usize>,
    /// Instruction set of the kernels. Default: the best this machine has.
    pub isa: Isa,
    /// Threads that share this one query; 1 keeps it on the calling thread. Default 1.
    pub threads: usize,
}

impl SearchOptions {
    /// The default settings for the best `k` documents.
    #[must_use]
    pub fn top(k: usize) -> Self {
        Self { k, ..Self::default() }
    }

    pub(super) fn effort(&self) -> Effort {
        self.effort.unwrap_or_else(|| Effort::for_top(self.k)).at_least(self.k)
    }

    pub(super) fn ef_search(&self) -> usize {
        self.ef_search.unwrap_or(self.k.saturating_mul(2).max(128)).max(self.k)
    }
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            k: 10,
            plan: PlanChoice::Auto,
            recall: Recall::DEFAULT,
            effort: None,
            filter: None,
            ef_search: None,
            isa: Isa::detect(),
            threads: 1,
        }
    }
}
