use std::path::PathBuf;

use super::runtime::RuntimeSearch;

/// Which engine runs ONNX graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RuntimeChoice {
    /// ONNX Runtime where it is found, rten otherwise; [`RuntimeReport`](super::RuntimeReport) says which, and why.
    #[default]
    Auto,
    /// ONNX Runtime or an error.
    OnnxRuntime,
    /// The pure Rust runtime.
    Rten,
}

/// How a model is loaded.
///
/// [`Default`] takes the places to search for ONNX Runtime from the environment
/// ([`RuntimeSearch::from_environment`]); give [`RuntimeSearch::nowhere`] to read no environment variable.
///
/// ```
/// use lateen::encode::{ModelOptions, RuntimeChoice};
/// let options = ModelOptions { runtime: RuntimeChoice::Rten, max_document_tokens: Some(128), ..Default::default() };
/// assert_eq!(options.threads, 0);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelOptions {
    /// The engine for ONNX graphs.
    pub runtime: RuntimeChoice,
    /// The ONNX Runtime library to load, and no other: a failure is an error even under [`RuntimeChoice::Auto`].
    pub onnxruntime_path: Option<PathBuf>,
    /// Where else to look for it.
    pub search: RuntimeSearch,
    /// Threads that run one batch; 0 = all cores.
    pub threads: usize,
    /// Whether a checkpoint (`config.json`, safetensors) without a graph is converted to one when it is first loaded. It
    /// is kept in Lateen's cache, [`RuntimeSearch::cache`]; without one nothing is converted. [`Model::notes`] tells.
    ///
    /// [`Model::notes`]: super::Model::notes
    pub convert: bool,
    /// Which of several graphs: `int8` means `int8.onnx` or `model_int8.onnx`; none means `model.onnx`.
    pub variant: Option<String>,
    /// Longest document in tokens, marks included, instead of the model's own limit.
    pub max_document_tokens: Option<usize>,
    /// Longest query in tokens, marks included, instead of the model's own limit.
    pub max_query_tokens: Option<usize>,
    /// Tokens of one batch, padding included. More take more memory, not much less time.
    pub batch_tokens: usize,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self {
            runtime: RuntimeChoice::Auto,
            onnxruntime_path: None,
            search: RuntimeSearch::from_environment(),
            threads: 0,
            convert: true,
            variant: None,
            max_document_tokens: None,
            max_query_tokens: None,
            batch_tokens: 4096,
        }
    }
}

impl ModelOptions {
    /// The number of threads meant by [`ModelOptions::threads`].
    #[cfg(any(feature = "onnxruntime", feature = "rten"))]
    pub(super) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}
