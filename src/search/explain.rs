//! Which document token answers which query token.

use super::{SearchError, tokens};
use crate::index::Snapshot;
use crate::kernel::Isa;
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
/// Computed on what the index stores, as the search itself does. Cost:
/// `query tokens · document tokens · dim`. Empty if the document has no tokens.
///
/// # Errors
/// [`SearchError::NoSuchDocument`], [`SearchError::DimensionMismatch`], or what reading the segment
/// runs into.
pub fn explain(
    snapshot: &Snapshot,
    query: TokenMatrix<'_>,
    doc: DocId,
    isa: Isa,
) -> Result<Vec<RowMatch>, SearchError> {
    let (scores, stride) = tokens::token_scores(snapshot, query, doc, isa)?;
    if scores.is_empty() {
        return Ok(Vec::new());
    }
    let matches = query.iter().enumerate().map(|(query_row, row)| {
        let column = scores.chunks_exact(stride).map(|scores| scores[query_row]);
        let (document_row, contribution) = largest(column);
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        let similarity = if norm > 0.0 { contribution / norm } else { 0.0 };
        RowMatch { query_row, document_row, contribution, similarity }
    });
    Ok(matches.collect())
}

fn largest(values: impl Iterator<Item = f32>) -> (usize, f32) {
    values.enumerate().fold(
        (0, f32::NEG_INFINITY),
        |best, (at, value)| {
            if value > best.1 { (at, value) } else { best }
        },
    )
}
