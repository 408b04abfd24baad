//! Cross-encoders: query and document through one transformer, a score out.

use std::path::Path;

use super::{Judge, RerankError};
use crate::encode::{CrossEncoder, ModelOptions};

/// A sequence-classification model as a judge.
///
/// Scores are the model's raw logits (with two labels, the second's minus the first's): unbounded,
/// larger is better, comparable within one model only. Texts that are too long together are cut,
/// the longer one first, by the tokenizer's own pair template.
#[derive(Debug)]
pub struct CrossEncoderJudge {
    model: CrossEncoder,
    name: String,
}

impl CrossEncoderJudge {
    /// Loads the model directory `dir`: an ONNX graph with a `logits` output and its tokenizer.
    ///
    /// # Errors
    /// [`RerankError::Model`] names the file that is missing or wrong.
    pub fn load(dir: &Path, options: &ModelOptions) -> Result<Self, RerankError> {
        let model = CrossEncoder::load(dir, options)?;
        let name = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { model, name })
    }
}

impl Judge for CrossEncoderJudge {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self, query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
        let pairs: Vec<(&str, &str)> = documents.iter().map(|&document| (query, document)).collect();
        Ok(self.model.score(&pairs)?)
    }
}
