//! A guide that finds false negatives in batches.
//!
//! Another embedding model compares every query of a batch with every document; what it finds nearer than the query's own
//! positive is no negative (Solatorio, "GISTEmbed", arXiv:2402.16829). Its answers are part of a batch, so that a batch
//! stays a function of settings, data and step.

use std::collections::HashMap;
use std::path::Path;

use lateen::encode::{EncodeError, Model, ModelOptions};
use xxhash_rust::xxh3::xxh3_128;

use crate::data::{BatchTexts, Groups};
use crate::loss::false_negatives;
use crate::score::cosine;

/// Vectors that are kept, so that a text is not encoded each epoch.
const KEPT: usize = 200_000;

/// An embedding model that Lateen loads.
#[derive(Debug)]
pub(super) struct Guide {
    model: Model,
    margin: f32,
    queries: HashMap<u128, Vec<f32>>,
    documents: HashMap<u128, Vec<f32>>,
}

impl Guide {
    /// Loads the model in `directory`. `margin`: how far below the positive a document counts as one too.
    pub(super) fn load(directory: &Path, margin: f64) -> Result<Self, EncodeError> {
        let model = Model::load(directory, &ModelOptions::default())?;
        let (queries, documents) = (HashMap::new(), HashMap::new());
        Ok(Self { model, margin: margin as f32, queries, documents })
    }

    /// Pairs `(query, document)` of a batch that may not count as negatives.
    pub(super) fn masked(
        &mut self,
        texts: &BatchTexts,
        groups: &Groups,
    ) -> Result<Vec<(usize, usize)>, EncodeError> {
        let (model, kept) = (&self.model, KEPT);
        let queries =
            vectors(&mut self.queries, &texts.queries, kept, |new| model.encode_queries_dense(new))?;
        let documents =
            vectors(&mut self.documents, &texts.documents, kept, |new| model.encode_documents_dense(new))?;
        let table: Vec<f32> =
            queries.iter().flat_map(|query| documents.iter().map(move |d| cosine(query, d))).collect();
        Ok(false_negatives(&table, groups, self.margin))
    }
}

/// The vectors of `texts`, in their order; those that are not `known` are made.
fn vectors(
    known: &mut HashMap<u128, Vec<f32>>,
    texts: &[String],
    kept: usize,
    encode: impl FnOnce(&[&str]) -> Result<Vec<Vec<f32>>, EncodeError>,
) -> Result<Vec<Vec<f32>>, EncodeError> {
    if known.len() > kept {
        known.clear();
    }
    let key = |text: &str| xxh3_128(text.as_bytes());
    let mut new: Vec<&str> =
        texts.iter().map(String::as_str).filter(|t| !known.contains_key(&key(t))).collect();
    new.sort_unstable();
    new.dedup();
    if !new.is_empty() {
        let made = encode(&new)?;
        known.extend(new.iter().map(|text| key(text)).zip(made));
    }
    Ok(texts.iter().map(|text| known.get(&key(text)).cloned().unwrap_or_default()).collect())
}
