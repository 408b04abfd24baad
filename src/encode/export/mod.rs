//! Checkpoints to ONNX models, without Python.
//!
//! [`convert`] takes a BERT checkpoint as it is published (`config.json`, `model.safetensors`, `tokenizer.json`) to a
//! model directory that Lateen, sentence-transformers' ONNX backend and any ONNX runtime read:
//!
//! ```text
//! checkpoint ─ Checkpoint (headers) ─┐
//! config.json ─ bert::BertGraph ─────┼─ graph::GraphBuilder ─ onnx/model.onnx   (weights streamed one by one)
//! Head, Projection ─ head::build ────┘
//! modules.json, … ─ layout ──────────────────────────────── the small files beside it
//! ```
//!
//! The graph is plain operator set 17 with dynamic batch and sequence: ONNX Runtime and rten fuse attention, GELU and
//! scaling themselves and run it as fast as a graph with their own operators. Outputs agree with PyTorch's within
//! 1e-4 (`tests/fixtures/encode`).
//!
//! [`Pca`] fits the linear projection of a late-interaction model on a sample of its own token vectors.

mod bert;
mod checkpoint;
mod error;
mod graph;
mod head;
mod layout;
mod messages;
mod pca;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use bert::BertConfig;
pub use checkpoint::Checkpoint;
pub use error::ExportError;
pub use head::{Head, Pooling, Projection};
use layout::Declared;
pub use pca::{FittedPca, Pca, PcaError};

/// What to make of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvertOptions {
    /// What the model answers.
    pub head: Head,
    /// How a dense model pools; `None` takes what the checkpoint declares, or the mean.
    pub pooling: Option<Pooling>,
    /// A linear map behind a token model; `None` takes the checkpoint's own Dense module, or none.
    pub projection: Option<Projection>,
    /// The most tokens of a text, special tokens included; `None` takes what suits the head and the checkpoint.
    pub max_tokens: Option<usize>,
    /// The most tokens of a query of a token model, special tokens included.
    pub max_query_tokens: usize,
    /// Put before a token model's queries; it must be one token of the vocabulary, or empty.
    pub query_prefix: String,
    /// Put before a token model's documents.
    pub document_prefix: String,
    /// Tokens whose vectors a token model leaves out of documents.
    pub skip_words: Vec<String>,
}

impl ConvertOptions {
    /// The defaults for `head`.
    ///
    /// A token model keeps every token, special ones and punctuation included, and as long a document as the encoder
    /// takes. On SciFact (test, nDCG@10, all-MiniLM-L6-v2 at 128 dimensions) that gives 0.711; documents cut at 256
    /// tokens give 0.695; leaving out special tokens or punctuation changes less than 0.002.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self {
            head,
            pooling: None,
            projection: None,
            max_tokens: None,
            max_query_tokens: 64,
            query_prefix: String::new(),
            document_prefix: String::new(),
            skip_words: Vec::new(),
        }
    }
}

/// What [`convert`] has written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Converted {
    /// The ONNX file.
    pub onnx: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Dimensions of a vector, or labels of a cross-encoder.
    pub dim: usize,
    /// The most tokens of a text that the directory declares.
    pub max_tokens: usize,
}

/// Writes the checkpoint in `source` as an ONNX model directory into `target`.
///
/// `target` is made if it is not there; files of the same names in it are replaced, the ONNX file atomically. One
/// weight at a time is in memory. The bytes depend on the checkpoint, the options and this crate's version alone.
///
/// # Errors
/// [`ExportError`], which names the file and the tensor or setting. A failed conversion leaves no `onnx/model.onnx` of
/// its own behind.
///
/// ```no_run
/// use lateen::encode::export::{ConvertOptions, Head, convert};
/// # use std::path::Path;
/// let made = convert(Path::new("all-MiniLM-L6-v2"), Path::new("minilm"), &ConvertOptions::new(Head::Dense))?;
/// println!("{} dimensions, {} MB", made.dim, made.bytes / 1_000_000);
/// # Ok::<(), lateen::encode::export::ExportError>(())
/// ```
pub fn convert(source: &Path, target: &Path, options: &ConvertOptions) -> Result<Converted, ExportError> {
    check_options(options)?;
    if same_directory(source, target) {
        return Err(ExportError::SameDirectory { path: target.to_owned() });
    }
    for needed in ["config.json", "tokenizer.json"] {
        let path = source.join(needed);
        if !path.exists() {
            return Err(ExportError::MissingFile { path });
        }
    }
    let config = BertConfig::read(&source.join("config.json"))?;
    let declared = Declared::read(source, options.head)?;
    let pooling = options.pooling.or(declared.pooling).unwrap_or(Pooling::Mean);
    let projection = options.projection.as_ref().or(declared.projection.as_ref());
    let max_tokens = max_tokens(source, &config, options, declared.max_tokens)?;
    let checkpoint = Checkpoint::open(source)?;
    let (graph, dim) = head::build(&config, &checkpoint, options.head, pooling, projection)?;

    let folder = target.join("onnx");
    fs::create_dir_all(&folder).map_err(|source| ExportError::Io { path: folder.clone(), source })?;
    let onnx = folder.join("model.onnx");
    write_graph(&graph, &checkpoint, &onnx)?;
    layout::write(source, target, options, layout::Shape { pooling, dim, max_tokens })?;
    Ok(Converted { onnx, bytes: graph.encoded_len(), dim, max_tokens })
}

fn check_options(options: &ConvertOptions) -> Result<(), ExportError> {
    let head = options.head.name();
    match options.head {
        Head::Dense => {}
        _ if options.pooling.is_some() => return Err(ExportError::Option { option: "pooling", head }),
        Head::Tokens | Head::CrossEncoder => {}
    }
    if options.head != Head::Tokens && options.projection.is_some() {
        return Err(ExportError::Option { option: "projection", head });
    }
    Ok(())
}

fn max_tokens(
    source: &Path,
    config: &BertConfig,
    options: &ConvertOptions,
    declared: Option<usize>,
) -> Result<usize, ExportError> {
    let limit = config.max_position_embeddings;
    let suited = match options.head {
        Head::Dense => declared.unwrap_or(limit),
        Head::Tokens | Head::CrossEncoder => limit,
    };
    match options.max_tokens {
        None => Ok(suited.min(limit)),
        Some(tokens) if (2..=limit).contains(&tokens) => Ok(tokens),
        Some(_) => Err(ExportError::Config {
            file: source.join("config.json"),
            field: "max_position_embeddings",
            found: limit.to_string(),
            expected: "max_tokens must lie between 2 and it",
        }),
    }
}

fn same_directory(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn write_graph(graph: &graph::GraphBuilder, weights: &Checkpoint, path: &Path) -> Result<(), ExportError> {
    let part = path.with_extension("onnx.part");
    let fail = |source| ExportError::Io { path: part.clone(), source };
    let written = (|| {
        let mut out = BufWriter::new(File::create(&part).map_err(fail)?);
        graph.write(weights, &mut out, fail)?;
        out.flush().map_err(fail)?;
        out.get_ref().sync_all().map_err(fail)
    })();
    if written.is_err() {
        // The error at hand says more than a second one would.
        let _ = fs::remove_file(&part);
        return written;
    }
    fs::rename(&part, path).map_err(fail)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ExportError> {
    let text = fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ExportError::MissingFile { path: path.to_owned() },
        _ => ExportError::Io { path: path.to_owned(), source },
    })?;
    serde_json::from_str(&text).map_err(|source| ExportError::Json { path: path.to_owned(), source })
}

#[cfg(all(test, any(feature = "onnxruntime", feature = "rten")))]
mod tests;
