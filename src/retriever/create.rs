//! What an index is created with, and which model it is opened with.

use std::path::Path;
use std::sync::Arc;

use lateen_index_format::{DenseStorage, IndexSettings, ModelIdentity, TokenStorage, Words};

use super::Error;
use crate::encode::{Model, ModelOptions};

/// Settings of a new index; they hold for its whole life.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// How token vectors are kept. Default: 4-bit codes if the model makes token vectors.
    pub token_storage: Option<TokenStorage>,
    /// How dense vectors are kept. Default: f16 if the model makes dense vectors only.
    pub dense_storage: Option<DenseStorage>,
    /// Whether titles, texts and metadata are kept, for showing hits and matching words. Default true.
    pub store_documents: bool,
    /// How titles and texts are cut into words, for BM25 and hybrid search; takes a byte or a few for each different word of a
    /// document. Default English where documents are stored.
    pub words: Option<Words>,
    /// Seed of everything that is random in building. Default 42.
    pub seed: u64,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self { token_storage: None, dense_storage: None, store_documents: true, words: None, seed: 42 }
    }
}

/// Where the model of an existing index comes from.
#[derive(Debug, Clone)]
pub enum ModelSource {
    /// The one that the index names: one that is compiled in, or the directory it was loaded from.
    Recorded(ModelOptions),
    /// This one; it must have the fingerprint that the index names.
    Given(Arc<Model>),
}

impl Default for ModelSource {
    fn default() -> Self {
        Self::Recorded(ModelOptions::default())
    }
}

pub(super) fn settings(model: &Model, options: &CreateOptions) -> Result<IndexSettings, Error> {
    let not_made = |what| Error::NotMade { model: model.name().to_owned(), what };
    let token_storage = options.token_storage.unwrap_or(match model.token_dim() {
        Some(_) => TokenStorage::Residual4,
        None => TokenStorage::None,
    });
    let dense_storage = options.dense_storage.unwrap_or(match model.token_dim() {
        Some(_) => DenseStorage::None,
        None => DenseStorage::F16,
    });
    let token_dim = match token_storage {
        TokenStorage::None => 0,
        _ => model.token_dim().ok_or_else(|| not_made("token vectors"))?,
    };
    let dense_dim = match dense_storage {
        DenseStorage::None => 0,
        _ => model.dense_dim().ok_or_else(|| not_made("dense vectors"))?,
    };
    Ok(IndexSettings {
        token_dim: token_dim as u32,
        token_storage,
        dense_dim: dense_dim as u32,
        dense_storage,
        store_documents: options.store_documents,
        seed: options.seed,
        words: options.words.unwrap_or(if options.store_documents { Words::English } else { Words::None }),
    })
}

pub(super) fn identity(model: &Model) -> ModelIdentity {
    let location = model.location().map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()));
    ModelIdentity {
        name: model.name().to_owned(),
        location: match (location, model.compiled_in()) {
            (Some(dir), _) => dir.to_string_lossy().into_owned(),
            (None, name) => name.unwrap_or(Model::BUNDLED).to_owned(),
        },
        fingerprint: model.fingerprint(),
        description: model.description(),
    }
}

#[cfg(feature = "bundled-model")]
fn compiled_in(name: &str, options: &ModelOptions) -> Option<Result<Model, Error>> {
    Model::by_name(name, options).map(|model| model.map_err(Error::from))
}

#[cfg(not(feature = "bundled-model"))]
fn compiled_in(name: &str, _options: &ModelOptions) -> Option<Result<Model, Error>> {
    Model::COMPILED_IN.contains(&name).then_some(Err(Error::NoBundledModel))
}

pub(super) fn model_of(recorded: &ModelIdentity, source: ModelSource) -> Result<Arc<Model>, Error> {
    let model = match source {
        ModelSource::Given(model) => model,
        ModelSource::Recorded(options) => Arc::new(match compiled_in(&recorded.location, &options) {
            Some(model) => model?,
            None => Model::load(Path::new(&recorded.location), &options)?,
        }),
    };
    if model.fingerprint() == recorded.fingerprint {
        return Ok(model);
    }
    Err(Error::ModelMismatch { index: recorded.name.clone(), given: model.name().to_owned() })
}
