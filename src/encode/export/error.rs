use std::io;
use std::path::PathBuf;

/// Why a checkpoint could not be turned into a model directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Check that the path exists, may be read or written, and that the disk has room.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Download the whole checkpoint: this file belongs to it.
    #[error("{path} is missing; a checkpoint needs it", path = path.display())]
    MissingFile {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// The file is no JSON of the expected form: download it again.
    #[error("{path}: {source}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        source: serde_json::Error,
    },
    /// The file is no safetensors file, or is cut off: download it again.
    #[error("{path} is no readable safetensors file: {source}", path = path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// The weights belong to another architecture, or to a model without this head.
    #[error("{file} has no tensor {tensor:?}", file = file.display())]
    MissingTensor {
        /// The name that was looked for, without an optional `bert.` prefix.
        tensor: String,
        /// The weights.
        file: PathBuf,
    },
    /// `config.json` and the weights do not belong together.
    #[error("tensor {tensor:?} of {file} has shape {found:?}, expected {expected:?}", file = file.display())]
    Shape {
        /// The tensor's name in the file.
        tensor: String,
        /// The weights.
        file: PathBuf,
        /// What `config.json` calls for.
        expected: Vec<usize>,
        /// What the file has.
        found: Vec<usize>,
    },
    /// Save the checkpoint in f32, f16 or bf16.
    #[error("tensor {tensor:?} of {file} holds {dtype}; f32, f16 and bf16 can be read", file = file.display())]
    DType {
        /// The tensor's name in the file.
        tensor: String,
        /// The weights.
        file: PathBuf,
        /// The type it has, in safetensors' word.
        dtype: String,
    },
    /// The weights are damaged: training diverged, or the file did.
    #[error("tensor {tensor:?} of {file} holds a number that is not finite at {at}", file = file.display())]
    NotFinite {
        /// The tensor's name in the file.
        tensor: String,
        /// The weights.
        file: PathBuf,
        /// Which number, counted row-major from 0.
        at: usize,
    },
    /// The setting has a value that no encoder can have, or that the exporter does not know.
    #[error("{file}: {field} is {found}; {expected}", file = file.display())]
    Config {
        /// The file with the setting.
        file: PathBuf,
        /// The setting.
        field: &'static str,
        /// Its value, as written.
        found: String,
        /// What is possible.
        expected: &'static str,
    },
    /// Fit the projection on this model's vectors.
    #[error("the projection takes vectors of {found} dimensions, the model makes {expected}")]
    Projection {
        /// The model's hidden size.
        expected: usize,
        /// The projection's input size.
        found: usize,
    },
    /// Choose another folder: a checkpoint is never written over.
    #[error("{path} is both source and target", path = path.display())]
    SameDirectory {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing can be done here: without its large weights, which lie in a second file, the graph is still too large.
    #[error("the model would take {bytes} bytes; an ONNX file holds at most {limit}")]
    TooLarge {
        /// What the file would take.
        bytes: u64,
        /// What the format allows.
        limit: u64,
    },
    /// Choose another head, or a checkpoint of a family that has it.
    #[error("{family} has no {head} head")]
    Head {
        /// The checkpoint's family.
        family: &'static str,
        /// The head that was asked for.
        head: &'static str,
    },
    /// Save the head as safetensors: `save_file(torch.load(name, weights_only=True), "….safetensors")`. Pickles are
    /// programs, and are not read.
    #[error("{path} is a pickle; a head is read from {wanted:?}", path = path.display())]
    Pickle {
        /// The file that is there.
        path: PathBuf,
        /// The file that is read.
        wanted: &'static str,
    },
    /// The model could not be run, which a conversion to 8 bits needs: see the error within.
    #[error("running the model: {source}")]
    Run {
        /// What the runtime or the tokenizer said.
        source: Box<super::super::EncodeError>,
    },
    /// Options that exclude each other, as said.
    #[error("{option} does not apply to {head}")]
    Option {
        /// The option.
        option: &'static str,
        /// The head that was asked for.
        head: &'static str,
    },
}

impl From<super::super::EncodeError> for ExportError {
    fn from(source: super::super::EncodeError) -> Self {
        Self::Run { source: Box::new(source) }
    }
}
