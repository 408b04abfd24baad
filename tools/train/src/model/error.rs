//! What can be wrong with a base model.

use std::path::PathBuf;

/// A model could not be read, built or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The folder lacks a file: give a Hugging Face model directory with `config.json`, `tokenizer.json` and safetensors
    /// weights.
    #[error("{path} is missing", path = path.display())]
    MissingFile {
        /// The file or folder.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was said.
        source: std::io::Error,
    },
    /// The file is not what its name says: fetch it again.
    #[error("{path}: {source}", path = path.display())]
    Json {
        /// The file or folder.
        path: PathBuf,
        /// What was said.
        source: serde_json::Error,
    },
    /// The weights are damaged: fetch them again.
    #[error("{path}: {source}", path = path.display())]
    Safetensors {
        /// The file or folder.
        path: PathBuf,
        /// What was said.
        source: safetensors::SafeTensorError,
    },
    /// `config.json` asks for something that cannot be trained here.
    #[error("{path}: {field} is {found}; {expected}", path = path.display())]
    Config {
        /// The file or folder.
        path: PathBuf,
        /// The setting.
        field: &'static str,
        /// What is there.
        found: String,
        /// What can be used.
        expected: &'static str,
    },
    /// The checkpoint and its `config.json` do not belong together.
    #[error("{path} has no tensor {tensor}", path = path.display())]
    MissingTensor {
        /// The file or folder.
        path: PathBuf,
        /// Its name.
        tensor: String,
    },
    /// The checkpoint and its `config.json` do not belong together.
    #[error("{path}: tensor {tensor} has shape {found:?}, expected {expected:?}", path = path.display())]
    Shape {
        /// The file or folder.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// What can be used.
        expected: Vec<usize>,
        /// What is there.
        found: Vec<usize>,
    },
    /// Numbers of this kind are not read: save the checkpoint as float32, float16 or bfloat16.
    #[error("{path}: tensor {tensor} holds {dtype}", path = path.display())]
    DType {
        /// The file or folder.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// What it holds.
        dtype: String,
    },
    /// A weight is infinite or no number: the checkpoint is of no use.
    #[error("{path}: tensor {tensor} is not finite at {at}", path = path.display())]
    NotFinite {
        /// The file or folder.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// The first such number.
        at: usize,
    },
    /// Convert the file, then try again.
    #[error(
        "{path} is a pickle, which can run code and is never read; convert it with: python -c \"import torch, \
         safetensors.torch as s; s.save_file(torch.load('{path}', weights_only=True), '{wanted}')\"",
        path = path.display()
    )]
    Pickle {
        /// The refused file.
        path: PathBuf,
        /// The one that is read.
        wanted: &'static str,
    },
    /// A token id is outside the vocabulary: model and tokenizer do not belong together.
    #[error("token id {id} is not below the vocabulary's size, {vocabulary}")]
    TokenId {
        /// The token.
        id: u32,
        /// Ids are below this.
        vocabulary: usize,
    },
    /// A text has more tokens than the model has positions: lower the length settings.
    #[error("a text has {found} tokens, the model takes {limit}")]
    TooLong {
        /// What is there.
        found: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A row of a batch holds no token.
    #[error("row {row} of the batch holds no token")]
    EmptyRow {
        /// Counted from 0.
        row: usize,
    },
}
