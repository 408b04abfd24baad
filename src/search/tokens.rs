//! Late-interaction search over all segments of a snapshot.

use std::time::Instant;

use rayon::prelude::*;

use super::allowed::Allowed;
use super::plan::{self, Shape};
use super::recall;
use super::rescore::{Bar, Progress, Scored, Spread, rescore, scan};
use super::residual::Residual;
use super::shortlist::{is_listed, shortlist};
use super::top;
use super::trace::Watch;
use super::{EffortSource, Plan, SearchError, SearchOptions, SearchOutcome, SearchReport};
use crate::index::{RawReader, RawRows, Segment, Snapshot};
use crate::kernel::QueryF32;
use crate::types::{Hit, Score, TokenMatrix};
use lateen_index_format::TokenStorage;

/// Finds the best documents by late interaction, `Σᵢ maxⱼ ⟨qᵢ, dⱼ⟩`.
///
/// * `query`: `[query_tokens, dim]`; rows of any length, longer ones weigh more.
/// * Returns `min(k, live documents with tokens that pass the filter)` hits, best first. Larger scores are better.
///   The exact plans return the best ones; what the two-stage plan may miss, [`Effort`](super::Effort) says.
/// * The hits do not depend on the instruction set where tokens are stored as codes, and never on the number of threads.
/// * Cost: see [the room](crate::search). With several threads, centroids and documents are shared between them.
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
    search_watching(snapshot, query, options, Watch::default()).map(|(outcome, _)| outcome)
}

/// [`search_tokens`] that keeps an eye on some documents.
pub(super) fn search_watching(
    snapshot: &Snapshot,
    query: TokenMatrix<'_>,
    options: &SearchOptions,
    watch: Watch,
) -> Result<(SearchOutcome, Watch), SearchError> {
    check(snapshot, query)?;
    if options.threads <= 1 || options.threads == rayon::current_num_threads() {
        return search(snapshot, query, options, watch);
    }
    pool(options.threads)?.install(|| search(snapshot, query, options, watch))
}

/// Searches for many queries at once, each on one thread; outcomes are in the order of `queries`.
///
/// * `options.threads` share the queries between them; with 1, all stay on the calling thread.
/// * Memory besides the outcomes: 128 bytes per centroid and thread for queries of 17 to 32 tokens, and 8 bytes per
///   document and thread.
///
/// # Errors
/// The first error of any query, as [`search_tokens`].
pub fn search_tokens_batch(
    snapshot: &Snapshot,
    queries: &[TokenMatrix<'_>],
    options: &SearchOptions,
) -> Result<Vec<SearchOutcome>, SearchError> {
    let alone = SearchOptions { threads: 1, ..options.clone() };
    let one = |&query: &TokenMatrix<'_>| search_tokens(snapshot, query, &alone);
    if options.threads <= 1 {
        return queries.iter().map(one).collect();
    }
    // A filter's bitmaps are made once, not once by each thread.
    snapshot.segments().iter().try_for_each(|segment| Allowed::of(segment, options).map(drop))?;
    let all = || queries.par_iter().map(one).collect();
    if options.threads == rayon::current_num_threads() { all() } else { pool(options.threads)?.install(all) }
}

fn pool(threads: usize) -> Result<rayon::ThreadPool, SearchError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|_| SearchError::Threads { threads })
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

