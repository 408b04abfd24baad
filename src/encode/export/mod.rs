//! Checkpoints to ONNX models, without Python.
//!
//! [`convert`] takes a checkpoint as it is published (`config.json`, `model.safetensors` or its shards, `tokenizer.json`)
//! to a model directory that Lateen, sentence-transformers' ONNX backend and any ONNX runtime read:
//!
//! ```text
//! checkpoint ─ Checkpoint (headers) ─┐
//! config.json ─ Family ─ Net ────────┼─ GraphBuilder ─ file ─ onnx/model.onnx   (weights streamed one by one)
//! Head, Projection ─ head::build ────┘                      └ onnx/model.onnx_data, above 2 GB
//! modules.json, … ─ layout ────────────────────────────────── the small files beside it
//! ```
//!
//! | family | `model_type` | heads |
//! |---|---|---|
//! | BERT | `bert` | dense, tokens, cross-encoder, several |
//! | RoBERTa, XLM-R, CamemBERT | `roberta`, `xlm-roberta`, `camembert` | the same |
//! | DistilBERT | `distilbert` | the same |
//! | ModernBERT | `modernbert` | the same |
//! | Qwen2, Qwen3, Mistral, Llama | `qwen2`, `qwen3`, `mistral`, `llama` | the same, and next-token |
//!
//! The graph is plain operator set 17 with dynamic batch and sequence: ONNX Runtime and rten fuse attention, GELU and
//! scaling themselves and run it as fast as a graph with their own operators. Outputs agree with PyTorch's within
//! 1e-4 (`tests/fixtures/encode`).
//!
//! [`Pca`] fits the linear projection of a late-interaction model on a sample of its own token vectors.

mod activation;
mod attention;
mod bert;
mod checkpoint;
mod config;
mod convert;
mod decoder;
mod distilbert;
mod error;
mod family;
pub(super) mod file;
mod first_use;
mod graph;
mod head;
mod initializer;
mod inspect;
mod int8;
mod layout;
mod measure;
mod messages;
mod modernbert;
mod net;
mod pca;
mod post_norm;
mod roberta;
mod rope;

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::ModelOptions;

pub use checkpoint::Checkpoint;
pub use convert::convert;
pub use error::ExportError;
pub(super) use first_use::{LoadedAs, Ready, ready};
pub use head::{Head, Pooling, Projection};
pub use inspect::{CheckpointSummary, inspect};
pub use measure::Parity;
pub use pca::{FittedPca, Pca, PcaError};

/// What to make of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvertOptions {
    /// What the model answers.
    pub head: Head,
    /// How a dense model pools; `None` takes what the checkpoint declares, or else the mean of an encoder's tokens and
    /// the last one of a decoder's.
    pub pooling: Option<Pooling>,
    /// A linear map behind a token model; `None` takes the checkpoint's own Dense module, or none.
    pub projection: Option<Projection>,
    /// The most tokens of a text, special tokens included; `None` takes what suits the head and the checkpoint.
    pub max_tokens: Option<usize>,
    /// The most tokens of a query of a token model, special tokens included.
    pub max_query_tokens: usize,
    /// Put before a token model's queries; it must be one token of the vocabulary, or empty.
    pub query_prefix: String,
    /// Put before a token model's documents.
    pub document_prefix: String,
    /// Tokens whose vectors a token model leaves out of documents.
    pub skip_words: Vec<String>,
    /// Codes weights and activations in 8 bits: half the time and a quarter of the bytes, for vectors that are a little
    /// off. How far is measured: see [`Converted::parity`].
    pub int8: Option<Int8Options>,
    /// A graph that would be larger, in bytes, keeps its large weights in a second file, `model.onnx_data`.
    pub external_above: u64,
}

impl ConvertOptions {
    /// The defaults for `head`.
    ///
    /// A token model keeps every token, special ones and punctuation included, and as long a document as the encoder
    /// takes. On SciFact (test, nDCG@10, all-MiniLM-L6-v2 at 128 dimensions) that gives 0.711; documents cut at 256
    /// tokens give 0.695; leaving out special tokens or punctuation changes less than 0.002.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self {
            head,
            pooling: None,
            projection: None,
            max_tokens: None,
            max_query_tokens: 64,
            query_prefix: String::new(),
            document_prefix: String::new(),
            skip_words: Vec::new(),
            int8: None,
            external_above: file::MAX_BYTES,
        }
    }
}

/// How a model in 8 bits is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Int8Options {
    /// Texts on which the model is run, to find the columns that stay in f32 and to compare; none takes two dozen that
    /// are built in.
    pub texts: Vec<String>,
    /// What runs them.
    pub engine: ModelOptions,
    /// Code the tables of tokens and positions alone, which hold most of a small model's bytes; its layers stay in f32.
    pub tables_only: bool,
}

/// What [`convert`] has written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Converted {
    /// The checkpoint's family.
    pub family: &'static str,
    /// The ONNX file.
    pub onnx: PathBuf,
    /// The file beside it that holds its large weights, if they do not fit in.
    pub external: Option<PathBuf>,
    /// The size of both.
    pub bytes: u64,
    /// Dimensions of a vector, labels of a cross-encoder, or tokens of a vocabulary.
    pub dim: usize,
    /// The most tokens of a text that the directory declares.
    pub max_tokens: usize,
    /// Of a model in 8 bits: how far it is from the same in f32. Also written to `parity.json`.
    pub parity: Option<Parity>,
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ExportError> {
    let text = fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ExportError::MissingFile { path: path.to_owned() },
        _ => ExportError::Io { path: path.to_owned(), source },
    })?;
    serde_json::from_str(&text).map_err(|source| ExportError::Json { path: path.to_owned(), source })
}

#[cfg(all(test, any(feature = "onnxruntime", feature = "rten")))]
mod tests;
