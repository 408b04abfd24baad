//! Search over one vector per document.

use std::time::Instant;

use super::allowed::Allowed;
use super::compare::Comparison;
use super::graph;
use super::top::{self, Best};
use super::{
    EffortSource, Plan, PlanChoice, Recall, SearchError, SearchOptions, SearchOutcome, SearchReport,
};
use crate::index::{Segment, Snapshot};
use crate::types::{Hit, Score};

/// Finds the documents whose vectors have the largest inner product with `query`.
///
/// * `query`: `dim` finite numbers. For vectors of length 1 the score is the cosine, in `[-1, 1]` up to
///   the rounding of the storage; larger is better.
/// * Segments with a graph are searched by a beam of [`SearchOptions`]'s `ef_search` (Malkov & Yashunin,
///   "HNSW", TPAMI 2020, arXiv:1603.09320), others, and all under [`PlanChoice::Exact`], by scanning.
/// * Under a filter or with deleted documents a graph is walked until `ef_search` allowed documents are found; where the allowed
///   are so few that a scan of them is cheaper, they are scanned. `k` hits come back whenever as many documents are allowed.
/// * Cost: `allowed documents · dim` for a scan, about `ef · m · dim · documents / allowed documents` for a graph. A thread keeps
///   two bytes per document of the largest segment it has searched by graph.
///
/// # Errors
/// [`SearchError::DimensionMismatch`], [`SearchError::NotFinite`], [`SearchError::NotStored`], or what
/// reading a segment runs into.
pub fn search_dense(
    snapshot: &Snapshot,
    query: &[f32],
    options: &SearchOptions,
) -> Result<SearchOutcome, SearchError> {
    check(snapshot, query)?;
    let mut report = SearchReport::begin(snapshot, options);
    let mut hits = Vec::new();
    let mut largest = None;
    for segment in snapshot.segments() {
        let allowed = Allowed::of(segment, options)?;
        report.allowed += allowed.len();
        let (plan, why) = choose(segment, &allowed, options)?;
        if largest.is_none_or(|documents| segment.documents() > documents) {
            largest = Some(segment.documents());
            (report.plan, report.why) = (plan, why.to_owned());
        }
        hits.extend(search_segment((segment, &allowed), query, (plan, options), &mut report)?);
    }
    if report.stages.iter().any(|stage| stage.name == "graph") {
        report.effort_source = match options.ef_search {
            Some(_) => EffortSource::Given,
            None => EffortSource::NotMeasured,
        };
    }
    let start = Instant::now();
    let found = hits.len() as u64;
    let hits = top::best(snapshot, hits, options.k)?;
    report.record("select", start, found, hits.len() as u64);
    Ok(SearchOutcome { hits, report })
}

fn check(snapshot: &Snapshot, query: &[f32]) -> Result<(), SearchError> {
    let index = snapshot.settings().dense_dim as usize;
    if index == 0 {
        return Err(SearchError::NotStored { what: "dense vectors" });
    }
    if query.len() != index {
        return Err(SearchError::DimensionMismatch { query: query.len(), index });
    }
    match query.iter().position(|x| !x.is_finite()) {
        Some(column) => Err(SearchError::NotFinite { column }),
        None => Ok(()),
    }
}

/// What a walk compares for each node that it keeps, in units of comparing one vector in a scan.
const COMPARED_PER_KEPT: u64 = 16;

fn choose(
    segment: &Segment,
    allowed: &Allowed<'_>,
    options: &SearchOptions,
) -> Result<(Plan, &'static str), SearchError> {
    if options.plan == PlanChoice::Exact || options.recall == Recall::EXACT {
        return Ok((Plan::DenseExact, "asked for"));
    }
    if segment.reader().graph()?.is_none() {
        return Ok((Plan::DenseExact, "the segment is too small for a graph"));
    }
    // A walk keeps `ef` allowed nodes and passes by the others between them.
    let (documents, allowed) = (u64::from(segment.documents()), allowed.len());
    let compared = COMPARED_PER_KEPT.saturating_mul(options.ef_search() as u64).saturating_mul(documents);
    if options.plan == PlanChoice::Auto && allowed.saturating_mul(allowed) <= compared {
        return Ok((Plan::DenseExact, "a scan of so few vectors is cheaper than a graph"));
    }
    Ok((Plan::DenseGraph, "the segment has a graph"))
}

fn search_segment(
    (segment, allowed): (&Segment, &Allowed<'_>),
    query: &[f32],
    (plan, options): (Plan, &SearchOptions),
    report: &mut SearchReport,
) -> Result<Vec<Hit>, SearchError> {
    let start = Instant::now();
    let vectors = segment.reader().dense()?.ok_or(SearchError::NotStored { what: "dense vectors" })?;
    let mut comparison = Comparison::new(vectors, query, options.isa)?;
    report.precision = comparison.precision();
    if plan == Plan::DenseGraph
        && let Some(links) = segment.reader().graph()?
    {
        let (found, examined) = graph::search(allowed, &links, &mut comparison, options)?;
        let hits: Vec<Hit> = found.into_iter().map(|(doc, score)| hit(segment, doc, score)).collect();
        report.record("graph", start, examined, hits.len() as u64);
        return Ok(hits);
    }
    let (hits, examined) = scan((segment, allowed), &mut comparison, options.k)?;
    report.record("scan", start, examined, hits.len() as u64);
    Ok(hits)
}

fn hit(segment: &Segment, doc: u32, score: f32) -> Hit {
    Hit { doc: segment.doc_id(doc), score: Score::saturating(score) }
}

/// Vectors compared by one call.
const AT_ONCE: usize = 64;

/// The best `k` of the allowed documents and those as good as the last of them, and how many were compared.
fn scan(
    (segment, allowed): (&Segment, &Allowed<'_>),
    comparison: &mut Comparison<'_>,
    k: usize,
) -> Result<(Vec<Hit>, u64), SearchError> {
    let mut best = Best::new(k);
    let mut examined = 0;
    let (mut docs, mut scores) = (Vec::with_capacity(AT_ONCE), [0.0; AT_ONCE]);
    let mut left = allowed.iter();
    loop {
        docs.clear();
        docs.extend(left.by_ref().take(AT_ONCE));
        if docs.is_empty() {
            return Ok((best.into_hits(), examined));
        }
        let scores = &mut scores[..docs.len()];
        comparison.similarities(&docs, scores)?;
        examined += docs.len() as u64;
        for (&doc, &score) in docs.iter().zip(scores.iter()) {
            best.push(hit(segment, doc, score));
        }
    }
}
