//! What became of a document on its way through a search.

use super::report::SearchOutcome;
use super::tokens::{check, search_watching};
use super::{SearchError, SearchOptions};
use crate::index::Snapshot;
use crate::types::{DocId, Hit, TokenMatrix};

/// One document's way through the stages.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Trace {
    /// Which document.
    pub doc: DocId,
    /// The stages that it came to, in order.
    pub stages: Vec<TraceStage>,
    /// How that ended.
    pub fate: Fate,
}

/// What one stage made of a document.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TraceStage {
    /// `lists`, `refine`, `rescore`, `rest` or `scan`, as in [`StageReport`](super::StageReport).
    pub name: &'static str,
    /// What the stage took its score for: an estimate, or in the last stages the score itself. Unknown for a document that
    /// `lists` left out and for one that `rescore` did not look at.
    pub value: Option<f32>,
    /// The smallest such value that the stage kept.
    pub bar: Option<f32>,
    /// Whether the stage handed it on.
    pub kept: bool,
}

/// How a search ends for a document.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fate {
    /// It is a hit.
    Hit {
        /// From 1.
        rank: usize,
        /// Its score.
        score: f32,
    },
    /// It is deleted, or the filter does not let it pass.
    Excluded,
    /// It has no token vectors.
    NoTokens,
    /// None of its tokens lies in a list that was walked: ask for more recall, or for a larger `nprobe`.
    NotReached,
    /// It was reached, but others were so by more or better lists: ask for more recall, or for more candidates.
    LeftByLists,
    /// Its centroids promise less than those of enough others: ask for more recall, or for more candidates.
    LeftByEstimate {
        /// What its centroids promise.
        estimate: f32,
        /// The smallest promise that was followed.
        bar: Option<f32>,
    },
    /// It was a candidate, but its estimate lay too far below the scores of others for a look at its codes: ask for more recall.
    RuledOut,
    /// It was scored, and others are better: ask for more hits.
    Outscored {
        /// Its score.
        score: f32,
        /// That of the last hit.
        last: f32,
    },
}

/// Searches as [`search_tokens`](super::search_tokens) does and says what became of each of `docs`.
///
/// The outcome is that search's. Cost: the search, and a look at each of `docs` in each stage.
///
/// # Errors
/// As [`search_tokens`](super::search_tokens); [`SearchError::NoSuchDocument`] for a number that the snapshot has not.
pub fn trace(
    snapshot: &Snapshot,
    query: TokenMatrix<'_>,
    options: &SearchOptions,
    docs: &[DocId],
) -> Result<(SearchOutcome, Vec<Trace>), SearchError> {
    check(snapshot, query)?;
    let mut watch = Watch::default();
    for &doc in docs {
        let (segment, local) = snapshot.segment_of(doc)?;
        let is_empty = snapshot.segments()[segment].reader().token_count(local)? == 0;
        let stages = Vec::new();
        watch.docs.push(Watched { segment, local, is_empty, stages, excluded: false, reached: false });
    }
    let (outcome, watch) = search_watching(snapshot, query, options, watch)?;
    let traces = docs.iter().zip(watch.docs).map(|(&doc, watched)| {
        let fate = watched.fate(doc, &outcome.hits);
        Trace { doc, stages: watched.stages, fate }
    });
    let traces = traces.collect();
    Ok((outcome, traces))
}

/// Documents that a search keeps an eye on.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    docs: Vec<Watched>,
}

#[derive(Debug, Clone)]
struct Watched {
    segment: usize,
    local: u32,
    is_empty: bool,
    stages: Vec<TraceStage>,
    excluded: bool,
    reached: bool,
}

impl Watch {
    /// Nobody looks: nothing need be prepared for it.
    pub fn is_empty(&self) -> bool {
        self.docs.is_empty()
    }

    fn of_segment(&mut self, segment: usize) -> impl Iterator<Item = &mut Watched> {
        self.docs.iter_mut().filter(move |watched| watched.segment == segment)
    }

    /// Notes which documents may not be hits at all.
    pub fn exclude(&mut self, segment: usize, allowed: impl Fn(u32) -> bool) {
        self.of_segment(segment).for_each(|watched| watched.excluded = !allowed(watched.local));
    }

    /// Notes which documents the walk of the lists met.
    pub fn reach(
        &mut self,
        segment: usize,
        mut reached: impl FnMut(u32) -> Result<bool, SearchError>,
    ) -> Result<(), SearchError> {
        self.of_segment(segment).try_for_each(|watched| {
            watched.reached = reached(watched.local)?;
            Ok(())
        })
    }

    /// Notes what a stage handed on, for documents that the stage before handed to it. `value` tells what the stage took a document for
    /// that it did not keep, if that is known.
    pub fn see(
        &mut self,
        segment: usize,
        name: &'static str,
        kept: &[(u32, f32)],
        mut value: impl FnMut(u32) -> Result<Option<f32>, SearchError>,
    ) -> Result<(), SearchError> {
        if self.is_empty() {
            return Ok(());
        }
        let bar = kept.iter().map(|(_, value)| *value).min_by(f32::total_cmp);
        for watched in self.of_segment(segment).filter(|watched| watched.is_on_its_way(name)) {
            let found = kept.iter().find(|(doc, _)| *doc == watched.local);
            let value = match found {
                Some((_, value)) => Some(*value),
                None => value(watched.local)?,
            };
            watched.stages.push(TraceStage { name, value, bar, kept: found.is_some() });
        }
        Ok(())
    }
}

impl Watched {
    /// Only `rest` looks at documents that an earlier stage left.
    fn is_on_its_way(&self, stage: &str) -> bool {
        !self.excluded && (stage == "rest" || self.stages.last().is_none_or(|before| before.kept))
    }

    fn fate(&self, doc: DocId, hits: &[Hit]) -> Fate {
        if let Some(at) = hits.iter().position(|hit| hit.doc == doc) {
            return Fate::Hit { rank: at + 1, score: hits[at].score.get() };
        }
        if self.excluded {
            return Fate::Excluded;
        }
        if self.is_empty {
            return Fate::NoTokens;
        }
        // What `rest` did not need says nothing about the document.
        let stage = self.stages.iter().rfind(|stage| stage.kept || stage.name != "rest");
        let last = hits.last().map_or(f32::NEG_INFINITY, |hit| hit.score.get());
        match stage {
            Some(TraceStage { name: "lists", kept: false, .. }) if self.reached => Fate::LeftByLists,
            Some(TraceStage { name: "lists", kept: false, .. }) => Fate::NotReached,
            Some(TraceStage { name: "refine", kept: false, value, bar }) => {
                Fate::LeftByEstimate { estimate: value.unwrap_or(f32::NEG_INFINITY), bar: *bar }
            }
            Some(TraceStage { name: "rescore", kept: false, .. }) => Fate::RuledOut,
            Some(TraceStage { value: Some(score), .. }) => Fate::Outscored { score: *score, last },
            // Its segment was not searched: there is nothing to find in it.
            _ => Fate::NotReached,
        }
    }
}
