use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::types::MatrixError;

/// Why a model cannot be loaded, or a text not be encoded.
///
/// Each variant names the file, the field or the place, and its documentation says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Put the file where it is expected, or name another model directory.
    #[error("{}: {what} is missing", path.display())]
    MissingFile {
        /// Where the file should be.
        path: PathBuf,
        /// What it would hold.
        what: &'static str,
    },
    /// Make the file readable.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is larger than any sound one: it is damaged or hostile.
    #[error("{} takes {bytes} bytes; at most {limit} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size, or the size it claims for a part.
        bytes: u64,
        /// The largest that is accepted.
        limit: u64,
    },
    /// Repair the JSON; line and column are in `source`.
    #[error("{} is not the JSON expected: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// Correct the field of the configuration.
    #[error("{}: {field} is {found}; expected {expected}", path.display())]
    Field {
        /// The configuration file.
        path: PathBuf,
        /// The field's name.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// Pickled weights can run any code when they are read, so they never are. Convert them with
    /// `lateen model convert`, or save the model with `safe_serialization=True`.
    #[error(
        "{} holds pickled weights, which can run code and are never read; save the model as safetensors and \
         convert it with `lateen model convert`", path.display()
    )]
    Pickle {
        /// The refused file.
        path: PathBuf,
    },
    /// A head of the model is a pickle, which can run code and is never read. Convert it with the command in the message.
    #[error(
        "{} is a pickle, which can run code and is never read; convert it with: python -c \"import torch, \
         safetensors.torch as s; s.save_file(torch.load('{}', weights_only=True), '{}')\"",
        path.display(), path.display(), path.with_extension("safetensors").display()
    )]
    PickledHead {
        /// The refused file.
        path: PathBuf,
    },
    /// Convert the weights to a graph with `lateen model convert`.
    #[error(
        "{} has weights but no ONNX graph (looked for {looked_for:?}); make one with `lateen model convert`",
        directory.display()
    )]
    NoGraph {
        /// The model directory.
        directory: PathBuf,
        /// The file names looked for, in order.
        looked_for: Vec<String>,
    },
    /// Ask for one of the variants that are there ([`ModelOptions::variant`](super::ModelOptions::variant),
    /// `--variant`): they differ in precision, so none is taken unasked.
    #[error(
        "{} has no graph {}; it has the variants {}: choose one with --variant", directory.display(),
        variant.as_deref().unwrap_or("model.onnx"), found.join(", ")
    )]
    NoVariant {
        /// The model directory.
        directory: PathBuf,
        /// The variant that was asked for, if one was.
        variant: Option<String>,
        /// Those there are.
        found: Vec<String>,
    },
    /// Fetch the model with `lateen model pull`, or with any other program that fills the hub's cache.
    #[error(
        "the model {model} is not in the cache of the hub: {} is missing; fetch it with `lateen model pull` (feature `hub`)",
        looked_for.display()
    )]
    NotInHubCache {
        /// Its name.
        model: String,
        /// The file or directory that was looked for.
        looked_for: PathBuf,
    },
    /// Name a directory that holds a model.
    #[error(
        "{} holds no model: neither config.json with model_type lateen-static or model2vec, nor modules.json, \
         artifact.metadata, onnx_config.json or model.onnx was found", directory.display()
    )]
    UnknownLayout {
        /// The directory.
        directory: PathBuf,
    },
    /// The weights file is damaged or not in the safetensors format: fetch it again.
    #[error("{} is not a sound safetensors file: {source}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What the format's reader says.
        source: safetensors::SafeTensorError,
    },
    /// The weights are another model's: fetch the right file.
    #[error("{} has no tensor {tensor:?}", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
    /// Weights and configuration belong to different models.
    #[error("{}: tensor {tensor:?} is {dtype} {shape:?}; expected {expected}", path.display())]
    TensorLayout {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its element type.
        dtype: String,
        /// Its shape.
        shape: Vec<usize>,
        /// What was expected.
        expected: String,
    },
    /// The weights are damaged: fetch the file again.
    #[error("{}: number {index} of tensor {tensor:?} is not finite", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The position in the tensor, from 0.
        index: usize,
    },
    /// Repair or replace `tokenizer.json`.
    #[error("{}: the tokenizer cannot be built: {message}", path.display())]
    Tokenizer {
        /// The tokenizer's file.
        path: PathBuf,
        /// What the tokenizer library says.
        message: String,
    },
    /// Report the text: a tokenizer should accept any.
    #[error("the tokenizer refused a text of {bytes} bytes: {message}")]
    Tokenize {
        /// The length of the text.
        bytes: usize,
        /// What the tokenizer library says.
        message: String,
    },
    /// Tokenizer and weights belong to different models.
    #[error("{}: the tokenizer has token {token}, the table only {rows} rows", directory.display())]
    VocabularyMismatch {
        /// The model directory.
        directory: PathBuf,
        /// The largest token id of the tokenizer.
        token: u32,
        /// The rows of the table.
        rows: usize,
    },
    /// Run `lateen runtime install`, or name the library in [`ModelOptions`](super::ModelOptions).
    #[error("ONNX Runtime was not found; run `lateen runtime install`. Tried:{tried}")]
    RuntimeNotFound {
        /// Every place, in order, and what was found there.
        tried: Attempts,
    },
    /// Build Lateen with the feature, or choose another runtime.
    #[error("this build of lateen has no {runtime}; enable the feature `{feature}`")]
    RuntimeNotCompiled {
        /// The runtime that was asked for, or all of them.
        runtime: &'static str,
        /// The missing feature.
        feature: &'static str,
    },
    /// The runtime refused the graph or the input; its own words are in `message`.
    #[error("{runtime} could not {action}: {message}")]
    Runtime {
        /// Which runtime.
        runtime: &'static str,
        /// What it was doing.
        action: &'static str,
        /// Its words.
        message: String,
    },
    /// The graph is damaged or no ONNX file.
    #[error("{} is not a sound ONNX file: {what}", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// External weights must be a plain file beside the graph.
    #[error("{}: external weights {location:?} are refused: {why}", path.display())]
    ExternalData {
        /// The graph's file.
        path: PathBuf,
        /// The location it names.
        location: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// Export the model with the inputs and outputs that the room's documentation names.
    #[error("{}: the graph {problem}; it has {names:?}", path.display())]
    GraphInterface {
        /// The graph's file.
        path: PathBuf,
        /// What is missing or unknown.
        problem: String,
        /// The inputs or outputs there are.
        names: Vec<String>,
    },
    /// The graph gave another shape than its layout describes.
    #[error("the model gave a tensor of shape {found:?}; expected {expected}")]
    OutputShape {
        /// The shape.
        found: Vec<usize>,
        /// What was expected.
        expected: String,
    },
    /// Make the file writable.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Shorten the query, raise the limit, or let documents be cut instead of sliced.
    #[error(
        "a query leaves {room} of {max_tokens} tokens for a window of a document; slicing needs {least}: shorten the query, \
         raise the limit, or have long documents truncated"
    )]
    NoRoom {
        /// The most tokens of query and document together.
        max_tokens: usize,
        /// What the query leaves.
        room: usize,
        /// The least that is needed.
        least: usize,
    },
    /// State the template in `lateen.json`, or name one in the options.
    #[error(
        "{}: the directory does not say how {architecture} reads a query and a document; state judge.template in \
         lateen.json, or choose a template by name", directory.display()
    )]
    NoTemplate {
        /// The model directory.
        directory: PathBuf,
        /// The architecture that `config.json` names.
        architecture: String,
    },
    /// Choose a layer that gives scores.
    #[error("{}: layer {layer} gives no score; these do: {layers:?}", directory.display())]
    NoLayer {
        /// The model directory.
        directory: PathBuf,
        /// The layer that was asked for.
        layer: usize,
        /// Those there are.
        layers: Vec<usize>,
    },
    /// Use a model of the right kind.
    #[error("model {model:?} is {kind} and cannot give {wanted}")]
    Unsupported {
        /// The model's name.
        model: String,
        /// Its kind.
        kind: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// The model gave a NaN or an infinity for a sound text: its weights are damaged.
    #[error("the model gave no sound vectors: {0}")]
    Matrix(#[from] MatrixError),
    /// A service did not answer, or not as it should.
    #[cfg(feature = "remote")]
    #[error(transparent)]
    Remote(#[from] super::remote::RemoteError),
    /// Fetch the wheel again; nothing was installed.
    #[error("{} is not a known ONNX Runtime wheel: sha256 {found}, known: {known}", path.display())]
    UnknownWheel {
        /// The wheel.
        path: PathBuf,
        /// Its checksum.
        found: String,
        /// The checksums that are accepted.
        known: String,
    },
    /// The installation of ONNX Runtime failed; nothing was changed.
    #[error("installing ONNX Runtime: {action}: {message}")]
    Install {
        /// The step that failed.
        action: &'static str,
        /// Why.
        message: String,
    },
}

impl EncodeError {
    /// The file or directory that the error is about, where it is about one.
    #[must_use]
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::MissingFile { path, .. }
            | Self::Unreadable { path, .. }
            | Self::TooLarge { path, .. }
            | Self::Json { path, .. }
            | Self::Field { path, .. }
            | Self::Pickle { path }
            | Self::PickledHead { path }
            | Self::Weights { path, .. }
            | Self::MissingTensor { path, .. }
            | Self::TensorLayout { path, .. }
            | Self::NotFinite { path, .. }
            | Self::Tokenizer { path, .. }
            | Self::Graph { path, .. }
            | Self::ExternalData { path, .. }
            | Self::GraphInterface { path, .. }
            | Self::Unwritable { path, .. }
            | Self::UnknownWheel { path, .. } => Some(path),
            Self::NoGraph { directory, .. }
            | Self::NoVariant { directory, .. }
            | Self::UnknownLayout { directory }
            | Self::VocabularyMismatch { directory, .. }
            | Self::NoTemplate { directory, .. }
            | Self::NoLayer { directory, .. } => Some(directory),
            Self::NotInHubCache { looked_for, .. } => Some(looked_for),
            _ => None,
        }
    }
}

/// The places where a library was looked for, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attempts(pub Vec<Attempt>);

/// One place where a library was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The file, the directory, or the name given to the system's loader.
    pub path: PathBuf,
    /// Why this place is searched.
    pub place: &'static str,
    /// What was found there.
    pub outcome: String,
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for attempt in &self.0 {
            write!(f, "\n  {} ({}): {}", attempt.path.display(), attempt.place, attempt.outcome)?;
        }
        Ok(())
    }
}
