//! Merging segments: what the policy says, or everything.

use super::{Working, Writer};
use crate::index::build::SegmentOptions;
use crate::index::merge::{MergeMode, MergePolicy, Outcome, SegmentFacts, Source, merge, next_merge};
use crate::index::{CommitInfo, IndexError};

/// How [`Writer::compact`] works.
#[derive(Debug, Clone, Default)]
pub struct CompactOptions {
    /// Make one segment of all, or of as many as its 32-bit token numbers allow.
    pub full: bool,
    /// Train a codec anew on the vectors as they are decoded, and code everything with it. It suits the documents that
    /// are there now, and costs what coding again costs. Implies `full`.
    pub retrain: bool,
    /// Write also what needs no merging, as when the format has changed.
    pub rewrite: bool,
    /// Read at most this many bytes of segments in any one merge.
    pub budget_bytes: Option<u64>,
}

/// What [`Writer::compact`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactInfo {
    /// The commit's number.
    pub generation: u64,
    /// Merges done.
    pub merges: usize,
    /// Deleted documents that are gone for good.
    pub dropped: u64,
    /// Segments before and after.
    pub segments: (usize, usize),
    /// Bytes of segments before and after.
    pub bytes: (u64, u64),
}

impl Writer {
    /// Commits what is pending, then does one merge that is due, if it reads at most `budget_bytes`; returns whether
    /// there was one.
    ///
    /// # Errors
    /// As [`Writer::commit`]; [`IndexError::Format`] if a source is damaged, [`IndexError::Cancelled`] if stopped.
    /// All commits stand.
    pub fn merge_once(&mut self, budget_bytes: u64) -> Result<bool, IndexError> {
        self.settle()?;
        let policy = MergePolicy { budget_bytes, ..self.options.merge };
        self.merge_due(&policy, self.options.code_from_tokens as u64)
    }

