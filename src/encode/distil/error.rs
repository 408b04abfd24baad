use std::error::Error;
use std::io;
use std::path::PathBuf;

use super::super::export::PcaError;
use crate::types::MatrixError;

/// Why no table could be distilled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DistilError {
    /// Check that the path exists, may be read or written, and that the disk has room.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is no `tokenizer.json` that this crate reads.
    #[error("{path} is no readable tokenizer: {source}", path = path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The tokenizer does not frame a text by a first and a last special token, as BERT's does.
    #[error("{path} puts no special token before and after a text", path = path.display())]
    Frame {
        /// The tokenizer.
        path: PathBuf,
    },
    /// A text could not be tokenised.
    #[error("text {text} cannot be tokenised: {source}")]
    Text {
        /// Which text of the corpus, from 0.
        text: u64,
        /// What the tokenizer said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Set the option to a possible value.
    #[error("{option} must be {expected}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What is possible.
        expected: &'static str,
    },
    /// The model file is damaged or of another kind.
    #[error("the model failed: {source}")]
    Model {
        /// What the runtime said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The model gave another number of rows, or another dimension, than it was asked for.
    #[error("the model gave {found} rows for a text of {expected} tokens")]
    Rows {
        /// Tokens given.
        expected: usize,
        /// Rows that came back.
        found: usize,
    },
    /// The model's numbers are not finite: its weights are damaged.
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    /// The vocabulary is too small for the dimensions asked for.
    #[error(transparent)]
    Pca(#[from] PcaError),
}
