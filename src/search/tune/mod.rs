//! Measuring which effort reaches which recall, on the index itself.
//!
//! ```text
//! documents ─ PseudoQueries ─┐
//! the user's queries ────────┴─ ExactAnswers ─ recall of one effort after the other ─▶ Tuning, kept by the index
//! ```
//!
//! Costs are counted in things looked at, not in seconds, and everything random has a seed: the same snapshot, queries
//! and options give the same [`Tuning`] on every machine, whatever the number of threads.

mod exact_answers;
mod pseudo_queries;
mod stored_tokens;
mod sweep;

pub use exact_answers::{ExactAnswers, MeasuredRecall, measure_recall};
pub use pseudo_queries::PseudoQueries;
pub use stored_tokens::StoredTokens;

use self::sweep::{Outcome, Sweep};
use super::recall::{knobs_of, outdated};
use super::{PlanChoice, Recall, SearchError, SearchOptions};
use crate::format::{QuerySource, TunedTarget, Tuning, WHOLE};
use crate::index::Snapshot;
use crate::kernel::Isa;
use crate::types::TokenMatrixBuf;

/// What [`tune`] measures.
#[derive(Debug, Clone)]
pub struct TuneOptions {
    /// The recalls to reach. Default [`Recall::USUAL`].
    pub targets: Vec<Recall>,
    /// Numbers of hits to reach them for; each serves for fewer hits as well. Default 16 and 128.
    pub ks: Vec<usize>,
    /// Where the queries come from, for the record. Default [`QuerySource::Sampled`].
    pub source: QuerySource,
    /// What sampled queries were made with, for the record. Default 42.
    pub seed: u64,
    /// Instruction set of the kernels. Default: the best this machine has.
    pub isa: Isa,
}

impl Default for TuneOptions {
    fn default() -> Self {
        Self {
            targets: Recall::USUAL.to_vec(),
            ks: vec![16, 128],
            source: QuerySource::Sampled,
            seed: 42,
            isa: Isa::detect(),
        }
    }
}

/// How far [`tune`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TuneProgress {
    /// Ways of searching tried so far, the scan included.
    pub tried: u64,
}

/// Finds the cheapest effort that reaches each recall, for each number of hits.
///
/// A target is reached if the lower end of the one-sided 95 % interval of recall ([`Interval::of_shares`]) is not below
/// it; with sampled queries, which are easier than people's, if not even half as many hits are missed as it lets be. Targets that no effort reaches at a cost below that of a scan are left out: searches that ask for them scan.
///
/// * `queries`: `[query_tokens, dim]` each: [`PseudoQueries::sample`], or the user's.
/// * `progress` is asked from time to time whether to go on; `Ok(None)` if not.
/// * Cost: a scan for each query, and for each number of hits about 15 searches.
///
/// [`Interval::of_shares`]: crate::eval::Interval::of_shares
///
/// # Errors
/// [`SearchError::PlanNotPossible`] for an index without codes, which is always scanned; otherwise as
/// [`search_tokens`](super::search_tokens).
///
/// ```no_run
/// use lateen::search::{PseudoQueries, TuneOptions, tune};
/// # let index = lateen::index::Index::open("my.lateen".as_ref())?;
/// let snapshot = index.snapshot();
/// let queries = PseudoQueries::default().sample(&snapshot)?;
/// let tuning = tune(&snapshot, &queries, &TuneOptions::default(), &mut |_| true)?;
/// let mut writer = index.writer(Default::default())?;
/// writer.set_tuning(tuning)?;
/// writer.commit()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn tune(
    snapshot: &Snapshot,
    queries: &[TokenMatrixBuf],
    options: &TuneOptions,
    progress: &mut dyn FnMut(TuneProgress) -> bool,
) -> Result<Option<Tuning>, SearchError> {
    let recalls = ascending(options.targets.iter().copied().filter(|&recall| recall < Recall::EXACT));
    let ks = ascending(options.ks.iter().copied().filter(|&k| k > 0 && u32::try_from(k).is_ok()));
    let search = |k| SearchOptions { plan: PlanChoice::TwoStage, isa: options.isa, ..SearchOptions::top(k) };
    let mut tried = 0;
    let mut go_on = || {
        tried += 1;
        progress(TuneProgress { tried })
    };
    if !go_on() {
        return Ok(None);
    }
    let truth = ExactAnswers::find(snapshot, queries, &search(ks.last().copied().unwrap_or(1)))?;
    let mut targets = Vec::new();
    for k in ks {
        let mut sweep = Sweep::new(&truth, search(k));
        for &recall in &recalls {
            let aim = match options.source {
                QuerySource::Sampled => recall.with_half_the_misses(),
                _ => recall,
            };
            match sweep.cheapest(aim, &mut go_on)? {
                Outcome::Stopped => return Ok(None),
                Outcome::NotReached => {}
                Outcome::Found { effort, measured, lower } => targets.push(TunedTarget {
                    k: k as u32,
                    recall: recall.millionths(),
                    measured: millionths(measured),
                    lower: millionths(lower.min(measured)),
                    knobs: knobs_of(&effort),
                }),
            }
        }
    }
    Ok(Some(Tuning {
        documents: snapshot.documents(),
        tokens: snapshot.tokens(),
        queries: u32::try_from(queries.len()).unwrap_or(u32::MAX),
        source: options.source,
        seed: options.seed,
        targets,
    }))
}

fn ascending<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn millionths(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * f64::from(WHOLE)).floor() as u32
}

/// Whether an index should be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TuningState {
    /// It is so small, or stored in such a way, that searches score every document.
    NotNeeded,
    /// Nothing has been measured yet.
    NotTuned,
    /// It was measured when it had less than half of today's documents.
    Outdated,
    /// It was measured.
    Tuned,
}

/// Documents below which nothing is measured: a scan of so few is as fast as anything else.
pub const FEWEST_DOCUMENTS: u64 = 2000;

impl TuningState {
    /// Of a snapshot. Reads metadata only.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let coded = snapshot.segments().iter().any(|segment| segment.reader().is_coded());
        let large = coded && snapshot.documents() >= FEWEST_DOCUMENTS;
        match snapshot.tuning() {
            Some(tuning) if large && outdated(tuning, snapshot) => Self::Outdated,
            Some(_) => Self::Tuned,
            None if large => Self::NotTuned,
            None => Self::NotNeeded,
        }
    }
}

#[cfg(test)]
mod tests;
