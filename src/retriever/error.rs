//! Everything that can go wrong between text and hits.

use crate::corpus::CorpusError;
use crate::encode::EncodeError;
use crate::encode::cache::{CacheError, CachedModelError};
use crate::index::IndexError;
use crate::rerank::RerankError;
use crate::search::{FusionError, SearchError};

/// What a [`Retriever`](super::Retriever) can refuse.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Give a query with at least one token that the model knows.
    #[error("the query has nothing to search for")]
    EmptyQuery,
    /// Open the index with the model it was made with, or index the documents again.
    #[error("the index was made with model {index:?}, not with {given:?}: their fingerprints differ")]
    ModelMismatch {
        /// The model that the index names.
        index: String,
        /// The model that was given or found.
        given: String,
    },
    /// The index was made with the bundled model, and this build of the library has none: build it with the feature
    /// `bundled-model`, or give the model.
    #[error("the index was made with the bundled model, which this build of the library does not have")]
    NoBundledModel,
    /// Choose vectors that the model makes, or another model.
    #[error("model {model:?} makes no {what}")]
    NotMade {
        /// The model's name.
        model: String,
        /// `token vectors` or `dense vectors`.
        what: &'static str,
    },
    /// The document with this id could not be taken; all others before it were.
    #[error("document {id:?}: {source}")]
    Document {
        /// External id.
        id: String,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// There is no such document in the snapshot.
    #[error("the index has no document {id:?}")]
    NoSuchDocument {
        /// External id.
        id: String,
    },
    /// The index was created without texts; create it with `store_documents`.
    #[error("the index stores no texts")]
    NoTexts,
    /// A file of documents is not as it should be.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The model could not be loaded or run.
    #[error(transparent)]
    Model(#[from] EncodeError),
    /// Encodings could not be kept: see [`CacheError`].
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The index could not be read or written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The search was not possible.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The two rankings of a hybrid search could not be fused.
    #[error(transparent)]
    Fusion(#[from] FusionError),
    /// The hits could not be reranked.
    #[error(transparent)]
    Rerank(#[from] RerankError),
}

/// What kind of trouble an [`Error`] is, for exit codes and retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request cannot be met as it was put.
    Usage,
    /// An input file is not as it should be.
    BadData,
    /// A file of the index is damaged, foreign, or of another version.
    Damaged,
    /// Another writer holds the index: try again later.
    Locked,
    /// The system refused: a missing file, a full disk.
    Io,
    /// A model is missing, damaged or cannot run.
    Model,
}

impl From<CachedModelError> for Error {
    fn from(error: CachedModelError) -> Self {
        match error {
            CachedModelError::Model(error) => Self::Model(error),
            CachedModelError::Cache(error) => Self::Cache(error),
        }
    }
}
