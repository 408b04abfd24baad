//! A query against one segment of residual codes.

use std::time::Instant;

use super::allowed::Allowed;
use super::first_stage::{self, Probes};
use super::{SearchError, SearchOptions, SearchReport};
use crate::ann::Accumulator;
use crate::index::{ListsReader, ResidualReader, Segment};
use crate::kernel::{Isa, QueryI8, ResidualQuery};
use crate::quant::{Rotation, scale_table};
use crate::types::{TokenMatrix, TokenMatrixBuf};

/// Everything about a query that depends on a segment's codec, computed once.
///
/// Holds `centroids · stride` scores: 128 bytes per centroid for a query of up to 32 tokens.
pub(super) struct Residual<'a> {
    segment: &'a Segment,
    codes: ResidualReader<'a>,
    query: ResidualQuery,
    query_tokens: usize,
    centroid_scores: Vec<f32>,
}

impl<'a> Residual<'a> {
    pub fn prepare(segment: &'a Segment, query: TokenMatrix<'_>, isa: Isa) -> Result<Self, SearchError> {
        let codes = segment.reader().residual()?.ok_or(SearchError::NotStored { what: "token codes" })?;
        let codec = codes.codec();
        let rotated = rotate(query, codec.rotation_seed)?;
        let table = scale_table(codec.scale_log2_min, codec.scale_log2_step);
        let packed = ResidualQuery::pack(isa, rotated.view(), codec.width, &codec.levels, &table);
        let centroid_query = QueryI8::pack(isa, rotated.view());
        let mut centroid_scores = vec![0.0; codec.centroid_count() as usize * centroid_query.stride()];
        centroid_query.scores(codec.centroids, codec.centroid_scales, &mut centroid_scores);
        Ok(Self { segment, codes, query: packed, query_tokens: query.rows(), centroid_scores })
    }

    pub fn centroids(&self) -> usize {
        self.centroid_scores.len() / self.query.stride().max(1)
    }

    /// The score of one document, and how many tokens that took.
    pub fn score(&self, doc: u32) -> Result<(f32, u64), SearchError> {
        let tokens = self.codes.document(doc)?;
        let count = tokens.len() as u64;
        Ok((self.query.maxsim(tokens, &self.centroid_scores), count))
    }

    /// All products of one document, `[document rows, stride]`.
    pub fn token_scores(&self, doc: u32) -> Result<(Vec<f32>, usize), SearchError> {
        let tokens = self.codes.document(doc)?;
        let stride = self.query.stride();
        let mut scores = vec![0.0; tokens.len() * stride];
        self.query.token_scores(tokens, &self.centroid_scores, &mut scores);
        Ok((scores, stride))
    }

    /// The documents that the closest centroids speak for, in ascending order.
    pub fn shortlist(
        &self,
        allowed: &Allowed<'_>,
        options: &SearchOptions,
        report: &mut SearchReport,
    ) -> Result<Vec<u32>, SearchError> {
        let effort = options.effort();
        let start = Instant::now();
        let stride = self.query.stride();
        let probes = first_stage::probe(&self.centroid_scores, stride, self.query_tokens, effort.nprobe);
        let mut accumulator = Accumulator::new(self.segment.documents() as usize);
        accumulator.start_query();
        let lists =
            self.segment.reader().lists()?.ok_or(SearchError::NotStored { what: "inverted lists" })?;
        let mut postings = 0;
        for probe in &probes {
            postings += self.walk((&lists, allowed), probe, &mut accumulator)?;
        }
        let mut docs: Vec<u32> =
            accumulator.best(effort.candidates).into_iter().map(|(doc, _)| doc).collect();
        fill(allowed, &mut docs, options.k);
        docs.sort_unstable();
        report.record("lists", start, postings, docs.len() as u64);
        Ok(docs)
    }

    /// Walks the lists of one query token, best centroid first; returns the postings seen.
    fn walk(
        &self,
        (lists, allowed): (&ListsReader<'_>, &Allowed<'_>),
        probe: &Probes,
        accumulator: &mut Accumulator,
    ) -> Result<u64, SearchError> {
        let mut postings = 0;
        let mut failure = None;
        accumulator.start_token(probe.imputed);
        for &(score, centroid) in &probe.lists {
            lists.for_each(centroid, |doc| {
                postings += 1;
                if allowed.contains(doc)
                    && let Err(error) = accumulator.add(doc, score)
                {
                    failure.get_or_insert(error);
                }
            })?;
        }
        failure.map_or(Ok(postings), |error| Err(error.into()))
    }
}

/// Tops a shortlist shorter than `k` up with other documents, so that `k` hits come back whenever `k` exist.
fn fill(allowed: &Allowed<'_>, docs: &mut Vec<u32>, k: usize) {
    if docs.len() >= k {
        return;
    }
    let mut reached = docs.clone();
    reached.sort_unstable();
    let others = allowed.iter().filter(|doc| reached.binary_search(doc).is_err());
    docs.extend(others.take(k - reached.len()));
}

/// Rotations keep lengths, but sums on the way may overflow for numbers near the largest there are.
fn rotate(query: TokenMatrix<'_>, seed: u64) -> Result<TokenMatrixBuf, SearchError> {
    let rotation = Rotation::new(query.dim(), seed);
    let mut data = query.as_slice().to_vec();
    for row in data.chunks_exact_mut(query.dim()) {
        rotation.apply(row);
    }
    TokenMatrixBuf::new(data, query.dim()).map_err(SearchError::Query)
}
