//! What a model is worth on the evaluation's collection, before, on the way and after.

use std::fs;
use std::path::Path;

use super::error::RunError;
use super::measure::measure;
use super::measure_reranker::measure_reranker;
use super::onnx::export;
use super::session::Metrics;
use super::settings::Settings;
use crate::config::RunConfig;
use crate::model::{Head, Model, write_whole};

/// What was measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Judgement {
    /// The model's.
    pub(super) metrics: Metrics,
    /// The first stage's, where the model reorders what another found.
    pub(super) first: Option<Metrics>,
}

/// The base on the evaluation's collection; kept in a file, so that a run that goes on does not measure again.
pub(super) fn before(
    config: &RunConfig,
    model: &Model,
    settings: &Settings,
) -> Result<Option<Metrics>, RunError> {
    if config.evaluation.folder.as_os_str().is_empty() {
        return Ok(None);
    }
    let path = config.output.join("before.json");
    let io = |source| RunError::Io { path: path.clone(), source };
    let json = |source| RunError::Json { path: path.clone(), source };
    if path.exists() {
        return Ok(Some(serde_json::from_slice(&fs::read(&path).map_err(io)?).map_err(json)?));
    }
    let metrics = judge(config, model, settings)?.metrics;
    let text = serde_json::to_vec_pretty(&metrics).map_err(json)?;
    write_whole(&path, &text).map_err(io)?;
    Ok(Some(metrics))
}

/// The model as it is on the evaluation's collection, through the same files and index as its users'.
pub(super) fn judge(config: &RunConfig, model: &Model, settings: &Settings) -> Result<Judgement, RunError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| RunError::Evaluation {
        collection: config.evaluation.folder.clone(),
        source,
    };
    let place = tempfile::tempdir().map_err(|error| failed(error.into()))?;
    let (saved, onnx) = (place.path().join("model"), place.path().join("onnx"));
    model.save(&saved, &settings.texts)?;
    export(&saved, &onnx, &model.head, &settings.texts).map_err(|error| failed(error.into()))?;
    judge_files(config, &model.head, &onnx)
}

/// A model that was exported into `onnx`.
pub(super) fn judge_files(config: &RunConfig, head: &Head, onnx: &Path) -> Result<Judgement, RunError> {
    let evaluation = &config.evaluation;
    let split = Some(evaluation.split.as_str()).filter(|split| !split.is_empty());
    if matches!(head, Head::Reranker(_)) {
        let (first, metrics) = measure_reranker(onnx, &evaluation.folder, split, evaluation.depth)?;
        return Ok(Judgement { metrics, first: Some(first) });
    }
    Ok(Judgement { metrics: measure(onnx, &evaluation.folder, split)?, first: None })
}
