//! Engines that run ONNX graphs, behind one face.
//!
//! A graph runs in ONNX Runtime, a shared library that is looked for at run time ([`RuntimeSearch`]), or in rten,
//! which is compiled in. Whichever ran, and why, is told by [`RuntimeReport`]. One session serves all threads, so a
//! model's weights are in memory once.

mod search;

use std::path::PathBuf;

pub use search::{RuntimeSearch, cache_directory};

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
