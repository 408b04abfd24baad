//! Measuring an index with queries of its own, or with the user's.

use super::{Error, Retriever};
use crate::format::{QuerySource, Tuning};
use crate::index::{Snapshot, Writer, WriterOptions};
use crate::search::{PseudoQueries, TuneOptions, TuneProgress, TuningState, tune};
use crate::types::TokenMatrixBuf;

/// Is asked from time to time whether to go on.
pub type TuneWatch<'a> = &'a mut dyn FnMut(TuneProgress) -> bool;

/// Tokens that scans for a tuning made at a commit look at, at most, unless [`FEWEST_QUERIES`] take more: about two
/// minutes of one core.
const TOKEN_BUDGET: u64 = 1 << 33;
/// Queries of a tuning made at a commit, at most.
const MOST_QUERIES: u64 = 128;
/// Queries of a tuning made at a commit, at least.
const FEWEST_QUERIES: u64 = 48;

impl Retriever {
    /// Measures which effort reaches which recall, and keeps the result with the index, in a commit of its own.
    ///
    /// * `queries`: the user's, encoded by the model; if there are none, `sample` makes some of the index's documents.
    /// * `watch` is asked from time to time whether to go on; `Ok(None)` if not, and nothing is written.
    /// * Cost: see [`tune`].
    ///
    /// # Errors
    /// [`Error`] of kind [`Locked`](super::ErrorKind::Locked) while there is a writer; otherwise as [`tune`], or if the
    /// model or the disk fails.
    pub fn tune(
        &self,
        queries: &[&str],
        sample: &PseudoQueries,
        options: &TuneOptions,
        watch: TuneWatch<'_>,
    ) -> Result<Option<Tuning>, Error> {
        // Locked first: nobody wants to hear of another writer after minutes of measuring.
        let mut writer = self.index.writer(WriterOptions::default())?;
        let snapshot = self.index.snapshot();
        let given: Vec<TokenMatrixBuf> = queries
            .iter()
            .map(|query| Ok(self.model.encode_query_tokens(query)?.matrix))
            .filter(|query| query.as_ref().map_or(true, |query: &TokenMatrixBuf| !query.view().is_empty()))
            .collect::<Result<_, Error>>()?;
        let (queries, source) = match given.is_empty() {
            true => (sample.sample(&snapshot)?, QuerySource::Sampled),
            false => (given, QuerySource::Given),
        };
        let options = TuneOptions { source, seed: sample.seed, ..options.clone() };
        let Some(tuning) = tune(&snapshot, &queries, &options, watch)? else { return Ok(None) };
        writer.set_tuning(Some(tuning.clone()))?;
        writer.commit()?;
        Ok(Some(tuning))
    }
}

/// Measures a new commit if it was not measured yet, or when it was less than half as large; returns whether.
pub(super) fn tune_commit(
    writer: &mut Writer,
    snapshot: &Snapshot,
    watch: TuneWatch<'_>,
) -> Result<bool, Error> {
    if !matches!(TuningState::of(snapshot), TuningState::NotTuned | TuningState::Outdated) {
        return Ok(false);
    }
    let affordable = TOKEN_BUDGET / snapshot.tokens().max(1);
    let count = affordable.clamp(FEWEST_QUERIES, MOST_QUERIES) as usize;
    let sample = PseudoQueries { count, seed: snapshot.settings().seed, ..PseudoQueries::default() };
    let queries = sample.sample(snapshot)?;
    let options = TuneOptions { seed: sample.seed, ..TuneOptions::default() };
    let Some(tuning) = tune(snapshot, &queries, &options, watch)? else { return Ok(false) };
    writer.set_tuning(Some(tuning))?;
    writer.commit()?;
    Ok(true)
}
