//! Which document token answers which query token.

use super::residual::Residual;
use super::{SearchError, tokens};
use crate::index::{RawRows, Snapshot};
use crate::kernel::{Isa, QueryF32, sum_of_maxima};
use crate::types::{DocId, TokenMatrix};

/// One query token and its closest document token.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RowMatch {
    /// Row of the query, from 0.
    pub query_row: usize,
    /// Row of the document, from 0; of equal ones the first.
    pub document_row: usize,
    /// `⟨q, d⟩`: what the pair adds to the score.
    pub contribution: f32,
    /// `⟨q, d⟩ / ‖q‖`: the cosine, document rows being of length 1. 0 for a query row of zeros.
    pub similarity: f32,
}

/// The score that these matches make up: that of the search, to the last bit.
///
/// `matches` are all those of one document, in the query's order. 32-bit sums depend on their order; this one is
/// [`sum_of_maxima`]'s.
#[must_use]
pub fn score_of(matches: &[RowMatch]) -> f32 {
    let contributions: Vec<f32> = matches.iter().map(|row| row.contribution).collect();
    sum_of_maxima(&contributions)
}

/// Every product of a query's rows and a document's rows.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenScores {
    scores: Vec<f32>,
    stride: usize,
    query_rows: usize,
}

impl TokenScores {
    /// Rows of the document.
    #[must_use]
    pub fn document_rows(&self) -> usize {
        self.scores.len().checked_div(self.stride).unwrap_or(0)
    }

    /// Rows of the query.
    #[must_use]
    pub fn query_rows(&self) -> usize {
        self.query_rows
    }

    /// `⟨q, d⟩` of each of the query's rows `q` with the document's row `d`.
    ///
    /// # Panics
    /// If the document has no such row.
    #[must_use]
    pub fn of_document_row(&self, row: usize) -> &[f32] {
        &self.scores[row * self.stride..][..self.query_rows]
    }
}

/// Finds the closest document token of every query token; the contributions sum to the score ([`score_of`]).
///
/// [`Explainer`] for one document.
///
/// # Errors
/// As [`Explainer::new`] and [`Explainer::explain`].
pub fn explain(
    snapshot: &Snapshot,
    query: TokenMatrix<'_>,
    doc: DocId,
    isa: Isa,
) -> Result<Vec<RowMatch>, SearchError> {
    Explainer::new(snapshot, query, isa)?.explain(doc)
}

/// Explains any number of documents for one query.
///
/// What depends on the query and a segment alone, such as the scores of the segment's centroids, is
/// computed once per segment: `query tokens · centroids · dim`. A document then costs
/// `query tokens · document tokens · dim`.
pub struct Explainer<'a> {
    snapshot: &'a Snapshot,
    query: TokenMatrix<'a>,
    isa: Isa,
    /// By segment.
    prepared: Vec<Option<Residual<'a>>>,
}

impl<'a> Explainer<'a> {
    /// Explains documents of `snapshot` for `query`.
    ///
    /// # Errors
    /// [`SearchError::DimensionMismatch`], [`SearchError::EmptyQuery`], [`SearchError::NotStored`].
    pub fn new(snapshot: &'a Snapshot, query: TokenMatrix<'a>, isa: Isa) -> Result<Self, SearchError> {
        tokens::check(snapshot, query)?;
        let prepared = snapshot.segments().iter().map(|_| None).collect();
        Ok(Self { snapshot, query, isa, prepared })
    }

    /// What is searched.
    #[must_use]
    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// Finds the closest token of `doc` for every query token, on what the index stores, as the search
    /// itself does. Empty if the document has no tokens.
    ///
    /// # Errors
    /// [`SearchError::NoSuchDocument`], or what reading the segment runs into.
    pub fn explain(&mut self, doc: DocId) -> Result<Vec<RowMatch>, SearchError> {
        let scores = self.token_scores(doc)?;
        Ok(self.matches(&scores))
    }

    /// Of all `scores` of a document, the largest of every query token.
    #[must_use]
    pub fn matches(&self, scores: &TokenScores) -> Vec<RowMatch> {
        if scores.document_rows() == 0 {
            return Vec::new();
        }
        let matches = self.query.iter().enumerate().map(|(query_row, row)| {
            let column = (0..scores.document_rows()).map(|row| scores.of_document_row(row)[query_row]);
            let (document_row, contribution) = largest(column);
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            let similarity = if norm > 0.0 { contribution / norm } else { 0.0 };
            RowMatch { query_row, document_row, contribution, similarity }
        });
        matches.collect()
    }

    /// All products of the query's tokens and those of `doc`, on what the index stores, as the search computes them.
    ///
    /// # Errors
    /// As [`Explainer::explain`].
    pub fn token_scores(&mut self, doc: DocId) -> Result<TokenScores, SearchError> {
        let query_rows = self.query.rows();
        let (at, local) = self.snapshot.segment_of(doc)?;
        let segment = &self.snapshot.segments()[at];
        if !segment.is_live(local) {
            return Err(SearchError::NoSuchDocument { doc: doc.0 });
        }
        let Some(raw) = segment.reader().raw()? else {
            let residual = match self.prepared[at].take() {
                Some(residual) => residual,
                None => Residual::prepare(segment, self.query, self.isa)?,
            };
            let (scores, stride) = self.prepared[at].insert(residual).token_scores(local)?;
            return Ok(TokenScores { scores, stride, query_rows });
        };
        let rows: Vec<f32> = match raw.document(local)? {
            RawRows::F32(rows) => rows.to_vec(),
            RawRows::F16(rows) => rows.iter().map(|x| x.to_f32()).collect(),
        };
        // Row by row the search's own kernel, so that the numbers are the search's own.
        let query = QueryF32::pack(self.isa, self.query);
        let scores = rows.chunks_exact(self.query.dim()).flat_map(|row| query.maxima(row)).collect();
        Ok(TokenScores { scores, stride: query_rows, query_rows })
    }
}

fn largest(values: impl Iterator<Item = f32>) -> (usize, f32) {
    values.enumerate().fold(
        (0, f32::NEG_INFINITY),
        |best, (at, value)| {
            if value > best.1 { (at, value) } else { best }
        },
    )
}