fn search(
    snapshot: &Snapshot,
    query: TokenMatrix<'_>,
    options: &SearchOptions,
    mut watch: Watch,
) -> Result<(SearchOutcome, Watch), SearchError> {
    let mut report = SearchReport::begin(snapshot, options);
    let mut hits = Vec::new();
    let mut largest = None;
    let allowed = snapshot.segments().iter().map(|segment| Allowed::of(segment, options));
    let allowed = allowed.collect::<Result<Vec<_>, SearchError>>()?;
    report.allowed = allowed.iter().map(Allowed::len).sum();
    let (options, source) = recall::resolve(snapshot, options, report.allowed);
    let options = &options;
    let mut progress = Progress { bar: Bar::new(options.k), spread: Spread::default() };
    for (at, (segment, allowed)) in snapshot.segments().iter().zip(&allowed).enumerate() {
        watch.exclude(at, |doc| allowed.contains(doc));
        let shape = shape(snapshot, (segment, allowed), query)?;
        let (plan, why) = plan::choose(shape, options)?;
        let one = OneSegment { at, segment, allowed, query, options };
        hits.extend(one.search(plan, (&mut progress, &mut watch), &mut report)?);
        if largest.is_none_or(|tokens| shape.tokens > tokens) {
            largest = Some(shape.tokens);
            (report.plan, report.why) = (plan, why);
        }
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
    Ok((SearchOutcome { hits, report }, watch))
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

/// One query in one segment.
struct OneSegment<'a> {
    /// Its place in the snapshot.
    at: usize,
    segment: &'a Segment,
    allowed: &'a Allowed<'a>,
    query: TokenMatrix<'a>,
    options: &'a SearchOptions,
}

impl OneSegment<'_> {
    fn search(
        &self,
        plan: Plan,
        (progress, watch): (&mut Progress, &mut Watch),
        report: &mut SearchReport,
    ) -> Result<Vec<Hit>, SearchError> {
        let scored = match plan {
            Plan::ExactTokens => {
                let hits = self.scan_tokens(progress, report)?;
                if watch.is_empty() {
                    return Ok(hits);
                }
                let local = |hit: &Hit| (hit.doc.0 - self.segment.base(), hit.score.get());
                let scored: Vec<(u32, f32)> = hits.iter().map(local).collect();
                watch.see(self.at, "scan", &scored, |_| Ok(None))?;
                return Ok(hits);
            }
            Plan::TwoStage => self.two_stages((progress, watch), report)?,
            _ => {
                let scored = self.scan_codes(plan, progress, report)?;
                watch.see(self.at, "scan", &scored, |_| Ok(None))?;
                scored
            }
        };
        report.precision = "int8 query, codes as stored";
        Ok(scored.into_iter().map(|(doc, score)| self.hit(doc, score)).collect())
    }

    fn two_stages(
        &self,
        (progress, watch): (&mut Progress, &mut Watch),
        report: &mut SearchReport,
    ) -> Result<Vec<(u32, f32)>, SearchError> {
        let (effort, threads) = (self.options.effort(), self.options.threads);
        report.effort = Some(effort);
        let start = Instant::now();
        let mut residual = Residual::prepare(self.segment, self.query, self.options.isa)?;
        let nprobe =
            lists_to_walk(effort.nprobe, residual.centroids() as u64, self.segment.reader().tokens());
        let (probes, coarse) = residual.probe(nprobe, threads);
        let probed = probes.iter().map(|probe| probe.lists.len() as u64).sum();
        report.record("centroids", start, (residual.centroids() * self.query.rows()) as u64, probed);

        let start = Instant::now();
        let mut shortlist = shortlist(self.segment, self.allowed, &probes, effort.refine)?;
        let listed = shortlist.documents.len() as u64;
        report.record("lists", start, shortlist.postings, listed);
        report.skip("lists", shortlist.reached - listed);
        watch.reach(self.at, |doc| is_listed(self.segment, &probes, doc))?;
        watch.see(self.at, "lists", &shortlist.documents, |_| Ok(None))?;

        let start = Instant::now();
        let seen = shortlist.refine(&residual, &coarse, effort.candidates)?;
        let refined = shortlist.documents.len() as u64;
        report.record("refine", start, seen, refined);
        report.skip("refine", listed - refined);
        let estimate = |doc| residual.estimate(&coarse, doc).map(|(estimate, _)| Some(estimate));
        watch.see(self.at, "refine", &shortlist.documents, estimate)?;

        let start = Instant::now();
        let found = rescore(&residual, &shortlist, (effort, threads), progress)?;
        report.record("rescore", start, found.tokens, found.documents.len() as u64);
        report.skip("rescore", found.skipped);
        watch.see(self.at, "rescore", &found.documents, |_| Ok(None))?;
        let mut scored = found.documents;
        // Fewer than `k` were reached: any others will do, as long as they exist.
        let missing = self.options.k.saturating_sub(scored.len());
        if missing > 0 && found.skipped == 0 {
            let start = Instant::now();
            let others = self.others(&shortlist.documents, &residual, (missing, progress))?;
            report.record("rest", start, others.tokens, others.documents.len() as u64);
            watch.see(self.at, "rest", &others.documents, |_| Ok(None))?;
            scored.extend(others.documents);
        }
        Ok(scored)
    }

    /// Scores documents that are not in the shortlist until `missing` of them have tokens.
    fn others(
        &self,
        shortlist: &[(u32, f32)],
        residual: &Residual<'_>,
        (missing, progress): (usize, &mut Progress),
    ) -> Result<Scored, SearchError> {
        let mut reached: Vec<u32> = shortlist.iter().map(|&(doc, _)| doc).collect();
        reached.sort_unstable();
        let mut rest = self.allowed.iter().filter(|doc| reached.binary_search(doc).is_err()).peekable();
        let mut all = Scored::default();
        while all.documents.len() < missing && rest.peek().is_some() {
            let some = rest.by_ref().take(missing - all.documents.len());
            let found = scan(residual, some, self.options.threads, progress)?;
            all.documents.extend(found.documents);
            all.tokens += found.tokens;
        }
        Ok(all)
    }

    fn scan_codes(
        &self,
        plan: Plan,
        progress: &mut Progress,
        report: &mut SearchReport,
    ) -> Result<Vec<(u32, f32)>, SearchError> {
        let threads = self.options.threads;
        let start = Instant::now();
        let mut residual = Residual::prepare(self.segment, self.query, self.options.isa)?;
        if plan == Plan::ExactCodes {
            residual.score_centroids(threads);
            let scores = (residual.centroids() * self.query.rows()) as u64;
            report.record("centroids", start, scores, 0);
        }
        let start = Instant::now();
        let found = scan(&residual, self.allowed.iter(), threads, progress)?;
        report.record("scan", start, found.tokens, found.documents.len() as u64);
        Ok(found.documents)
    }

    /// Parallel over documents if more than one thread was asked for. Documents without tokens are no hits.
    fn scan_tokens(
        &self,
        progress: &mut Progress,
        report: &mut SearchReport,
    ) -> Result<Vec<Hit>, SearchError> {
        report.precision = "f32 query, tokens as stored";
        let start = Instant::now();
        let packed = QueryF32::pack(self.options.isa, self.query);
        let raw = self.segment.reader().raw()?.ok_or(SearchError::NotStored { what: "token vectors" })?;
        let docs: Vec<u32> = self.allowed.iter().collect();
        let one = |&doc: &u32| {
            let (score, tokens) = score_raw(&raw, &packed, doc)?;
            Ok((self.hit(doc, score), tokens))
        };
        let scored: Vec<(Hit, u64)> = match self.options.threads {
            0 | 1 => docs.iter().map(one).collect::<Result<_, SearchError>>()?,
            _ => docs.par_iter().map(one).collect::<Result<_, SearchError>>()?,
        };
        let tokens = scored.iter().map(|(_, tokens)| tokens).sum();
        let hits: Vec<Hit> =
            scored.into_iter().filter(|&(_, tokens)| tokens > 0).map(|(hit, _)| hit).collect();
        hits.iter().for_each(|hit| progress.bar.raise(hit.score));
        report.record("scan", start, tokens, hits.len() as u64);
        Ok(hits)
    }

    fn hit(&self, doc: u32, score: f32) -> Hit {
        Hit { doc: self.segment.doc_id(doc), score: Score::saturating(score) }
    }
}

