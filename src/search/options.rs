//! What the caller may ask of one search.

use crate::kernel::Isa;

/// How hits are to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PlanChoice {
    /// Whichever plan is estimated to cost less; the estimate is in the report.
    #[default]
    Auto,
    /// Score every live document.
    Exact,
    /// Centroids first, then the shortlist; an error where the index has no centroids.
    TwoStage,
}

/// Settings of one search. Nothing here is remembered by the index.
#[derive(Debug, Clone)]
pub struct SearchOptions {
    /// How many hits at most; as many come back whenever as many live documents exist. Default 10.
    pub k: usize,
    /// How to find them. Default [`PlanChoice::Auto`].
    pub plan: PlanChoice,
    /// Centroids walked per query token. Default: [`SearchOptions::DEFAULT_NPROBE`].
    pub nprobe: Option<usize>,
    /// Documents scored on their codes in the second stage.
    /// Default: `max(8·k, `[`SearchOptions::DEFAULT_CANDIDATES`]`)`.
    pub candidates: Option<usize>,
    /// Beam width of the graph search over dense vectors. Default: `max(2·k, 128)`.
    pub ef_search: Option<usize>,
    /// Instruction set of the kernels. Default: the best this machine has.
    pub isa: Isa,
    /// Threads that share this one query; 1 keeps it on the calling thread. Default 1.
    pub threads: usize,
}

impl SearchOptions {
    /// Centroids walked per query token, unless asked otherwise.
    pub const DEFAULT_NPROBE: usize = 64;
    /// Shortlist length, unless asked otherwise or more is needed for `k`.
    pub const DEFAULT_CANDIDATES: usize = 512;

    /// The default settings for the best `k` documents.
    #[must_use]
    pub fn top(k: usize) -> Self {
        Self { k, ..Self::default() }
    }

    pub(super) fn nprobe(&self) -> usize {
        self.nprobe.unwrap_or(Self::DEFAULT_NPROBE).max(1)
    }

    pub(super) fn candidates(&self) -> usize {
        let wanted = self.candidates.unwrap_or(self.k.saturating_mul(8).max(Self::DEFAULT_CANDIDATES));
        wanted.max(self.k)
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
            nprobe: None,
            candidates: None,
            ef_search: None,
            isa: Isa::detect(),
            threads: 1,
        }
    }
}
