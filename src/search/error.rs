//! What a search can refuse.

use crate::ann::AnnError;
use crate::encode::export::PcaError;
use crate::index::IndexError;
use crate::types::MatrixError;

/// Why a search gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The query was made by another model than the index: encode it with the index's own.
    #[error("the query has {query} dimensions, the index has {index}")]
    DimensionMismatch {
        /// Columns of the query.
        query: usize,
        /// Dimension that the index was created with.
        index: usize,
    },
    /// Nothing can be found for nothing: give a query with at least one token.
    #[error("the query has no tokens")]
    EmptyQuery,
    /// The index was created without the vectors that this search needs.
    #[error("the index holds no {what}; create it with them")]
    NotStored {
        /// `token vectors` or `dense vectors`.
        what: &'static str,
    },
    /// Two-stage search needs centroids, which indexes of uncompressed tokens do not have.
    #[error("the two-stage plan needs codes, the index stores {storage}; use the exact plan")]
    PlanNotPossible {
        /// How the tokens are stored.
        storage: &'static str,
    },
    /// Ask for a share above 0 and at most 1, or `exact`.
    #[error("a recall is a number above 0 and at most 1, or `exact`, not {found}")]
    Recall {
        /// What was asked for.
        found: String,
    },
    /// The vectors cannot be had in fewer dimensions: take more documents, or other dimensions.
    #[error("no projection to fewer dimensions: {0}")]
    Projection(#[from] PcaError),
    /// There is no live document of that number in the snapshot.
    #[error("the snapshot has no document {doc}")]
    NoSuchDocument {
        /// The number asked for.
        doc: u32,
    },
    /// The query vector has a NaN or an infinity at this place.
    #[error("component {column} of the query is not a finite number")]
    NotFinite {
        /// The component, from 0.
        column: usize,
    },
    /// The numbers of the query are too large to compute with: scale them down.
    #[error("the rotated query overflows: {0}")]
    Query(#[source] MatrixError),
    /// A file of the index could not be read or is damaged.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Links or lists of a segment lead to documents that do not exist: whoever wrote it wrote it wrongly.
    #[error("a segment's candidates do not hold together: {0}")]
    Candidates(#[from] AnnError),
    /// The pool of the requested number of threads could not be started.
    #[error("{threads} search threads could not be started")]
    Threads {
        /// How many were asked for.
        threads: usize,
    },
}
