//! `config.json` of the bases that can be trained.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ModelError;

/// Reads a JSON file.
///
/// # Errors
/// [`ModelError::MissingFile`], [`ModelError::Io`], [`ModelError::Json`].
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let text = fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ModelError::MissingFile { path: path.to_owned() },
        _ => ModelError::Io { path: path.to_owned(), source },
    })?;
    serde_json::from_str(&text).map_err(|source| ModelError::Json { path: path.to_owned(), source })
}

/// The function between the two halves of a feed-forward layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · Φ(x)` (Hendrycks & Gimpel, arXiv:1606.08415).
    Gelu,
    /// Its tanh form.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x · σ(x)`.
    Silu,
}

/// A `config.json` with typed, named errors.
#[derive(Debug)]
pub struct ConfigFile<'a> {
    path: &'a Path,
    value: Value,
}

impl<'a> ConfigFile<'a> {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`ModelError`] names the file if it cannot be read or is not JSON.
    pub fn read(path: &'a Path) -> Result<Self, ModelError> {
        Ok(Self { path, value: read_json(path)? })
    }

    /// Settings that are to be written to `path`.
    #[must_use]
    pub fn of(path: &'a Path, value: Value) -> Self {
        Self { path, value }
    }

    /// The error that `field` is not as `expected`.
    #[must_use]
    pub fn refuse(&self, field: &'static str, expected: &'static str) -> ModelError {
        let found = self.value.get(field).map_or_else(|| "missing".into(), Value::to_string);
        ModelError::Config { path: self.path.to_owned(), field, found, expected }
    }

    /// A word, or "" where there is none.
    #[must_use]
    pub fn word(&self, field: &str) -> &str {
        self.value.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Anything else.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<&Value> {
        self.value.get(field).filter(|value| !value.is_null())
    }

    /// A whole number from 1 to `most`.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn size(&self, field: &'static str, most: usize) -> Result<usize, ModelError> {
        let found = self.value(field).and_then(Value::as_u64).and_then(|found| usize::try_from(found).ok());
        match found {
            Some(size) if (1..=most).contains(&size) => Ok(size),
            _ => Err(self.refuse(field, "a whole number of at least 1, and not beyond reason, is expected")),
        }
    }

    /// As [`Self::size`], or `default` where the field is missing.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn size_or(&self, field: &'static str, most: usize, default: usize) -> Result<usize, ModelError> {
        if self.value(field).is_none() { Ok(default) } else { self.size(field, most) }
    }

    /// A number from 0 to `most`, or `default` where the field is missing.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn number(&self, field: &'static str, most: f64, default: f64) -> Result<f64, ModelError> {
        match self.value(field) {
            None => Ok(default),
            Some(value) => match value.as_f64() {
                Some(number) if (0.0..=most).contains(&number) => Ok(number),
                _ => Err(self.refuse(field, "a number of at least 0, and not beyond reason, is expected")),
            },
        }
    }

    /// A probability below 1, or `default`.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn dropout(&self, field: &'static str, default: f64) -> Result<f64, ModelError> {
        self.number(field, 0.99, default)
    }

    /// The base of rotary positions: a field of its own, or `rope_theta` inside the object at `nested` (a path with `/`).
    ///
    /// # Errors
    /// [`ModelError::Config`] for other kinds of scaling than none, and for what is no positive number.
    pub fn theta(&self, field: &'static str, nested: &str, default: f64) -> Result<f64, ModelError> {
        let inner = self.value.pointer(&format!("/{nested}"));
        for object in inner.into_iter().chain(self.value("rope_scaling")) {
            let kind = ["rope_type", "type"].iter().find_map(|key| object.get(key)?.as_str());
            if !matches!(kind, None | Some("default")) {
                return Err(self.refuse("rope_parameters", "rotary positions without scaling can be trained"));
            }
        }
        let number = |value: &Value| value.as_f64().filter(|theta| theta.is_finite() && *theta > 0.0);
        match self.value(field).or_else(|| inner?.get("rope_theta")) {
            None => Ok(default),
            Some(value) => number(value).ok_or_else(|| self.refuse(field, "a positive number is expected")),
        }
    }

    /// A switch, or `default`.
    #[must_use]
    pub fn flag(&self, field: &str, default: bool) -> bool {
        self.value(field).and_then(Value::as_bool).unwrap_or(default)
    }

    /// The activation that `field` names.
    ///
    /// # Errors
    /// [`ModelError::Config`] for one that is not known.
    pub fn activation(&self, field: &'static str) -> Result<Activation, ModelError> {
        match self.word(field) {
            "gelu" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            "silu" | "swish" => Ok(Activation::Silu),
            _ => Err(self.refuse(
                field,
                "\"gelu\", \"gelu_new\", \"gelu_pytorch_tanh\", \"relu\" and \"silu\" are known",
            )),
        }
    }
}
