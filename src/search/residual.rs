//! A query against one segment of residual codes.

use rayon::prelude::*;

use super::SearchError;
use super::buffer::Buffer;
use super::first_stage::{Prober, Probes};
use crate::index::{ResidualReader, Segment};
use crate::kernel::{CoarseScores, Isa, QueryI8, ResidualQuery, ResidualTokens, prefetch};
use crate::quant::{Rotation, scale_table};
use crate::types::{TokenMatrix, TokenMatrixBuf};

/// Centroids scored together: their scores stay in the second-level cache until the probes were picked from them.
const TILE: usize = 1024;

/// Tokens whose codes are asked for before their document's turn: what the kernel reads before it asks itself.
const ANNOUNCED: usize = 24;

/// Everything about a query that depends on a segment's codec, computed once.
pub(super) struct Residual<'a> {
    codes: ResidualReader<'a>,
    query: ResidualQuery,
    centroid_query: QueryI8,
    /// The length of each row of the query: no centroid scores more.
    lengths: Vec<f32>,
    /// `[centroids, stride]`; if not there, a document's own centroids are scored when it is.
    table: Option<Buffer>,
}

impl<'a> Residual<'a> {
    /// Packs the query. Cost: the rotation of its rows.
    pub fn prepare(segment: &'a Segment, query: TokenMatrix<'_>, isa: Isa) -> Result<Self, SearchError> {
        let codes = segment.reader().residual()?.ok_or(SearchError::NotStored { what: "token codes" })?;
        let codec = codes.codec();
        let rotated = rotate(query, codec.rotation_seed)?;
        let table = scale_table(codec.scale_log2_min, codec.scale_log2_step);
        let query = ResidualQuery::pack(isa, rotated.view(), codec.width, &codec.levels, &table);
        let centroid_query = QueryI8::pack(isa, rotated.view());
        let lengths =
            rotated.view().iter().map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt()).collect();
        Ok(Self { codes, query, centroid_query, lengths, table: None })
    }

    pub fn centroids(&self) -> usize {
        self.codes.codec().centroid_count() as usize
    }

    /// Scores all centroids, `query tokens · centroids · dim`, so that documents need not score their own.
    /// The scores take 128 bytes a centroid for a query of 17 to 32 tokens.
    pub fn score_centroids(&mut self, threads: usize) {
        self.see_centroids(threads, || (), |(), _, _| ());
    }

    /// The same, picks the `nprobe` closest centroids of each query token, and keeps all scores in a byte each.
    pub fn probe(&mut self, nprobe: usize, threads: usize) -> (Vec<Probes>, CoarseScores) {
        let (isa, stride, rows) = (self.query.isa(), self.query.stride(), self.query.rows());
        let (lengths, centroids) = (self.lengths.clone(), self.centroids());
        let start = || {
            let room = if threads > 1 { 0 } else { centroids };
            (Prober::new(isa, stride, rows, nprobe), CoarseScores::new(isa, &lengths, room))
        };
        let see = |(prober, coarse): &mut (Prober, CoarseScores), first: usize, scores: &[f32]| {
            prober.see(first, scores);
            coarse.push(scores);
        };
        let joined = self.see_centroids(threads, start, see).into_iter().reduce(|mut all, next| {
            all.0.join(next.0);
            all.1.append(&next.1);
            all
        });
        let (prober, coarse) = joined.unwrap_or_else(start);
        (prober.finish(), coarse)
    }

    /// What a document scores judging by the centroids of its tokens alone, and how many tokens those are.
    pub fn estimate(&self, coarse: &CoarseScores, doc: u32) -> Result<(f32, u64), SearchError> {
        let ids = self.codes.centroids_of(doc)?;
        Ok((coarse.maxsim(ids), ids.len() as u64))
    }

    /// Fills the table, shows each tile to `see` while it is in the cache, and returns what each part has seen.
    fn see_centroids<S: Send>(
        &mut self,
        threads: usize,
        start: impl Fn() -> S + Sync,
        see: impl Fn(&mut S, usize, &[f32]) + Sync,
    ) -> Vec<S> {
        let stride = self.query.stride();
        let mut table = Buffer::of(self.centroids() * stride);
        let codec = self.codes.codec();
        let dim = codec.dim as usize;
        let part = if threads > 1 { self.centroids().div_ceil(4 * threads).max(TILE) } else { usize::MAX };
        let one = |(at, scores): (usize, &mut [f32])| {
            let mut seen = start();
            for (tile, scores) in scores.chunks_mut(TILE * stride).enumerate() {
                let first = at * part + tile * TILE;
                let centroids = first..first + scores.len() / stride;
                let rows = &codec.centroids[centroids.start * dim..centroids.end * dim];
                self.centroid_query.scores(rows, &codec.centroid_scales[centroids], scores);
                see(&mut seen, first, scores);
            }
            seen
        };
        let seen = if threads > 1 {
            table.par_chunks_mut(part * stride).enumerate().map(one).collect()
        } else {
            vec![one((0, &mut table))]
        };
        self.table = Some(table);
        seen
    }

    /// The score of one document, and how many tokens that took.
    pub fn score(&self, doc: u32) -> Result<(f32, u64), SearchError> {
        let tokens = self.codes.document(doc)?;
        let count = tokens.len() as u64;
        if let Some(table) = &self.table {
            return Ok((self.query.maxsim(tokens, table), count));
        }
        let own = Own::of(tokens, self);
        Ok((self.query.maxsim(own.tokens(tokens), &own.scores), count))
    }

    /// Asks for the first bytes of a document that will be scored soon.
    pub fn announce(&self, doc: u32) -> Result<(), SearchError> {
        let rows = self.codes.rows(doc..doc.saturating_add(1))?;
        let first = self.codes.tokens(rows.start..rows.end.min(rows.start + ANNOUNCED))?;
        prefetch(first.codes);
        prefetch(first.centroid_ids);
        prefetch(first.scales);
        Ok(())
    }

    /// Begins to read what will be scored if that was never read.
    pub fn will_need(&self, doc: u32) -> Result<(), SearchError> {
        Ok(self.codes.will_need(doc)?)
    }

    /// All products of one document, `[document rows, stride]`.
    pub fn token_scores(&self, doc: u32) -> Result<(Vec<f32>, usize), SearchError> {
        let tokens = self.codes.document(doc)?;
        let stride = self.query.stride();
        let mut scores = vec![0.0; tokens.len() * stride];
        let own = Own::of(tokens, self);
        self.query.token_scores(own.tokens(tokens), &own.scores, &mut scores);
        Ok((scores, stride))
    }
}

