//! Smaller students from larger checkpoints: fewer tokens, fewer layers, the same weights.
//!
//! ```text
//! texts ─ tokenizer.json → kept ids ─┬─ tokenizer.json, config.json   renumbered
//!                                    └─ embeddings                    their rows
//! chosen layers ───────────────────────  layers                       renumbered
//! ```
//!
//! A text all of whose tokens are kept is tokenised as before and, with all layers, answered to the bit as before: tables lose
//! rows that it does not read. Other texts are spelled with shorter tokens; single characters are always kept (Abdaoui et
//! al., "Load What You Need", arXiv:2010.05609). Leaving out layers changes every answer and wants training afterwards (Sanh
//! et al., "DistilBERT", arXiv:1910.01108, takes every second one).

mod ids;
mod layers;
mod vocabulary;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::data::DataError;
use crate::model::{ModelError, Stored, TOKEN_WEIGHTS, read_json, write, write_whole};

pub use ids::Kept;
pub use vocabulary::Counter;

/// Why a checkpoint cannot be pruned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// See there.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// See there.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Check the path, its permissions, and the room on the disk.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is of a kind that cannot be made smaller.
    #[error("{}: {found}; {expected}", .path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// Choose among the layers that are there, each once, at least one.
    #[error("layers {layers:?} of a model with {count}: name some of 0 to {}", .count.saturating_sub(1))]
    Layers {
        /// As given.
        layers: Vec<usize>,
        /// How many there are.
        count: usize,
    },
    /// Write to another folder than the checkpoint's.
    #[error("{} is the checkpoint itself", .path.display())]
    Same {
        /// The folder.
        path: PathBuf,
    },
}

/// What was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// Tokens before and after.
    pub tokens: (usize, usize),
    /// Layers before and after.
    pub layers: (usize, usize),
    /// Numbers before and after, all weights together.
    pub parameters: (u64, u64),
}

/// Files that name tokens by number in a form that is not rewritten; `tokenizer.json` says all that they do.
const LEFT_OUT: [&str; 8] = [
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
    "generation_config.json",
];
/// Tables with a row for each token.
const TABLES: [&str; 8] = [
    "word_embeddings.weight",
    "embed_tokens.weight",
    "tok_embeddings.weight",
    "lm_head.weight",
    "lm_head.decoder.weight",
    "predictions.decoder.weight",
    "predictions.bias",
    "lm_head.bias",
];

/// Writes the checkpoint in `source` into `target` with the `kept` tokens and `layers` only; `None`: all.
///
/// Weights are written in 32 bits. ONNX graphs and other weights are not copied, since they hold all tokens.
///
/// # Errors
/// [`PruneError`].
pub fn prune(
    source: &Path,
    target: &Path,
    kept: Option<&Kept>,
    layers: Option<&[usize]>,
) -> Result<PruneReport, PruneError> {
    if fs::canonicalize(source).ok().is_some_and(|path| fs::canonicalize(target).ok() == Some(path)) {
        return Err(PruneError::Same { path: target.to_owned() });
    }
    let path = source.join("config.json");
    let mut config: Map<String, Value> = read_json(&path)?;
    let number = |key: &str| config.get(key).and_then(Value::as_u64).unwrap_or(0) as usize;
    let (vocabulary, count) = (number("vocab_size"), number("num_hidden_layers"));
    let chosen = layers::check(&config, layers, count, &path)?;
    let mut tensors = Stored::read(source)?.into_tensors();
    let numbers = |tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>| {
        tensors.values().map(|(_, values)| values.len() as u64).sum::<u64>()
    };
    let before = numbers(&tensors);
    layers::choose(&mut tensors, &mut config, &chosen);
    make(target)?;
    copy(source, target, kept.is_some())?;
    if let Some(kept) = kept {
        if kept.largest().is_some_and(|id| id as usize >= vocabulary) {
            let expected = "a tokenizer whose ids are all below vocab_size can be made smaller";
            return Err(PruneError::Unsupported {
                path,
                found: format!("vocab_size is {vocabulary}"),
                expected,
            });
        }
        let of_token = |name: &str, shape: &[usize]| {
            TABLES.iter().any(|table| name.ends_with(table)) && shape.first() == Some(&vocabulary)
        };
        for (shape, values) in tensors.iter_mut().filter(|(name, (s, _))| of_token(name, s)).map(|(_, t)| t) {
            kept.rows(shape, values);
        }
        ids::renumber_config(&mut config, kept);
        vocabulary::write(source, target, kept)?;
    }
    weights_of_tokens(source, target, kept)?;
    put(&target.join("config.json"), &Value::Object(config))?;
    let after = numbers(&tensors);
    let views = tensors.iter().map(|(n, (shape, values))| (n.as_str(), shape.as_slice(), values.as_slice()));
    write(&target.join("model.safetensors"), views)?;
    Ok(PruneReport {
        tokens: (vocabulary, kept.map_or(vocabulary, Kept::len)),
        layers: (count, chosen.len()),
        parameters: (before, after),
    })
}

/// What each token of a query counts, where the checkpoint says so.
fn weights_of_tokens(source: &Path, target: &Path, kept: Option<&Kept>) -> Result<(), PruneError> {
    if !source.join(TOKEN_WEIGHTS).exists() {
        return Ok(());
    }
    let mut tensors = Stored::read_file(&source.join(TOKEN_WEIGHTS))?.into_tensors();
    if let Some(kept) = kept {
        tensors.values_mut().for_each(|(shape, values)| kept.rows(shape, values));
    }
    let views = tensors.iter().map(|(n, (shape, values))| (n.as_str(), shape.as_slice(), values.as_slice()));
    Ok(write(&target.join(TOKEN_WEIGHTS), views)?)
}

/// Copies what stays as it is: the small files, and the folders of modules.
fn copy(source: &Path, target: &Path, tokens: bool) -> Result<(), PruneError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PruneError::Io { path, source }
    };
    for entry in fs::read_dir(source).map_err(failed(source))? {
        let entry = entry.map_err(failed(source))?;
        let (from, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let to = target.join(&name);
        if from.is_dir() {
            // Modules are called `1_Pooling` and the like.
            if name.starts_with(|first: char| first.is_ascii_digit()) {
                make(&to)?;
                for file in fs::read_dir(&from).map_err(failed(&from))? {
                    let file = file.map_err(failed(&from))?.path();
                    let (true, Some(name)) = (file.is_file(), file.file_name()) else { continue };
                    fs::copy(&file, to.join(name)).map_err(failed(&file))?;
                }
            }
            continue;
        }
        let weights =
            [".safetensors", ".bin", ".onnx", ".onnx_data", ".index.json", ".pt", ".h5", ".msgpack"];
        let head = name == "colbert_linear.safetensors" || name == "sparse_linear.safetensors";
        let stale = tokens && LEFT_OUT.contains(&name.as_str());
        if (weights.iter().any(|end| name.ends_with(end)) && !head) || stale || name == "config.json" {
            continue;
        }
        fs::copy(&from, &to).map_err(failed(&from))?;
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), PruneError> {
    fs::create_dir_all(folder).map_err(|source| PruneError::Io { path: folder.to_owned(), source })
}

fn put(path: &Path, value: &Value) -> Result<(), PruneError> {
    write_whole(path, format!("{value:#}\n").as_bytes())
        .map_err(|source| PruneError::Io { path: path.to_owned(), source })
}
