//! From cheap to dear through the efforts, with few of them tried.

use super::exact_answers::{ExactAnswers, MeasuredRecall};
use crate::eval::{Interval, Z_95_ONE_SIDED};
use crate::search::{Effort, Recall, SearchError, SearchOptions};

/// Centroids per query token that are tried.
const NPROBES: [usize; 7] = [4, 8, 16, 32, 64, 128, 256];
/// Where among them the search begins.
const FIRST: usize = 2;
/// Shortlists that are tried, in multiples of `k`.
const MULTIPLES: [usize; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
/// Margins that are tried.
const MARGINS: [f32; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0];

/// What was found for one target.
pub(super) enum Outcome {
    /// The cheapest effort tried that reaches it.
    Found {
        effort: Effort,
        /// Mean recall over the queries.
        measured: f64,
        /// The lower end of its one-sided interval.
        lower: f64,
    },
    /// None of those tried does, at a cost below that of a scan.
    NotReached,
    /// The caller wanted no more.
    Stopped,
}

/// Efforts measured against the same answers, each at most once.
pub(super) struct Sweep<'a> {
    truth: &'a ExactAnswers<'a>,
    options: SearchOptions,
    seen: Vec<(Effort, Trial)>,
}

#[derive(Debug, Clone, Copy)]
struct Trial {
    measured: f64,
    lower: f64,
    work: f64,
    exact_work: f64,
}

impl Trial {
    fn of(found: &MeasuredRecall) -> Self {
        let bound = Interval::of_shares(&found.per_query, found.k, Z_95_ONE_SIDED);
        let (measured, lower) = bound.map_or((1.0, 1.0), |bound| (bound.mean, bound.lower));
        Self { measured, lower, work: found.work, exact_work: found.exact_work }
    }
}

/// Asked after each effort whether to go on.
type GoOn<'a> = &'a mut dyn FnMut() -> bool;
/// `None` if the caller wanted no more.
type Tried<T> = Result<Option<T>, SearchError>;

impl<'a> Sweep<'a> {
    pub(super) fn new(truth: &'a ExactAnswers<'a>, options: SearchOptions) -> Self {
        Self { truth, options, seen: Vec::new() }
    }

    /// The cheapest effort that reaches `recall`.
    ///
    /// For a number of centroids, recall grows with the shortlist, so that the shortest one is found by bisection; over
    /// numbers of centroids its cost has one valley, so that the search goes down from where it begins. Then the margin
    /// is bisected in the same way.
    pub(super) fn cheapest(&mut self, recall: Recall, go_on: GoOn<'_>) -> Result<Outcome, SearchError> {
        let mut best: Option<(Effort, Trial)> = None;
        let (up, down) = ((FIRST..NPROBES.len()).collect::<Vec<_>>(), (0..FIRST).rev().collect());
        for direction in [up, down] {
            for at in direction {
                let Some(found) = self.shortest(NPROBES[at], recall, go_on)? else {
                    return Ok(Outcome::Stopped);
                };
                let better = match (&best, &found) {
                    // Upwards, more centroids may still reach what fewer do not.
                    (None, None) if at >= FIRST => continue,
                    (None, Some(_)) => true,
                    (Some((_, best)), Some((_, found))) => found.work < best.work,
                    (_, None) => false,
                };
                if !better {
                    break;
                }
                best = found;
            }
        }
        let Some((effort, trial)) = best else { return Ok(Outcome::NotReached) };
        let Some((effort, trial)) = self.least_margin((effort, trial), recall, go_on)? else {
            return Ok(Outcome::Stopped);
        };
        if trial.work >= trial.exact_work {
            return Ok(Outcome::NotReached);
        }
        Ok(Outcome::Found { effort, measured: trial.measured, lower: trial.lower })
    }

    /// The shortest shortlist that reaches `recall` with `nprobe` centroids per query token, if one does.
    fn shortest(&mut self, nprobe: usize, recall: Recall, go_on: GoOn<'_>) -> Tried<Option<(Effort, Trial)>> {
        let k = self.options.k;
        let effort = |at: usize| Effort { margin: f32::INFINITY, ..Effort::with(nprobe, k * MULTIPLES[at]) };
        self.first_that_reaches(MULTIPLES.len(), &effort, recall, go_on)
    }

    /// The same effort with the least margin that still reaches `recall`.
    fn least_margin(
        &mut self,
        best: (Effort, Trial),
        recall: Recall,
        go_on: GoOn<'_>,
    ) -> Tried<(Effort, Trial)> {
        let effort = |at: usize| Effort { margin: MARGINS[at], ..best.0 };
        let found = self.first_that_reaches(MARGINS.len(), &effort, recall, go_on)?;
        Ok(found.map(|found| found.filter(|(_, trial)| trial.work < best.1.work).unwrap_or(best)))
    }

    /// Bisects efforts `0..count`, which find more and more, for the first that reaches `recall`.
    fn first_that_reaches(
        &mut self,
        count: usize,
        effort: &dyn Fn(usize) -> Effort,
        recall: Recall,
        go_on: GoOn<'_>,
    ) -> Tried<Option<(Effort, Trial)>> {
        let (mut low, mut high, mut found) = (0, count, None);
        while low < high {
            let middle = (low + high) / 2;
            let effort = effort(middle);
            let Some(trial) = self.trial(effort, go_on)? else { return Ok(None) };
            if trial.lower >= recall.share() {
                found = Some((effort, trial));
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(Some(found))
    }

    fn trial(&mut self, effort: Effort, go_on: GoOn<'_>) -> Tried<Trial> {
        if let Some((_, trial)) = self.seen.iter().find(|(seen, _)| *seen == effort) {
            return Ok(Some(*trial));
        }
        let options = SearchOptions { effort: Some(effort), ..self.options.clone() };
        let trial = Trial::of(&self.truth.recall_of(&options)?);
        self.seen.push((effort, trial));
        Ok(go_on().then_some(trial))
    }
}
