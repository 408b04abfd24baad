use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::RemoteError;

/// Descriptions longer than this are not read.
const DESCRIPTION_LIMIT: u64 = 1 << 20;
/// Keys longer than this are not read.
const KEY_LIMIT: u64 = 1 << 16;

/// How a service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Dialect {
    /// Embeddings as OpenAI's API gives them; many servers speak it.
    OpenAi,
    /// Cohere's rerank API, version 2.
    Cohere,
    /// Jina's rerank API; vLLM, Infinity and others speak it.
    Jina,
    /// Voyage's rerank API.
    Voyage,
    /// Text Embeddings Inference's rerank route.
    Tei,
}

/// Where the key of a service is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The service wants none.
    #[default]
    None,
    /// The environment variable of that name.
    Env(String),
    /// The file of that name; white space around the key is left out.
    File(PathBuf),
}

impl KeySource {
    /// The key.
    pub(super) fn read(&self) -> Result<Option<String>, RemoteError> {
        let found = match self {
            Self::None => return Ok(None),
            Self::Env(name) => std::env::var(name).ok(),
            Self::File(path) => super::super::directory::read(path, "the key", KEY_LIMIT)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok()),
        };
        let key = found.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        let sound = key.filter(|key| key.chars().all(|c| c.is_ascii_graphic()));
        sound.map(Some).ok_or_else(|| RemoteError::NoKey {
            place: match self {
                Self::Env(name) => format!("the variable {name}"),
                Self::File(path) => format!("the file {}", path.display()),
                Self::None => String::new(),
            },
        })
    }
}

/// A service, and how it is used. In JSON:
///
/// ```json
/// {"dialect": "cohere", "endpoint": "https://api.cohere.com", "model": "rerank-v3.5", "key": {"env": "COHERE_API_KEY"},
///  "requests_per_minute": 100, "batch": 500}
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteOptions {
    /// How the service is spoken to.
    pub dialect: Dialect,
    /// Its address up to the part that the [dialect](super) names: `https://api.openai.com/v1`.
    pub endpoint: String,
    /// The model's name; services with one model may want none.
    #[serde(default)]
    pub model: String,
    /// Where its key is.
    #[serde(default)]
    pub key: KeySource,
    /// Texts of one request. Default: 32.
    #[serde(default = "default_batch")]
    pub batch: usize,
    /// The most requests of a minute. Default: no limit.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// How long a request may take in all. Default: 60 seconds.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: f64,
    /// How often a request is made before its error counts. Default: 4.
    #[serde(default = "default_attempts")]
    pub attempts: u32,
    /// How long is waited before the second attempt, doubled for each further one, where the service does not say how
    /// long (`Retry-After`). Default: half a second.
    #[serde(default = "default_backoff")]
    pub backoff_seconds: f64,
    /// Dimensions of vectors, where the service can shorten them.
    #[serde(default)]
    pub dimensions: Option<usize>,
    /// Put before each query.
    #[serde(default)]
    pub query_prompt: String,
    /// Put before each document.
    #[serde(default)]
    pub document_prompt: String,
}

fn default_batch() -> usize {
    32
}

fn default_timeout() -> f64 {
    60.0
}

fn default_attempts() -> u32 {
    4
}

fn default_backoff() -> f64 {
    0.5
}

impl RemoteOptions {
    /// A service without a key, with the defaults for everything else.
    #[must_use]
    pub fn new(dialect: Dialect, endpoint: &str, model: &str) -> Self {
        Self {
            dialect,
            endpoint: endpoint.to_owned(),
            model: model.to_owned(),
            key: KeySource::None,
            batch: default_batch(),
            requests_per_minute: None,
            timeout_seconds: default_timeout(),
            attempts: default_attempts(),
            backoff_seconds: default_backoff(),
            dimensions: None,
            query_prompt: String::new(),
            document_prompt: String::new(),
        }
    }

    /// Reads a description in JSON.
    ///
    /// # Errors
    /// [`RemoteError::Description`] if it cannot be read or says something else.
    pub fn read(path: &Path) -> Result<Self, RemoteError> {
        let wrong = |message: String| RemoteError::Description { path: path.to_owned(), message };
        let bytes = super::super::directory::read(path, "the description", DESCRIPTION_LIMIT)
            .map_err(|error| wrong(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
    }

    pub(super) fn timeout(&self) -> Duration {
        seconds(self.timeout_seconds)
    }

    pub(super) fn backoff(&self) -> Duration {
        seconds(self.backoff_seconds)
    }
}

/// At least a millisecond and at most an hour.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.clamp(0.001, 3600.0)).unwrap_or(Duration::from_secs(60))
}