    /// Commits what is pending, then merges until no deleted document, no uncoded token and no two segments of a size
    /// are left, or until all is one segment.
    ///
    /// Search goes on meanwhile, in every process; snapshots stay what they are. Each merge is a commit of its own, so
    /// what is done when this is stopped stays done. `progress` is told before each merge how many bytes it reads.
    ///
    /// Cost: reads and writes each merged segment once; `full` needs room for the index a second time, and as long as
    /// a reader keeps the old commit, its files stay.
    ///
    /// # Errors
    /// As [`Writer::merge_once`].
    pub fn compact(
        &mut self,
        options: &CompactOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<CompactInfo, IndexError> {
        self.settle()?;
        let before = (self.segments.len(), self.bytes(), self.deleted());
        let mut merges = 0;
        if options.full || options.retrain || options.rewrite {
            merges = self.merge_all(options, progress)?;
        } else {
            let budget_bytes = options.budget_bytes.unwrap_or(u64::MAX);
            let policy = MergePolicy {
                max_deleted_share: 0.0,
                budget_bytes,
                segments_per_tier: 2,
                ..self.options.merge
            };
            // Every step leaves fewer segments, fewer raw ones or fewer deleted documents.
            loop {
                progress(self.planned_bytes(&policy, 1));
                if !self.merge_due(&policy, 1)? {
                    break;
                }
                merges += 1;
            }
        }
        self.collect_garbage(false);
        Ok(CompactInfo {
            generation: self.committed.generation,
            merges,
            dropped: before.2 - self.deleted(),
            segments: (before.0, self.segments.len()),
            bytes: (before.1, self.bytes()),
        })
    }

    /// Waits for a merge in the background, commits it, and does what is due then, until nothing is.
    ///
    /// # Errors
    /// As [`Writer::merge_once`].
    pub fn finish_merges(&mut self) -> Result<CommitInfo, IndexError> {
        self.settle()?;
        let (policy, code_from) = (self.options.merge, self.options.code_from_tokens as u64);
        let mut merges = 0;
        while self.merge_due(&policy, code_from)? {
            merges += 1;
        }
        Ok(CommitInfo { merges, ..self.info() })
    }

    /// Commits, and ends what is at work in the background.
    fn settle(&mut self) -> Result<(), IndexError> {
        self.wait_for_background()?;
        self.commit_changes()
    }

    /// What a commit does after it is durable; returns how many merges.
    pub(super) fn merge_after_commit(&mut self) -> usize {
        let (policy, code_from) = (self.options.merge, self.options.code_from_tokens as u64);
        match policy.mode {
            MergeMode::Manual => 0,
            MergeMode::Background => {
                self.start_background(&policy, code_from);
                0
            }
            MergeMode::OnCommit => {
                let mut merges = 0;
                loop {
                    match self.merge_due(&policy, code_from) {
                        Ok(true) => merges += 1,
                        Ok(false) => return merges,
                        Err(error) => {
                            self.note_merge_failure(&error);
                            return merges;
                        }
                    }
                }
            }
        }
    }

    pub(super) fn note_merge_failure(&mut self, error: &IndexError) {
        tracing::warn!(%error, "segments stay unmerged");
        self.merge_failure = Some(error.to_string());
    }

    /// Does the next merge, commits it, and says whether there was one.
    fn merge_due(&mut self, policy: &MergePolicy, code_from: u64) -> Result<bool, IndexError> {
        let Some(plan) = next_merge(&self.facts(), code_from, policy) else {
            return Ok(false);
        };
        self.merge_segments(&plan.sources, outcome(plan.keep_raw))?;
        Ok(true)
    }

    fn merge_all(
        &mut self,
        options: &CompactOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<usize, IndexError> {
        let outcome = if options.retrain { Outcome::Retrained } else { Outcome::Coded };
        let mut merges = 0;
        for group in self.groups(options.budget_bytes.unwrap_or(u64::MAX)) {
            let at: Vec<usize> = (0..self.segments.len())
                .filter(|&at| group.contains(&self.segments[at].record.number))
                .collect();
            if let [only] = at[..]
                && !options.retrain
                && !options.rewrite
                && self.is_compact(only)
            {
                continue;
            }
            progress(at.iter().map(|&at| self.segments[at].record.bytes).sum());
            self.merge_segments(&at, outcome)?;
            merges += 1;
        }
        Ok(merges)
    }

    /// Numbers of neighbouring segments that fit into one together and were pooled alike.
    fn groups(&self, budget_bytes: u64) -> Vec<Vec<u64>> {
        let mut groups: Vec<Vec<u64>> = Vec::new();
        let (mut tokens, mut documents, mut bytes) = (0, 0, 0);
        let mut last = None;
        for segment in &self.segments {
            let record = &segment.record;
            tokens += record.tokens;
            documents += u64::from(record.documents);
            bytes += record.bytes;
            let full = tokens > u32::MAX.into() || documents >= u32::MAX.into() || bytes > budget_bytes;
            let other = last.replace(pooled(segment)).is_some_and(|last| last != pooled(segment));
            match groups.last_mut() {
                Some(group) if !full && !other => group.push(record.number),
                _ => {
                    groups.push(vec![record.number]);
                    (tokens, documents, bytes) = (record.tokens, record.documents.into(), record.bytes);
                }
            }
        }
        groups
    }

    fn is_compact(&self, at: usize) -> bool {
        let facts = facts(&self.segments[at]);
        !facts.raw && facts.deleted == 0
    }

    fn merge_segments(&mut self, at: &[usize], outcome: Outcome) -> Result<(), IndexError> {
        let number = self.take_number()?;
        let result = self.write_merged(number, at, outcome);
        let merged = self.note_sync(result)?;
        let sources: Vec<u64> = at.iter().map(|&at| self.segments[at].record.number).collect();
        self.replace(&sources, merged);
        self.commit_changes()
    }

    fn write_merged(
        &self,
        number: u64,
        at: &[usize],
        outcome: Outcome,
    ) -> Result<Option<Working>, IndexError> {
        let sources: Vec<Source<'_>> = at
            .iter()
            .map(|&at| &self.segments[at])
            .map(|segment| Source { reader: &segment.reader, deleted: &segment.deleted })
            .collect();
        let options = SegmentOptions {
            number,
            settings: &self.committed.settings,
            writer: &self.options,
            cancel: &self.cancel,
        };
        let record = self.pool.install(|| merge(&*self.shared.directory, &sources, outcome, options))?;
        record.map(|record| self.open_segment(record)).transpose()
    }

    fn planned_bytes(&self, policy: &MergePolicy, code_from: u64) -> u64 {
        let plan = next_merge(&self.facts(), code_from, policy);
        plan.map_or(0, |plan| plan.sources.iter().map(|&at| self.segments[at].record.bytes).sum())
    }

    pub(super) fn facts(&self) -> Vec<SegmentFacts> {
        self.segments.iter().map(facts).collect()
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.record.bytes).sum()
    }

    fn deleted(&self) -> u64 {
        self.segments.iter().map(|segment| segment.deleted.len()).sum()
    }
}

fn facts(segment: &Working) -> SegmentFacts {
    SegmentFacts {
        documents: segment.record.documents.into(),
        deleted: segment.deleted.len(),
        tokens: segment.record.tokens,
        bytes: segment.record.bytes,
        raw: segment.reader.awaits_coding(),
        pooling: pooled(segment),
    }
}

fn pooled(segment: &Working) -> (usize, usize) {
    let options = segment.reader.pooling();
    (options.factor, options.protect)
}

/// What a plan makes of token vectors.
pub(super) fn outcome(keep_raw: bool) -> Outcome {
    if keep_raw { Outcome::Raw } else { Outcome::Coded }
}
