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

/// Queries that an effort is tried on before it is measured on all.
const SCREEN: usize = 32;

/// Efforts measured against the same answers, each at most once.
///
/// Most efforts are far too cheap or far too dear, which a few queries show. Only the cheapest that passes on these is
/// measured on all, and dearer ones until one passes there.
pub(super) struct Sweep<'a> {
    few: ExactAnswers<'a>,
    all: &'a ExactAnswers<'a>,
    options: SearchOptions,
    screened: Vec<(Effort, Trial)>,
    measured: Vec<(Effort, Trial)>,
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
    pub(super) fn new(all: &'a ExactAnswers<'a>, options: SearchOptions) -> Self {
        Self { few: all.spread(SCREEN), all, options, screened: Vec::new(), measured: Vec::new() }
    }

    /// The cheapest effort that reaches `recall`.
    ///
    /// For a number of centroids, recall grows with the shortlist, so that the shortest one is found by bisection; over
    /// numbers of centroids its cost has one valley, so that the search goes down from where it begins. Then the margin
    /// is bisected in the same way.
    pub(super) fn cheapest(&mut self, recall: Recall, go_on: GoOn<'_>) -> Result<Outcome, SearchError> {
        let Some(screened) = self.valley(recall, go_on)? else { return Ok(Outcome::Stopped) };
        let Some((nprobe, multiple)) = screened else { return Ok(Outcome::NotReached) };
        let at = NPROBES.iter().position(|&other| other == nprobe).unwrap_or(0);
        // With too few centroids no shortlist is long enough.
        let longer = MULTIPLES[multiple..].iter().map(|&multiple| (nprobe, multiple));
        let wider = NPROBES[at + 1..].iter().map(|&nprobe| (nprobe, MULTIPLES[MULTIPLES.len() - 1]));
        let k = self.options.k;
        let efforts = longer.chain(wider).map(|(nprobe, multiple)| full(nprobe, k * multiple));
        let Some(found) = self.first_measured(efforts, recall, go_on)? else { return Ok(Outcome::Stopped) };
        let Some(found) = found else { return Ok(Outcome::NotReached) };
        let Some((effort, trial)) = self.least_margin(found, recall, go_on)? else {
            return Ok(Outcome::Stopped);
        };
        if trial.work >= trial.exact_work {
            return Ok(Outcome::NotReached);
        }
        Ok(Outcome::Found { effort, measured: trial.measured, lower: trial.lower })
    }

    /// The number of centroids, and which of [`MULTIPLES`], that seem cheapest on few queries.
    fn valley(&mut self, recall: Recall, go_on: GoOn<'_>) -> Tried<Option<(usize, usize)>> {
        let mut best: Option<(f64, (usize, usize))> = None;
        let (up, down) = ((FIRST..NPROBES.len()).collect::<Vec<_>>(), (0..FIRST).rev().collect());
        for direction in [up, down] {
            for at in direction {
                let (nprobe, k) = (NPROBES[at], self.options.k);
                let effort = |at: usize| full(nprobe, k * MULTIPLES[at]);
                let Some(found) = self.first_screened(MULTIPLES.len(), &effort, recall, go_on)? else {
                    return Ok(None);
                };
                let better = match (&best, &found) {
                    // Upwards, more centroids may still reach what fewer do not.
                    (None, None) if at >= FIRST => continue,
                    (None, Some(_)) => true,
                    (Some((least, _)), Some((_, trial))) => trial.work < *least,
                    (_, None) => false,
                };
                if !better {
                    break;
                }
                best = found.map(|(multiple, trial)| (trial.work, (nprobe, multiple)));
            }
        }
        Ok(Some(best.map(|(_, effort)| effort)))
    }

    /// The same effort with the least margin that still reaches `recall`.
    fn least_margin(
        &mut self,
        best: (Effort, Trial),
        recall: Recall,
        go_on: GoOn<'_>,
    ) -> Tried<(Effort, Trial)> {
        let effort = |at: usize| Effort { margin: MARGINS[at], ..best.0 };
        let Some(screened) = self.first_screened(MARGINS.len(), &effort, recall, go_on)? else {
            return Ok(None);
        };
        let Some((least, _)) = screened else { return Ok(Some(best)) };
        let found = self.first_measured((least..MARGINS.len()).map(effort), recall, go_on)?;
        Ok(found.map(|found| found.filter(|(_, trial)| trial.work < best.1.work).unwrap_or(best)))
    }

    /// Bisects efforts `0..count`, which find more and more, for the first that reaches `recall` on few queries.
    fn first_screened(
        &mut self,
        count: usize,
        effort: &dyn Fn(usize) -> Effort,
        recall: Recall,
        go_on: GoOn<'_>,
    ) -> Tried<Option<(usize, Trial)>> {
        let (mut low, mut high, mut found) = (0, count, None);
        while low < high {
            let middle = (low + high) / 2;
            let trial = trial(&self.few, &mut self.screened, &self.options, effort(middle))?;
            if !go_on() {
                return Ok(None);
            }
            if trial.measured >= recall.share() {
                found = Some((middle, trial));
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(Some(found))
    }

    /// The first of `efforts` whose bound, measured on all queries, reaches `recall`.
    fn first_measured(
        &mut self,
        efforts: impl Iterator<Item = Effort>,
        recall: Recall,
        go_on: GoOn<'_>,
    ) -> Tried<Option<(Effort, Trial)>> {
        for effort in efforts {
            let trial = trial(self.all, &mut self.measured, &self.options, effort)?;
            if !go_on() {
                return Ok(None);
            }
            if trial.lower >= recall.share() {
                return Ok(Some(Some((effort, trial))));
            }
        }
        Ok(Some(None))
    }
}

/// An effort that scores all its candidates.
fn full(nprobe: usize, candidates: usize) -> Effort {
    Effort { margin: f32::INFINITY, ..Effort::with(nprobe, candidates) }
}

/// Measures an effort, unless it was measured before.
fn trial(
    truth: &ExactAnswers<'_>,
    seen: &mut Vec<(Effort, Trial)>,
    options: &SearchOptions,
    effort: Effort,
) -> Result<Trial, SearchError> {
    if let Some((_, trial)) = seen.iter().find(|(other, _)| *other == effort) {
        return Ok(*trial);
    }
    let options = SearchOptions { effort: Some(effort), ..options.clone() };
    let trial = Trial::of(&truth.recall_of(&options)?);
    seen.push((effort, trial));
    Ok(trial)
}
