//! `config.json`, read and checked: what every family asks of it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ExportError;
use crate::types::MAX_DIM;

/// No published encoder comes near these; they bound what a hostile file can ask for.
const MAX_LAYERS: usize = 1024;
const MAX_WIDTH: usize = 1 << 18;
const MAX_VOCABULARY: usize = 1 << 24;
const MAX_POSITIONS: usize = 1 << 20;

/// The fields that tell which family a checkpoint belongs to, and which head it was saved with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Identity {
    pub(super) model_type: String,
    pub(super) architectures: Option<Vec<String>>,
}

impl Identity {
    /// The class that wrote the checkpoint, or nothing.
    pub(super) fn architecture(&self) -> &str {
        self.architectures.iter().flatten().next().map_or("", String::as_str)
    }
}

/// One `config.json`.
#[derive(Debug, Clone)]
pub(super) struct ConfigFile {
    path: PathBuf,
}

impl ConfigFile {
    pub(super) fn of(directory: &Path) -> Self {
        Self { path: directory.join("config.json") }
    }

    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ExportError> {
        super::read_json(&self.path)
    }

    /// The error that `field` holds `found`, which cannot be written.
    pub(super) fn refusal(
        &self,
        field: &'static str,
        found: impl ToString,
        expected: &'static str,
    ) -> ExportError {
        ExportError::Config { file: self.path.clone(), field, found: found.to_string(), expected }
    }

    fn between(
        &self,
        field: &'static str,
        value: usize,
        range: std::ops::RangeInclusive<usize>,
        expected: &'static str,
    ) -> Result<(), ExportError> {
        if range.contains(&value) { Ok(()) } else { Err(self.refusal(field, value, expected)) }
    }

    /// The length of a token's vector.
    pub(super) fn hidden(&self, field: &'static str, size: usize) -> Result<(), ExportError> {
        self.between(field, size, 1..=MAX_DIM, "1 to 8192 are possible")
    }

    /// The width of a layer within.
    pub(super) fn width(&self, field: &'static str, size: usize) -> Result<(), ExportError> {
        self.between(field, size, 1..=MAX_WIDTH, "1 to 262144 are possible")
    }

    pub(super) fn layers(&self, field: &'static str, count: usize) -> Result<(), ExportError> {
        self.between(field, count, 0..=MAX_LAYERS, "at most 1024 are possible")
    }

    pub(super) fn vocabulary(&self, field: &'static str, size: usize) -> Result<(), ExportError> {
        self.between(field, size, 1..=MAX_VOCABULARY, "1 to 16777216 are possible")
    }

    pub(super) fn positions(&self, field: &'static str, count: usize) -> Result<(), ExportError> {
        match count {
            0 | 1 => Err(self.refusal(field, count, "at least 2 are needed")),
            _ => self.between(field, count, 2..=MAX_POSITIONS, "at most 1048576 are possible"),
        }
    }

    /// Heads divide the hidden size.
    pub(super) fn heads(&self, field: &'static str, heads: usize, hidden: usize) -> Result<(), ExportError> {
        match heads {
            0 => Err(self.refusal(field, heads, "a divisor of hidden_size is expected")),
            _ if !hidden.is_multiple_of(heads) => {
                Err(self.refusal(field, heads, "a divisor of hidden_size is expected"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn epsilon(&self, field: &'static str, value: f32) -> Result<(), ExportError> {
        if value.is_finite() && (0.0..1.0).contains(&value) {
            return Ok(());
        }
        Err(self.refusal(field, value, "a small positive number is expected"))
    }

    /// A base of rotary positions.
    pub(super) fn theta(&self, field: &'static str, value: f64) -> Result<(), ExportError> {
        if value.is_finite() && value > 1.0 {
            return Ok(());
        }
        Err(self.refusal(field, value, "a finite number above 1 is expected"))
    }

    /// Whether each layer slides, from `layer_types`.
    pub(super) fn layer_types(&self, types: &[String], layers: usize) -> Result<Vec<bool>, ExportError> {
        if types.len() != layers {
            return Err(self.refusal(
                "layer_types",
                types.len(),
                "as many as num_hidden_layers are expected",
            ));
        }
        let one = |name: &String| match name.as_str() {
            "full_attention" => Ok(false),
            "sliding_attention" => Ok(true),
            other => {
                let expected = "\"full_attention\" and \"sliding_attention\" can be written";
                Err(self.refusal("layer_types", other, expected))
            }
        };
        types.iter().map(one).collect()
    }
}
