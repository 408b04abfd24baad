//! What a search did, stage by stage.

use std::time::Instant;

use super::plan::cost;
use super::{Effort, EffortSource, Plan, SearchOptions};
use crate::index::Snapshot;
use crate::types::Hit;

/// Hits and how they were found.
#[derive(Debug, Clone)]
pub struct SearchOutcome {
    /// Best first; equal scores by ascending external id.
    pub hits: Vec<Hit>,
    /// What was done for them.
    pub report: SearchReport,
}

/// What one search looked at, and what that cost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SearchReport {
    /// The plan of the segment with the most tokens.
    pub plan: Plan,
    /// Why that plan: the estimates that were compared, or who asked for it.
    pub why: String,
    /// Instruction set of the kernels.
    pub kernel: &'static str,
    /// Numbers the final scores were computed with.
    pub precision: &'static str,
    /// Segments searched.
    pub segments: usize,
    /// Live documents of the snapshot.
    pub documents: u64,
    /// Those of them that pass the filter.
    pub allowed: u64,
    /// How hard the two-stage plan tried, per segment; `None` if every document was scored.
    pub effort: Option<Effort>,
    /// Where that effort came from, and what is known of its recall.
    pub effort_source: EffortSource,
    /// The stages in order, summed over segments.
    pub stages: Vec<StageReport>,
}

impl SearchReport {
    /// The report of a search that has not looked at anything yet.
    pub(super) fn begin(snapshot: &Snapshot, options: &SearchOptions) -> Self {
        Self {
            plan: Plan::Empty,
            why: "the index is empty".to_owned(),
            kernel: options.isa.name(),
            precision: "none",
            segments: snapshot.segments().len(),
            documents: snapshot.documents(),
            allowed: 0,
            effort: None,
            effort_source: EffortSource::Exact,
            stages: Vec::new(),
        }
    }

    /// What the search cost beyond scoring the centroids, which every plan does, in units of scoring one token of a
    /// document against the query. Counted, not timed: the same on every machine.
    #[must_use]
    pub fn work(&self) -> f64 {
        let cost = |stage: &StageReport| match stage.name {
            "scan" | "rescore" | "rest" => stage.examined as f64,
            "lists" => stage.examined as f64 * cost::POSTING,
            "refine" => stage.examined as f64 * cost::ESTIMATE,
            _ => 0.0,
        };
        self.stages.iter().map(cost).sum()
    }

    /// Time of all stages together, in nanoseconds.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        self.stages.iter().map(|stage| stage.nanos).sum()
    }

    /// Takes over the stages of another search of the same query, under a plan of both.
    pub(crate) fn join(&mut self, plan: Plan, why: String, other: Self) {
        (self.plan, self.why) = (plan, why);
        self.stages.extend(other.stages);
    }

    /// Appends a stage that began at `since`.
    pub(crate) fn add(&mut self, name: &'static str, since: Instant, examined: u64, kept: u64) {
        let nanos = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.stages.push(StageReport { name, nanos, examined, kept, skipped: 0 });
    }

    pub(super) fn record(&mut self, name: &'static str, since: Instant, examined: u64, kept: u64) {
        let nanos = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if let Some(stage) = self.stages.iter_mut().find(|stage| stage.name == name) {
            stage.nanos += nanos;
            stage.examined += examined;
            stage.kept += kept;
        } else {
            self.stages.push(StageReport { name, nanos, examined, kept, skipped: 0 });
        }
    }

    /// Counts what a recorded stage did not need to look at.
    pub(super) fn skip(&mut self, name: &'static str, skipped: u64) {
        if let Some(stage) = self.stages.iter_mut().find(|stage| stage.name == name) {
            stage.skipped += skipped;
        }
    }
}

/// One stage of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageReport {
    /// `centroids`, `lists`, `refine`, `rescore`, `rest`, `scan`, `graph`, `terms`, `postings`, `fuse` or `select`.
    pub name: &'static str,
    /// Wall-clock time in nanoseconds.
    pub nanos: u64,
    /// Things looked at: centroids, postings, tokens, vectors or scores.
    pub examined: u64,
    /// Things handed to the next stage.
    pub kept: u64,
    /// Documents that the stage set aside unscored: not in the shortlist, or ruled out by their estimates.
    pub skipped: u64,
}