/// Tokens of a centroid as codecs are trained, and centroids of a segment of two million tokens: what `nprobe` is about.
const TOKENS_PER_CENTROID: u64 = 64;
const CENTROIDS: u64 = 1 << 15;

/// The lists to walk per query token: more where lists are shorter than usual, as after merges, at most eight times as many; and
/// more in larger segments, by the square root of their size, or else a walk would meet a smaller and smaller share of the documents
/// worth meeting.
fn lists_to_walk(nprobe: usize, centroids: u64, tokens: u64) -> usize {
    let shorter = (centroids * TOKENS_PER_CENTROID) as f64 / tokens.max(1) as f64;
    let larger = tokens as f64 / (CENTROIDS * TOKENS_PER_CENTROID) as f64;
    (nprobe as f64 * shorter.clamp(1.0, 8.0) * larger.max(1.0).sqrt()).round() as usize
}

fn score_raw(raw: &RawReader<'_>, query: &QueryF32, doc: u32) -> Result<(f32, u64), SearchError> {
    let (score, numbers) = match raw.document(doc)? {
        RawRows::F32(rows) => (query.maxsim(rows), rows.len()),
        RawRows::F16(rows) => (query.maxsim_f16(rows), rows.len()),
    };
    Ok((score, (numbers / raw.dim()) as u64))
}

#[cfg(test)]
mod tests {
    use super::lists_to_walk;

    #[test]
    fn shorter_lists_and_larger_segments_take_more_of_them() {
        assert_eq!(lists_to_walk(32, 1_000, 64_000), 32);
        assert_eq!(lists_to_walk(32, 500, 64_000), 32);
        assert_eq!(lists_to_walk(32, 3_000, 64_000), 96);
        assert_eq!(lists_to_walk(32, 64_000, 64_000), 256);
        assert_eq!(lists_to_walk(32, 4 << 15, 4 << 21), 64);
        assert_eq!(lists_to_walk(usize::MAX, 1, 0), usize::MAX);
    }
}
