//! Late-interaction search over all segments of a snapshot.

use std::time::Instant;

use rayon::prelude::*;

use super::allowed::Allowed;
use super::plan::{self, Plan, Shape};
use super::recall;
use super::residual::Residual;
use super::top;
use super::{EffortSource, SearchError, SearchOptions, SearchOutcome, SearchReport};
use crate::index::{RawReader, RawRows, Segment, Snapshot};
use crate::kernel::QueryF32;
use crate::types::{Hit, Score, TokenMatrix};
use lateen_index_format::TokenStorage;

/// Finds the best documents by late interaction, `Σᵢ maxⱼ ⟨qᵢ, dⱼ⟩`.
///
/// * `query`: `[query_tokens, dim]`; rows of any length, longer ones weigh more.
/// * Returns at most `k` hits, best first; exactly `min(k, live documents with tokens that pass the filter)` under the
///   exact plan, and as many under the two-stage plan whenever its shortlist reaches that far.
///   Larger scores are better.
/// * Cost: see [the room](crate::search).
///
/// # Errors
/// [`SearchError::DimensionMismatch`] if `query` has not the index's dimension,
/// [`SearchError::EmptyQuery`] if it has no rows, [`SearchError::NotStored`] or
/// [`SearchError::PlanNotPossible`] if the index lacks what the plan needs, [`SearchError::Index`] if a
/// block that is read on the way fails its checksum.
pub fn search_tokens(
    snapshot: &Snapshot,
    query: TokenMatrix<'_>,
    options: &SearchOptions,
) -> Result<SearchOutcome, SearchError> {
    check(snapshot, query)?;
    if options.threads <= 1 {
        return search_on_this_pool(snapshot, query, options);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
    let pool = pool.map_err(|_| SearchError::Threads { threads: options.threads })?;
    pool.install(|| search_on_this_pool(snapshot, query, options))
}

pub(super) fn check(snapshot: &Snapshot, query: TokenMatrix<'_>) -> Result<(), SearchError> {
    let index = snapshot.settings().token_dim as usize;
    if index == 0 {
        return Err(SearchError::NotStored { what: "token vectors" });
    }
    if query.dim() != index {
        return Err(SearchError::DimensionMismatch { query: query.dim(), index });
    }
    if query.is_empty() { Err(SearchError::EmptyQuery) } else { Ok(()) }
}

fn search_on_this_pool(
    snapshot: &Snapshot,
    query: TokenMatrix<'_>,
    options: &SearchOptions,
) -> Result<SearchOutcome, SearchError> {
    let mut report = SearchReport::begin(snapshot, options);
    let mut hits = Vec::new();
    let mut largest = None;
    let allowed = snapshot.segments().iter().map(|segment| Allowed::of(segment, options));
    let allowed = allowed.collect::<Result<Vec<_>, SearchError>>()?;
    report.allowed = allowed.iter().map(Allowed::len).sum();
    let (options, source) = recall::resolve(snapshot, options, report.allowed);
    let options = &options;
    for (segment, allowed) in snapshot.segments().iter().zip(&allowed) {
        let shape = shape(snapshot, (segment, allowed), query)?;
        let (plan, why) = plan::choose(shape, options)?;
        if largest.is_none_or(|tokens| shape.tokens > tokens) {
            largest = Some(shape.tokens);
            report.plan = plan;
            report.why = why;
        }
        hits.extend(search_segment((segment, allowed), query, (plan, options), &mut report)?);
    }
    report.effort_source = match source {
        source if report.effort.is_some() => source,
        EffortSource::NotReached => source,
        // Whatever was asked for, nothing was left out.
        _ => EffortSource::Exact,
    };
    let start = Instant::now();
    let found = hits.len() as u64;
    let hits = top::best(snapshot, hits, options.k)?;
    report.record("select", start, found, hits.len() as u64);
    Ok(SearchOutcome { hits, report })
}

fn shape(
    snapshot: &Snapshot,
    (segment, allowed): (&Segment, &Allowed<'_>),
    query: TokenMatrix<'_>,
) -> Result<Shape, SearchError> {
    // Small segments of an index of codes hold half floats until they are merged: such are scanned.
    let mut storage = snapshot.settings().token_storage;
    let unmerged = storage.code_width().is_some() && !segment.reader().is_coded();
    if unmerged {
        storage = TokenStorage::F16;
    }
    let residual = segment.reader().residual()?;
    let centroids = residual.map_or(0, |residual| residual.codec().centroid_count() as u64);
    Ok(Shape {
        storage,
        unmerged,
        documents: u64::from(segment.documents()),
        allowed: allowed.len(),
        tokens: segment.reader().tokens(),
        centroids,
        query_tokens: query.rows() as u64,
    })
}

fn search_segment(
    (segment, allowed): (&Segment, &Allowed<'_>),
    query: TokenMatrix<'_>,
    (plan, options): (Plan, &SearchOptions),
    report: &mut SearchReport,
) -> Result<Vec<Hit>, SearchError> {
    if plan == Plan::ExactTokens {
        report.precision = "f32 query, tokens as stored";
        return scan_raw((segment, allowed), query, options, report);
    }
    report.precision = "int8 query, codes as stored";
    let start = Instant::now();
    let residual = Residual::prepare(segment, query, options.isa)?;
    let centroids = residual.centroids() as u64;
    report.record("centroids", start, centroids * query.rows() as u64, 0);
    let shortlist = if plan == Plan::TwoStage {
        report.effort = Some(options.effort());
        Some(residual.shortlist(allowed, options, report)?)
    } else {
        None
    };
    let start = Instant::now();
    let docs = shortlist.unwrap_or_else(|| allowed.iter().collect());
    let (hits, tokens) = score_all(segment, &docs, options, |doc| residual.score(doc))?;
    let name = if plan == Plan::TwoStage { "rescore" } else { "scan" };
    report.record(name, start, tokens, hits.len() as u64);
    Ok(hits)
}

fn scan_raw(
    (segment, allowed): (&Segment, &Allowed<'_>),
    query: TokenMatrix<'_>,
    options: &SearchOptions,
    report: &mut SearchReport,
) -> Result<Vec<Hit>, SearchError> {
    let start = Instant::now();
    let packed = QueryF32::pack(options.isa, query);
    let raw = segment.reader().raw()?.ok_or(SearchError::NotStored { what: "token vectors" })?;
    let docs: Vec<u32> = allowed.iter().collect();
    let (hits, tokens) = score_all(segment, &docs, options, |doc| score_raw(&raw, &packed, doc))?;
    report.record("scan", start, tokens, hits.len() as u64);
    Ok(hits)
}

fn score_raw(raw: &RawReader<'_>, query: &QueryF32, doc: u32) -> Result<(f32, u64), SearchError> {
    let (score, numbers) = match raw.document(doc)? {
        RawRows::F32(rows) => (query.maxsim(rows), rows.len()),
        RawRows::F16(rows) => (query.maxsim_f16(rows), rows.len()),
    };
    Ok((score, (numbers / raw.dim()) as u64))
}

/// Scores `docs` with `score`, which returns the score and the tokens it looked at. Documents without
/// tokens are no hits. Parallel over documents if more than one thread was asked for.
fn score_all(
    segment: &Segment,
    docs: &[u32],
    options: &SearchOptions,
    score: impl Fn(u32) -> Result<(f32, u64), SearchError> + Sync,
) -> Result<(Vec<Hit>, u64), SearchError> {
    let one = |&doc: &u32| {
        let (score, tokens) = score(doc)?;
        Ok((Hit { doc: segment.doc_id(doc), score: Score::saturating(score) }, tokens))
    };
    let scored: Vec<(Hit, u64)> = match options.threads {
        0 | 1 => docs.iter().map(one).collect::<Result<_, SearchError>>()?,
        _ => docs.par_iter().map(one).collect::<Result<_, SearchError>>()?,
    };
    let tokens = scored.iter().map(|(_, tokens)| tokens).sum();
    let hits = scored.into_iter().filter(|&(_, tokens)| tokens > 0).map(|(hit, _)| hit).collect();
    Ok((hits, tokens))
}
