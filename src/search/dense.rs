//! Search over one vector per document.

use std::time::Instant;

use super::allowed::Allowed;
use super::graph;
use super::top;
use super::{
    EffortSource, Plan, PlanChoice, Recall, SearchError, SearchOptions, SearchOutcome, SearchReport,
};
use crate::index::{DenseReader, DenseRows, Segment, Snapshot};
use crate::kernel::{self, Isa};
use crate::types::{Hit, Score};

/// Finds the documents whose vectors have the largest inner product with `query`.
///
/// * `query`: `dim` finite numbers. For vectors of length 1 the score is the cosine, in `[-1, 1]` up to
///   the rounding of the storage; larger is better.
/// * Segments with a graph are searched by a beam of [`SearchOptions`]'s `ef_search` (Malkov & Yashunin,
///   "HNSW", TPAMI 2020, arXiv:1603.09320), others, and all under [`PlanChoice::Exact`], by scanning.
/// * Cost: `documents · dim` for a scan, about `ef · log(documents) · m · dim` for a graph.
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
    report.precision = "f32 query, vectors as stored";
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

/// A scan of fewer vectors than this many times the beam is cheaper than following a graph.
const SCAN_PER_BEAM: usize = 16;

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
    let scan = SCAN_PER_BEAM.saturating_mul(options.ef_search()) as u64;
    let (documents, allowed) = (u64::from(segment.documents()), allowed.len());
    if options.plan == PlanChoice::Auto && allowed <= scan {
        return Ok((Plan::DenseExact, "a scan of so few vectors is cheaper than a graph"));
    }
    if allowed * 10 < documents {
        return Ok((Plan::DenseExact, "most documents are deleted or filtered out"));
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
    let hit = |doc, score| Hit { doc: segment.doc_id(doc), score: Score::saturating(score) };
    if plan == Plan::DenseGraph
        && let Some(links) = segment.reader().graph()?
    {
        let (found, examined) = graph::search(allowed, &links, &vectors, (query, options))?;
        let hits: Vec<Hit> = found.into_iter().map(|(doc, score)| hit(doc, score)).collect();
        report.record("graph", start, examined, hits.len() as u64);
        return Ok(hits);
    }
    let scan = allowed
        .iter()
        .map(|doc| Ok::<_, SearchError>(hit(doc, similarity(&vectors, doc, query, options.isa)?)));
    let hits = scan.collect::<Result<Vec<Hit>, SearchError>>()?;
    report.record("scan", start, hits.len() as u64, hits.len() as u64);
    Ok(hits)
}

/// `⟨query, vector of the document⟩`.
pub(super) fn similarity(
    vectors: &DenseReader<'_>,
    doc: u32,
    query: &[f32],
    isa: Isa,
) -> Result<f32, SearchError> {
    Ok(match vectors.vector(doc)? {
        DenseRows::F32(row) => kernel::dot(isa, query, row),
        DenseRows::F16(row) => query.iter().zip(row).map(|(q, x)| q * x.to_f32()).sum(),
        DenseRows::I8 { codes, scales } => {
            let sum: f32 = query.iter().zip(codes).map(|(q, &x)| q * f32::from(x)).sum();
            sum * scales.first().copied().unwrap_or(0.0)
        }
    })
}
