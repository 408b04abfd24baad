//! The projection that RAG-Retrieval's ColBERT models and bge-m3 have beside their weights: `colbert_linear.safetensors` with
//! `weight`, `[dim, hidden]`, and `bias`.
//!
//! There it is a pickle, `colbert_linear.pt`, which is never read, for it can run code. Those models leave the first token's
//! vector out of scores; what is trained here and written in PyLate's layout counts it.

use std::path::Path;

use super::Task;
use super::dense::Dense;
use super::error::ModelError;
use super::modules::Modules;
use super::params::Params;
use super::weights::Stored;

const FILE: &str = "colbert_linear.safetensors";

/// The map's shape, where a ColBERT model is wanted and no other file has its projection.
///
/// # Errors
/// [`ModelError::Pickle`] where there is a pickle only; [`ModelError`] for damaged files.
pub(super) fn find(directory: &Path, task: &Task, modules: &Modules) -> Result<Option<Dense>, ModelError> {
    if !matches!(task, Task::ColBert { .. }) || !modules.dense.is_empty() {
        return Ok(None);
    }
    let (file, pickle) = (directory.join(FILE), directory.join(FILE).with_extension("pt"));
    if !file.exists() {
        return if pickle.exists() {
            Err(ModelError::Pickle { path: pickle, wanted: FILE })
        } else {
            Ok(None)
        };
    }
    let stored = Stored::read_file(&file)?;
    let Some(&[outputs, inputs]) = stored.shape("weight") else {
        return Err(ModelError::MissingTensor { path: file, tensor: "weight".into() });
    };
    let bias = stored.has("bias");
    Ok(Some(Dense { folder: "1_Dense".into(), inputs, outputs, bias, tanh: false }))
}

/// Reads its numbers into `params`.
///
/// # Errors
/// [`ModelError`].
pub(super) fn read(directory: &Path, dense: &Dense, params: &mut Params) -> Result<(), ModelError> {
    let stored = Stored::read_file(&directory.join(FILE))?.named(&format!("{}.", dense.name()));
    // Both tensors were found, so that nothing is drawn.
    stored.fill(&dense.declare(), params, 0).map(drop)
}
