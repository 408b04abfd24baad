//! Engines that run ONNX graphs, behind one face.
//!
//! A graph runs in ONNX Runtime, a shared library that is looked for at run time ([`RuntimeSearch`]), or in rten,
//! which is compiled in. Whichever ran, and why, is told by [`RuntimeReport`]. One session serves all threads, so a
//! model's weights are in memory once. No library of custom operators is ever registered.

#[cfg_attr(
    not(any(feature = "onnxruntime", feature = "rten")),
    allow(dead_code, reason = "nothing runs graphs")
)]
mod feeds;
#[cfg_attr(
    not(any(feature = "onnxruntime", feature = "rten")),
    allow(dead_code, reason = "nothing runs graphs")
)]
mod graph;
mod install;
#[cfg(feature = "onnxruntime")]
mod onnxruntime;
#[cfg(feature = "rten")]
mod rten;
#[cfg_attr(not(feature = "onnxruntime"), allow(dead_code, reason = "only ONNX Runtime is looked for"))]
mod search;
#[cfg_attr(
    not(any(feature = "onnxruntime", feature = "rten")),
    allow(dead_code, reason = "nothing runs graphs")
)]
mod session;
mod wheels;
mod wire;

use std::path::PathBuf;

pub(super) use feeds::{Feed, FeedSession, FeedValues};
pub(super) use graph::Graph;
pub use install::{Installed, install, install_with_pip};
pub use search::{RuntimeSearch, cache_directory};
pub(super) use session::{Tensor, TokenBatch};
pub use wheels::VERSION as ONNXRUNTIME_VERSION;

use super::error::Attempts;
use super::{EncodeError, ModelOptions, RuntimeChoice};

/// What ran a model, and why that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeReport {
    /// `onnxruntime`, `rten` or `native` (tables that need no runtime).
    pub name: &'static str,
    /// Its version, where it tells it.
    pub version: String,
    /// Why it was taken, and what was tried before.
    pub why: String,
    /// The library that was loaded.
    pub library: Option<PathBuf>,
}

impl RuntimeReport {
    /// No runtime is needed.
    pub(super) fn native() -> Self {
        Self {
            name: "native",
            version: env!("CARGO_PKG_VERSION").to_owned(),
            why: "a table of token vectors needs no runtime".to_owned(),
            library: None,
        }
    }
}

/// Loads a graph in the runtime that `options` choose.
pub(super) fn load(
    graph: Graph,
    options: &ModelOptions,
) -> Result<(Box<dyn FeedSession>, RuntimeReport), EncodeError> {
    match options.runtime {
        RuntimeChoice::Rten => in_rten(graph, options, "asked for".to_owned()),
        RuntimeChoice::OnnxRuntime => in_onnxruntime(&graph, options, "asked for"),
        // A library that was named by hand is a demand for it.
        RuntimeChoice::Auto if options.onnxruntime_path.is_some() => {
            in_onnxruntime(&graph, options, "its library was named in the options")
        }
        RuntimeChoice::Auto if cfg!(not(feature = "rten")) => {
            in_onnxruntime(&graph, options, "the only one in this build")
        }
        RuntimeChoice::Auto => match in_onnxruntime(&graph, options, "preferred where it is found") {
            Err(EncodeError::RuntimeNotFound { tried }) => {
                in_rten(graph, options, format!("ONNX Runtime was not found; tried:{}", listed(&tried)))
            }
            Err(EncodeError::RuntimeNotCompiled { .. }) => {
                in_rten(graph, options, "this build has no ONNX Runtime".to_owned())
            }
            other => other,
        },
    }
}

fn listed(tried: &Attempts) -> String {
    if tried.0.is_empty() { " nowhere, as the options say".to_owned() } else { tried.to_string() }
}

/// Loads the ONNX Runtime library that a model with `options` would use, and tells which one it is.
///
/// # Errors
/// [`EncodeError::RuntimeNotFound`] with every place that was tried; [`EncodeError::RuntimeNotCompiled`] if this build
/// cannot use the library.
pub fn find_onnxruntime(options: &ModelOptions) -> Result<RuntimeReport, EncodeError> {
    #[cfg(feature = "onnxruntime")]
    {
        let (found, _) = onnxruntime::library(options.onnxruntime_path.as_deref(), &options.search)?;
        let (version, why) = (found.version, format!("found: {}", found.place));
        Ok(RuntimeReport { name: "onnxruntime", version, why, library: Some(found.path) })
    }
    #[cfg(not(feature = "onnxruntime"))]
    {
        let _ = options;
        Err(EncodeError::RuntimeNotCompiled { runtime: "ONNX Runtime", feature: "onnxruntime" })
    }
}

#[cfg(feature = "onnxruntime")]
fn in_onnxruntime(
    graph: &Graph,
    options: &ModelOptions,
    why: &str,
) -> Result<(Box<dyn FeedSession>, RuntimeReport), EncodeError> {
    let (library, tried) = onnxruntime::library(options.onnxruntime_path.as_deref(), &options.search)?;
    let session = onnxruntime::session(&library, graph, options.thread_count())?;
    let mut why = format!("{why}; found: {}", library.place);
    if options.onnxruntime_path.as_ref().is_some_and(|path| *path != library.path) {
        why.push_str("; this process had loaded it before and can load no other");
    }
    if !tried.0.is_empty() {
        why = format!("{why}; tried before:{tried}");
    }
    let library_path = Some(library.path.clone());
    let report = RuntimeReport { name: "onnxruntime", version: library.version, why, library: library_path };
    Ok((session, report))
}

#[cfg(not(feature = "onnxruntime"))]
fn in_onnxruntime(
    _graph: &Graph,
    _options: &ModelOptions,
    _why: &str,
) -> Result<(Box<dyn FeedSession>, RuntimeReport), EncodeError> {
    Err(EncodeError::RuntimeNotCompiled { runtime: "ONNX Runtime", feature: "onnxruntime" })
}

#[cfg(feature = "rten")]
fn in_rten(
    graph: Graph,
    options: &ModelOptions,
    why: String,
) -> Result<(Box<dyn FeedSession>, RuntimeReport), EncodeError> {
    let session = rten::session(graph, options.thread_count())?;
    let report = RuntimeReport { name: "rten", version: rten::VERSION.to_owned(), why, library: None };
    Ok((session, report))
}

#[cfg(not(feature = "rten"))]
fn in_rten(
    _graph: Graph,
    _options: &ModelOptions,
    _why: String,
) -> Result<(Box<dyn FeedSession>, RuntimeReport), EncodeError> {
    Err(EncodeError::RuntimeNotCompiled { runtime: "rten", feature: "rten" })
}
