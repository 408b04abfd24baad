//! What a model directory says about itself: each layout becomes one [`Recipe`].

mod colbert;
mod graphs;
mod plain;
mod sentence_transformers;

use std::path::PathBuf;

use graphs::{find_graph, no_graph};
pub(super) use graphs::{graph, variants};
use serde::Deserialize;

use super::directory::ModelDirectory;
use super::layer::Layer;
use super::pooling::Pooling;
use super::{EncodeError, ModelOptions, m3};

/// The longest text that a configuration may ask for, in tokens.
pub(super) const MAX_TOKENS: usize = 1 << 20;

/// The layouts a directory can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    LateenStatic,
    Model2Vec,
    SentenceTransformers,
    PyLate,
    Stanford,
    /// `model.onnx` with `onnx_config.json`.
    OnnxColbert,
    /// `model.onnx` and a tokenizer, and nothing that tells more.
    Plain,
}

impl Layout {
    /// Whether models of this layout run a graph; the others look vectors up.
    pub(super) fn has_graph(self) -> bool {
        !matches!(self, Self::LateenStatic | Self::Model2Vec)
    }
}

/// How an ONNX graph is used as an encoder.
#[derive(Debug)]
pub(super) struct Recipe {
    /// Where the tokenizer and its settings are.
    pub(super) transformer: ModelDirectory,
    pub(super) graph: PathBuf,
    pub(super) lowercase: bool,
    pub(super) max_query: Option<usize>,
    pub(super) max_document: Option<usize>,
    pub(super) query_prompt: String,
    pub(super) document_prompt: String,
    pub(super) head: Head,
    /// Applied after pooling, or to each token; left out where the graph contains them.
    pub(super) layers: Vec<Layer>,
    /// The bytes of the layers' weights, for the fingerprint.
    pub(super) layer_bytes: Vec<Vec<u8>>,
    /// Whether vectors are scaled to length 1 at the end.
    pub(super) normalize: bool,
    /// What was assumed because the directory does not say it.
    pub(super) notes: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Head {
    /// One vector a text.
    Pooled { modes: Vec<Pooling>, include_prompt: bool },
    /// One vector a token.
    Tokens(TokenRules),
}

/// What a late-interaction model does with tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenRules {
    /// Tokens inserted after the first mark. Text that is no token is put before the text instead.
    pub(super) query_prefix: String,
    pub(super) document_prefix: String,
    pub(super) expansion: Option<Expansion>,
    /// Words whose tokens are left out.
    pub(super) skip_words: Vec<String>,
    /// Whether they are left out of queries too.
    pub(super) skip_in_queries: bool,
    /// Whether they are left out of documents.
    pub(super) skip_in_documents: bool,
    /// Whether words that are no token skip the unknown token, as PyLate does.
    pub(super) skip_unknown: bool,
}

/// Queries are filled up with a token, which the model turns into further terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expansion {
    pub(super) length: usize,
    /// Whether the other tokens attend to the filling.
    pub(super) attend: bool,
    /// The filling, if it is not the mask token.
    pub(super) token: Option<String>,
    /// Whether queries longer than `length` are cut to it.
    pub(super) fixed: bool,
}

/// Python's `string.punctuation`.
pub(super) fn punctuation() -> Vec<String> {
    (b'!'..=b'~').map(char::from).filter(char::is_ascii_punctuation).map(String::from).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    model_type: Option<String>,
    architectures: Option<Vec<String>>,
}

/// Finds out which layout a directory has.
pub(super) fn detect(directory: &ModelDirectory) -> Result<Layout, EncodeError> {
    let config: Config = directory.optional_json("config.json")?.unwrap_or_default();
    let architecture = |name: &str| config.architectures.iter().flatten().any(|found| found == name);
    match config.model_type.as_deref() {
        Some("lateen-static") => return Ok(Layout::LateenStatic),
        Some("model2vec") => return Ok(Layout::Model2Vec),
        _ if architecture("StaticModel") => return Ok(Layout::Model2Vec),
        _ => {}
    }
    if directory.has("artifact.metadata") || architecture("HF_ColBERT") {
        return Ok(Layout::Stanford);
    }
    if colbert::is_pylate(directory)? {
        return Ok(Layout::PyLate);
    }
    if directory.has("modules.json") {
        return Ok(Layout::SentenceTransformers);
    }
    if directory.has("onnx_config.json") {
        return Ok(Layout::OnnxColbert);
    }
    if let Some(path) = m3::is_unread_colbert(directory) {
        return Err(EncodeError::PickledHead { path });
    }
    if find_graph(&[directory], None).is_some() || m3::has_heads(directory) {
        return Ok(Layout::Plain);
    }
    if directory.has("model.safetensors") || !variants(&[directory]).is_empty() {
        return Err(no_graph(&[directory], None));
    }
    match directory.pickle() {
        Some(path) => Err(EncodeError::Pickle { path }),
        None => Err(EncodeError::UnknownLayout { directory: directory.root().to_owned() }),
    }
}

/// Reads the recipe of a layout that has a graph.
pub(super) fn recipe(
    layout: Layout,
    directory: &ModelDirectory,
    options: &ModelOptions,
) -> Result<Recipe, EncodeError> {
    match layout {
        Layout::Stanford => colbert::stanford(directory, options),
        Layout::PyLate => colbert::pylate(directory, options),
        Layout::OnnxColbert => colbert::onnx_colbert(directory, options),
        Layout::SentenceTransformers => sentence_transformers::recipe(directory, options),
        _ => plain::recipe(directory, options),
    }
}

/// A length from a configuration, in bounds.
fn checked_length(
    directory: &ModelDirectory,
    file: &str,
    field: &'static str,
    length: Option<i64>,
) -> Result<Option<usize>, EncodeError> {
    match length.map(|length| (length, usize::try_from(length))) {
        None => Ok(None),
        Some((_, Ok(length))) if (1..=MAX_TOKENS).contains(&length) => Ok(Some(length)),
        Some((found, _)) => Err(EncodeError::Field {
            path: directory.path(file),
            field,
            found: found.to_string(),
            expected: "1 to 1048576 tokens",
        }),
    }
}
