//! A document on its way in, checked before anything is done with it.

use super::IndexError;
use crate::format::{DenseStorage, IndexSettings, MAX_ID_LEN, StoredDocument, TokenStorage};
use crate::types::EncodedTokens;

/// The longest external id, in bytes.
pub const MAX_ID_BYTES: usize = MAX_ID_LEN;

/// The format's 1 GiB for a stored document, less its head.
const MAX_STORED_BYTES: u64 = (1 << 30) - 64;

/// A document to be added, already encoded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// The user's name for it, 1 to [`MAX_ID_BYTES`] bytes, for ever the same.
    pub id: String,
    /// Its token vectors, of any length (they are scaled to 1), possibly with no rows; `None` if and only if
    /// the index stores no tokens. The spans are not stored.
    pub tokens: Option<EncodedTokens>,
    /// Its dense vector, stored as given; `None` if and only if the index stores no dense vectors.
    pub dense: Option<Vec<f32>>,
    /// What people read: needed if the index stores documents, dropped if it does not.
    pub stored: Option<StoredDocument>,
    /// Tells whether a document of the same id is another version; see `corpus::Document::content_hash`.
    pub content_hash: u64,
}

const TOKENS: &str = "token matrix";
const DENSE: &str = "dense vector";

impl NewDocument {
    /// How many token vectors.
    pub(super) fn rows(&self) -> usize {
        self.tokens.as_ref().map_or(0, |tokens| tokens.matrix.view().rows())
    }

    /// Checks everything that a document can have wrong.
    pub(super) fn check(&self, settings: &IndexSettings) -> Result<(), IndexError> {
        check_id(&self.id)?;
        self.check_tokens(settings)?;
        self.check_dense(settings)?;
        match &self.stored {
            None if settings.store_documents => Err(self.missing("stored document")),
            Some(stored) if settings.store_documents => check_stored(stored),
            _ => Ok(()),
        }
    }

    fn check_tokens(&self, settings: &IndexSettings) -> Result<(), IndexError> {
        let wanted = settings.token_storage != TokenStorage::None;
        let tokens = match &self.tokens {
            Some(tokens) if wanted => tokens,
            Some(_) => return Err(self.unexpected(TOKENS)),
            None if wanted => return Err(self.missing(TOKENS)),
            None => return Ok(()),
        };
        let matrix = tokens.matrix.view();
        if matrix.dim() != settings.token_dim as usize {
            return Err(IndexError::DimensionMismatch {
                id: self.id.clone(),
                part: TOKENS,
                expected: settings.token_dim as usize,
                found: matrix.dim(),
            });
        }
        if !tokens.token_ids.is_empty() && tokens.token_ids.len() != matrix.rows() {
            return Err(IndexError::TokenIdCount {
                id: self.id.clone(),
                ids: tokens.token_ids.len(),
                rows: matrix.rows(),
            });
        }
        match matrix.iter().position(|row| row.iter().all(|&x| x == 0.0)) {
            Some(row) => Err(IndexError::ZeroRow { id: self.id.clone(), part: TOKENS, row }),
            None => Ok(()),
        }
    }

    fn check_dense(&self, settings: &IndexSettings) -> Result<(), IndexError> {
        let wanted = settings.dense_storage != DenseStorage::None;
        let vector = match &self.dense {
            Some(vector) if wanted => vector,
            Some(_) => return Err(self.unexpected(DENSE)),
            None if wanted => return Err(self.missing(DENSE)),
            None => return Ok(()),
        };
        if vector.len() != settings.dense_dim as usize {
            return Err(IndexError::DimensionMismatch {
                id: self.id.clone(),
                part: DENSE,
                expected: settings.dense_dim as usize,
                found: vector.len(),
            });
        }
        let limit = match settings.dense_storage {
            DenseStorage::F16 => f32::from(half::f16::MAX),
            _ => f32::MAX,
        };
        if let Some(column) = vector.iter().position(|x| !x.is_finite() || x.abs() > limit) {
            let value = vector[column];
            return Err(IndexError::NotStorable { id: self.id.clone(), part: DENSE, column, value });
        }
        if vector.iter().all(|&x| x == 0.0) {
            return Err(IndexError::ZeroRow { id: self.id.clone(), part: DENSE, row: 0 });
        }
        Ok(())
    }

    fn missing(&self, part: &'static str) -> IndexError {
        IndexError::MissingPart { id: self.id.clone(), part }
    }

    fn unexpected(&self, part: &'static str) -> IndexError {
        IndexError::UnexpectedPart { id: self.id.clone(), part }
    }
}

/// Refused here, so that no document that cannot be written waits in the buffer.
fn check_stored(stored: &StoredDocument) -> Result<(), IndexError> {
    let count = (stored.title.len() + stored.text.len() + stored.metadata.len()) as u64;
    if count <= MAX_STORED_BYTES {
        return Ok(());
    }
    Err(IndexError::TooMany { what: "bytes of a stored document", count, max: MAX_STORED_BYTES })
}

/// Ids are bounded so that no message, file name or index of ids can be blown up by one.
pub(super) fn check_id(id: &str) -> Result<(), IndexError> {
    if (1..=MAX_ID_BYTES).contains(&id.len()) {
        return Ok(());
    }
    let shown = id.chars().take(40).collect();
    Err(IndexError::InvalidId { shown, bytes: id.len(), max: MAX_ID_BYTES })
}
