//! Which document token answers which query token.

use super::residual::Residual;
use super::{SearchError, tokens};
use crate::index::{RawRows, Snapshot};
use crate::kernel::{self, Isa};
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

/// Finds the closest document token of every query token; the contributions sum to the score.
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
        let (scores, stride) = self.token_scores(doc)?;
        if scores.is_empty() {
            return Ok(Vec::new());
        }
        let matches = self.query.iter().enumerate().map(|(query_row, row)| {
            let column = scores.chunks_exact(stride).map(|scores| scores[query_row]);
            let (document_row, contribution) = largest(column);
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            let similarity = if norm > 0.0 { contribution / norm } else { 0.0 };
            RowMatch { query_row, document_row, contribution, similarity }
        });
        Ok(matches.collect())
    }

    /// All query-row × document-row products, `[document rows, stride]`.
    fn token_scores(&mut self, doc: DocId) -> Result<(Vec<f32>, usize), SearchError> {
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
            return self.prepared[at].insert(residual).token_scores(local);
        };
        let rows: Vec<f32> = match raw.document(local)? {
            RawRows::F32(rows) => rows.to_vec(),
            RawRows::F16(rows) => rows.iter().map(|x| x.to_f32()).collect(),
        };
        let rows = rows.chunks_exact(self.query.dim());
        let products = rows.flat_map(|row| self.query.iter().map(|q| kernel::dot(self.isa, q, row)));
        Ok((products.collect(), self.query.rows()))
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
