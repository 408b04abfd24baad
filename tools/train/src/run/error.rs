//! Why a run cannot start or go on.

use std::path::PathBuf;

use crate::loss::TeacherError;
use crate::model::ModelError;

/// A run could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// See there.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// See there.
    #[error(transparent)]
    Teacher(#[from] TeacherError),
    /// Documents' vectors could not be coded: a bug, unless the settings name an odd dimension.
    #[error(transparent)]
    Codes(#[from] lateen::quant::QuantError),
    /// The loss is for another kind of model or data.
    #[error("model, loss and data are not of one kind")]
    Mismatch,
    /// A gradient is infinite or no number: lower the learning rate, or look at the examples of the batch.
    #[error("epoch {epoch}, batch {batch} (step {step}): {what} is not finite; no weight was changed")]
    NotFinite {
        /// Counted from 1.
        step: u64,
        /// Counted from 0.
        epoch: u64,
        /// Counted from 0 within the epoch.
        batch: u64,
        /// What is meant.
        what: String,
    },
    /// A batch could not be had.
    #[error("epoch {epoch}, batch {batch}: {source}")]
    Data {
        /// Counted from 0.
        epoch: u64,
        /// Counted from 0 within the epoch.
        batch: u64,
        /// What was said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The operating system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was said.
        source: std::io::Error,
    },
    /// A checkpoint's file is damaged: remove the checkpoint; the run goes on from the one before.
    #[error("{path}: {source}", path = path.display())]
    Json {
        /// The file or folder.
        path: PathBuf,
        /// What was said.
        source: serde_json::Error,
    },
    /// The checkpoint was made with other settings or data: go on with those, or start in an empty folder.
    #[error("{path}: the checkpoint was made with other {what}", path = path.display())]
    Changed {
        /// The file or folder.
        path: PathBuf,
        /// What is meant.
        what: &'static str,
    },
    /// The checkpoint lacks a tensor: remove it; the run goes on from the one before.
    #[error("{path}: no tensor {tensor}, or one of another length", path = path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// Its name.
        tensor: String,
    },
    /// The setting is known, but no run can have it yet: leave it out.
    #[error("{setting} = {value} cannot be trained yet")]
    Unsupported {
        /// The key.
        setting: &'static str,
        /// What it is.
        value: &'static str,
    },
    /// Another process has ended or cannot be reached: start all of them again; they go on from the last checkpoint.
    #[error("another process of the run: {0}")]
    Peers(std::io::Error),
    /// A log cannot be written: make room, or choose another folder.
    #[error(transparent)]
    Log(#[from] crate::log::LogError),
    /// There are no batches.
    #[error("an epoch has no batch")]
    NoBatch,
    /// The model could not be judged on a collection.
    #[error("measuring on {collection}: {source}", collection = collection.display())]
    Evaluation {
        /// Its folder.
        collection: PathBuf,
        /// What was said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