/// The scores of the centroids of one document's tokens, row `t` that of token `t`.
struct Own {
    scores: Buffer,
    ids: Vec<u8>,
}

impl Own {
    const ID_WIDTH: usize = 4;

    fn of(tokens: ResidualTokens<'_>, query: &Residual<'_>) -> Self {
        let codec = query.codes.codec();
        let dim = codec.dim as usize;
        let mut rows = Vec::with_capacity(tokens.len() * dim);
        let mut scales = Vec::with_capacity(tokens.len());
        let mut ids = Vec::with_capacity(tokens.len() * Self::ID_WIDTH);
        for token in 0..tokens.len() {
            // The reader has held every id against the codec.
            let centroid = tokens.centroid(token) as usize;
            rows.extend_from_slice(&codec.centroids[centroid * dim..][..dim]);
            scales.push(codec.centroid_scales[centroid]);
            ids.extend_from_slice(&(token as u32).to_le_bytes());
        }
        let mut scores = Buffer::of(tokens.len() * query.query.stride());
        query.centroid_query.scores(&rows, &scales, &mut scores);
        Self { scores, ids }
    }

    fn tokens<'t>(&'t self, tokens: ResidualTokens<'t>) -> ResidualTokens<'t> {
        ResidualTokens { centroid_ids: &self.ids, id_width: Self::ID_WIDTH as u8, ..tokens }
    }
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
