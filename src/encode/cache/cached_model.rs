//! A model that remembers.

use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::payload::Encoding;
use super::{CacheError, EncodingCache};
use crate::encode::{EncodeError, Model};
use crate::types::EncodedTokens;

/// A [`Model`] that looks into a cache before it encodes, and keeps what it encoded.
///
/// Without a cache it is the model alone.
#[derive(Debug, Clone)]
pub struct CachedModel {
    model: Arc<Model>,
    cache: Option<Arc<EncodingCache>>,
}

/// Why a text has no encoding.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CachedModelError {
    /// The model cannot give it.
    #[error(transparent)]
    Model(#[from] EncodeError),
    /// It cannot be kept.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// What a text is to the model; part of the key.
#[derive(Clone, Copy)]
enum Side {
    QueryTokens = 1,
    DocumentTokens = 2,
    QueryVector = 3,
    DocumentVector = 4,
}

impl CachedModel {
    /// Puts `cache` before `model`.
    #[must_use]
    pub fn new(model: Arc<Model>, cache: Option<Arc<EncodingCache>>) -> Self {
        Self { model, cache }
    }

    /// The model itself.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// [`Model::encode_query_tokens`].
    ///
    /// # Errors
    /// [`CachedModelError`].
    pub fn encode_query_tokens(&self, text: &str) -> Result<EncodedTokens, CachedModelError> {
        let made =
            self.tokens(&[text], Side::QueryTokens, |_| Ok(vec![self.model.encode_query_tokens(text)?]));
        made.map(|mut tokens| tokens.remove(0))
    }

    /// [`Model::encode_document_tokens`].
    ///
    /// # Errors
    /// [`CachedModelError`].
    pub fn encode_document_tokens(&self, texts: &[&str]) -> Result<Vec<EncodedTokens>, CachedModelError> {
        self.tokens(texts, Side::DocumentTokens, |texts| self.model.encode_document_tokens(texts))
    }

    /// [`Model::encode_queries_dense`].
    ///
    /// # Errors
    /// [`CachedModelError`].
    pub fn encode_queries_dense(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, CachedModelError> {
        self.vectors(texts, Side::QueryVector, |texts| self.model.encode_queries_dense(texts))
    }

    /// [`Model::encode_documents_dense`].
    ///
    /// # Errors
    /// [`CachedModelError`].
    pub fn encode_documents_dense(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, CachedModelError> {
        self.vectors(texts, Side::DocumentVector, |texts| self.model.encode_documents_dense(texts))
    }

    fn tokens(
        &self,
        texts: &[&str],
        side: Side,
        encode: impl FnOnce(&[&str]) -> Result<Vec<EncodedTokens>, EncodeError>,
    ) -> Result<Vec<EncodedTokens>, CachedModelError> {
        let take = |encoding| match encoding {
            Encoding::Tokens(tokens) => Some(tokens),
            Encoding::Vector(_) => None,
        };
        self.all(texts, side, encode, (Encoding::Tokens, take))
    }

    fn vectors(
        &self,
        texts: &[&str],
        side: Side,
        encode: impl FnOnce(&[&str]) -> Result<Vec<Vec<f32>>, EncodeError>,
    ) -> Result<Vec<Vec<f32>>, CachedModelError> {
        let take = |encoding| match encoding {
            Encoding::Vector(vector) => Some(vector),
            Encoding::Tokens(_) => None,
        };
        self.all(texts, side, encode, (Encoding::Vector, take))
    }

    /// Looks every text up, encodes together those that are not there, and keeps them.
    fn all<T: Clone>(
        &self,
        texts: &[&str],
        side: Side,
        encode: impl FnOnce(&[&str]) -> Result<Vec<T>, EncodeError>,
        (wrap, take): (impl Fn(T) -> Encoding, impl Fn(Encoding) -> Option<T>),
    ) -> Result<Vec<T>, CachedModelError> {
        let Some(cache) = &self.cache else { return Ok(encode(texts)?) };
        let keys: Vec<u128> = texts.iter().map(|text| self.key(side, text)).collect();
        let mut found: Vec<Option<T>> = keys.iter().map(|&key| cache.get(key).and_then(&take)).collect();
        let missing: Vec<usize> = (0..texts.len()).filter(|&at| found[at].is_none()).collect();
        if !missing.is_empty() {
            let wanted: Vec<&str> = missing.iter().map(|&at| texts[at]).collect();
            for (at, made) in missing.into_iter().zip(encode(&wanted)?) {
                cache.put(keys[at], &wrap(made.clone()))?;
                found[at] = Some(made);
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn key(&self, side: Side, text: &str) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&self.model.fingerprint());
        hash.update(&[side as u8]);
        hash.update(text.as_bytes());
        hash.digest128()
    }
}
