//! Scoring documents in the order of their estimates, until the rest cannot matter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::residual::Residual;
use super::shortlist::Shortlist;
use super::{Effort, SearchError};
use crate::types::Score;

/// Documents scored before it is asked again whether to go on. Fixed, so that the answer does not depend on threads.
const ROUND: usize = 32;

/// Documents whose pages are asked for before the first is scored.
const AHEAD: usize = 8 * ROUND;

/// The `k`-th best score so far, over all segments.
#[derive(Debug)]
pub(super) struct Bar {
    k: usize,
    best: BinaryHeap<Reverse<Score>>,
}

impl Bar {
    pub fn new(k: usize) -> Self {
        Self { k, best: BinaryHeap::new() }
    }

    pub fn raise(&mut self, score: Score) {
        if self.best.len() < self.k {
            self.best.push(Reverse(score));
        } else if let Some(mut worst) = self.best.peek_mut()
            && score > worst.0
        {
            *worst = Reverse(score);
        }
    }

    /// −∞ while fewer than `k` are known.
    pub fn get(&self) -> f32 {
        match self.best.peek() {
            Some(worst) if self.best.len() == self.k => worst.0.get(),
            _ if self.k == 0 => f32::INFINITY,
            _ => f32::NEG_INFINITY,
        }
    }
}

/// How far scores lie above their estimates: running mean and variance (Welford, Technometrics 1962).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    pub fn see(&mut self, difference: f32) {
        if difference.is_finite() {
            let difference = f64::from(difference);
            self.count += 1.0;
            let before = difference - self.mean;
            self.mean += before / self.count;
            self.squares += before * (difference - self.mean);
        }
    }

    /// The largest difference to reckon with: the mean and `margin` standard deviations. Infinite before a round was seen.
    pub fn most(&self, margin: f32) -> f32 {
        if self.count < ROUND as f64 {
            return f32::INFINITY;
        }
        (self.mean + f64::from(margin) * (self.squares / self.count).sqrt()) as f32
    }
}

/// What the second stage has found out so far, over the segments.
#[derive(Debug)]
pub(super) struct Progress {
    pub bar: Bar,
    pub spread: Spread,
}

/// Scored documents of one segment.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Scored {
    /// Those with tokens.
    pub documents: Vec<(u32, f32)>,
    pub tokens: u64,
    /// Documents that the estimates ruled out.
    pub skipped: u64,
}

/// Scores the shortlist, best estimate first, until `effort`'s margin says that the rest stays below the bar.
pub(super) fn rescore(
    residual: &Residual<'_>,
    shortlist: &Shortlist,
    (effort, threads): (Effort, usize),
    progress: &mut Progress,
) -> Result<Scored, SearchError> {
    let mut found = Scored::default();
    let mut rest = shortlist.documents.as_slice();
    // Cold files: waiting for all documents at once takes hardly longer than waiting for one.
    rest.iter().take(AHEAD).try_for_each(|&(doc, _)| residual.will_need(doc))?;
    while !rest.is_empty() {
        let (bar, most) = (progress.bar.get(), progress.spread.most(effort.margin));
        let worth = |&(_, estimate): &(u32, f32)| estimate + most >= bar || estimate.is_nan();
        let (round, later) = rest.split_at(rest.len().min(ROUND));
        let round = &round[..round.partition_point(worth)];
        if round.is_empty() {
            break;
        }
        for ((doc, score, tokens), (_, estimate)) in
            score_round(residual, round, later, threads)?.into_iter().zip(round)
        {
            found.tokens += tokens;
            if tokens > 0 {
                found.documents.push((doc, score));
                progress.bar.raise(Score::saturating(score));
                progress.spread.see(score - estimate);
            }
        }
        rest = &rest[round.len()..];
    }
    found.skipped = rest.len() as u64;
    Ok(found)
}

/// `(document, score, tokens)` of each, in order.
fn score_round(
    residual: &Residual<'_>,
    round: &[(u32, f32)],
    later: &[(u32, f32)],
    threads: usize,
) -> Result<Vec<(u32, f32, u64)>, SearchError> {
    let score = |at: usize| {
        let (doc, _) = round[at];
        if let Some(&(next, _)) = round.get(at + 1).or(later.first()) {
            residual.announce(next)?;
        }
        let (score, tokens) = residual.score(doc)?;
        Ok((doc, score, tokens))
    };
    if threads > 1 {
        (0..round.len()).into_par_iter().map(score).collect()
    } else {
        (0..round.len()).map(score).collect()
    }
}

/// Scores `docs` whatever they score.
pub(super) fn scan(
    residual: &Residual<'_>,
    docs: impl Iterator<Item = u32>,
    threads: usize,
    progress: &mut Progress,
) -> Result<Scored, SearchError> {
    let mut found = Scored::default();
    let mut docs = docs.map(|doc| (doc, 0.0)).peekable();
    while docs.peek().is_some() {
        let block: Vec<(u32, f32)> = docs.by_ref().take(if threads > 1 { 4096 } else { ROUND }).collect();
        for (doc, score, tokens) in score_round(residual, &block, &[], threads)? {
            found.tokens += tokens;
            if tokens > 0 {
                found.documents.push((doc, score));
                progress.bar.raise(Score::saturating(score));
            }
        }
    }
    Ok(found)
}
