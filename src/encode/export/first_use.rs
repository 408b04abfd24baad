//! Checkpoints without a graph, loaded as if they had one.
//!
//! ```text
//! config.json, model.safetensors, … ─ key ─ CACHE/converted/KEY/NAME/   there: load it
//!                                           └ absent: lock, write beside, rename, load
//! ```
//!
//! The key is a hash over the small files' bytes and the weights' names, sizes and times. The converted
//! directory has the small files of the checkpoint and `onnx/model.onnx`, which gives hidden states; what is made of them
//! is read from the small files, as in any directory. It appears under its name whole; processes that want the same one
//! wait for the first.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::config::{ConfigFile, Identity};
use super::{ConvertOptions, ExportError, Head, family, file};
use crate::encode::ModelOptions;
use crate::encode::fingerprint::Fingerprint;

/// Files above this size are weights.
const SMALL: u64 = 64 << 20;
/// Folders of modules lie this deep at most.
const MAX_DEPTH: usize = 2;
/// More files than any checkpoint has.
const MAX_FILES: usize = 512;

/// What a directory is loaded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::encode) enum LoadedAs {
    Encoder,
    Judge,
}

/// The directory to load, and what is to be said about it.
#[derive(Debug)]
pub(in crate::encode) struct Ready {
    pub(in crate::encode) directory: PathBuf,
    pub(in crate::encode) note: Option<String>,
}

/// `directory` itself, or the conversion of its checkpoint if it has a checkpoint that can be converted and no graph.
pub(in crate::encode) fn ready(
    directory: &Path,
    loaded_as: LoadedAs,
    options: &ModelOptions,
) -> Result<Ready, ExportError> {
    let itself = || Ready { directory: directory.to_owned(), note: None };
    let Some(cache) = options.search.cache.as_deref().filter(|_| options.convert) else {
        return Ok(itself());
    };
    let weights = ["model.safetensors", "model.safetensors.index.json"];
    let has_weights = weights.iter().any(|name| directory.join(name).is_file());
    if options.variant.is_some() || !has_weights || has_graph(directory) {
        return Ok(itself());
    }
    // What no family is known for is told by those who read layouts.
    let Ok(identity) = ConfigFile::of(directory).read::<Identity>() else { return Ok(itself()) };
    if !family::is_known(&identity.model_type) {
        return Ok(itself());
    }
    let head = match loaded_as {
        LoadedAs::Encoder => Head::Hidden,
        LoadedAs::Judge if identity.architecture().ends_with("ForCausalLM") => Head::NextToken,
        LoadedAs::Judge => Head::CrossEncoder,
    };
    let files = files(directory)?;
    let key = key(directory, &files, head)?;
    let root = cache.join("converted");
    let name = name_of(directory);
    let target = root.join(&key).join(&name);
    let note = |word: &str| {
        Some(format!(
            "no ONNX graph: {word} {} from its safetensors",
            target.join("onnx/model.onnx").display()
        ))
    };
    if target.is_dir() {
        return Ok(Ready { note: note("loaded the one made before in"), directory: target });
    }
    make(directory, (&root, &key, &name), &files, head)?;
    tracing::info!(model = %directory.display(), converted = %target.display(), "converted a checkpoint to ONNX");
    Ok(Ready { note: note("made"), directory: target })
}

/// The checkpoint's own name, which the model goes by.
fn name_of(directory: &Path) -> String {
    let absolute = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    absolute.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn has_graph(directory: &Path) -> bool {
    [directory.to_owned(), directory.join("onnx"), directory.join("0_Transformer")].iter().any(|folder| {
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        names
            .map(|entry| entry.path())
            .any(|path| path.extension().is_some_and(|extension| extension == "onnx"))
    })
}

/// The files below `directory`, by their path in it.
fn files(directory: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(directory).max_depth(MAX_DEPTH).sort_by_file_name() {
        let entry = entry.map_err(|error| ExportError::Io {
            path: directory.to_owned(),
            source: error.into_io_error().unwrap_or_else(|| io::Error::other("the folder loops")),
        })?;
        // The hub's cache keeps every file as a link.
        if entry.path().is_file() && found.len() < MAX_FILES {
            found.extend(entry.path().strip_prefix(directory).map(Path::to_owned));
        }
    }
    Ok(found)
}

/// Whether a file holds the weights of the encoder, which the graph contains.
fn is_weights(name: &Path) -> bool {
    let parent = name.parent().is_none_or(|parent| parent.as_os_str().is_empty());
    let text = name.to_string_lossy();
    parent && text.starts_with("model") && text.ends_with(".safetensors")
}

fn key(directory: &Path, files: &[PathBuf], head: Head) -> Result<String, ExportError> {
    let mut fingerprint = Fingerprint::new("converted");
    fingerprint.add("graphs", file::GRAPHS.as_bytes());
    fingerprint.add("head", head.name().as_bytes());
    for name in files {
        let path = directory.join(name);
        let fail = |source| ExportError::Io { path: path.clone(), source };
        let meta = fs::metadata(&path).map_err(fail)?;
        let time =
            meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        fingerprint.add("name", name.to_string_lossy().as_bytes());
        match copied(name, meta.len()) {
            true => fingerprint.add("bytes", &fs::read(&path).map_err(fail)?),
            false => {
                let times = [meta.len(), time.as_secs(), u64::from(time.subsec_nanos())];
                fingerprint.add_numbers("size and time", &times);
            }
        }
    }
    Ok(fingerprint.finish().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether a file is taken over into the converted directory.
fn copied(name: &Path, len: u64) -> bool {
    let extension = name.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    !is_weights(name) && len <= SMALL && !matches!(extension, "bin" | "pt" | "pth" | "h5" | "msgpack" | "ot")
}

fn make(
    directory: &Path,
    (root, key, name): (&Path, &str, &str),
    files: &[PathBuf],
    head: Head,
) -> Result<(), ExportError> {
    fn failed(path: &Path) -> impl Fn(io::Error) -> ExportError + '_ {
        |source| ExportError::Io { path: path.to_owned(), source }
    }
    fs::create_dir_all(root).map_err(failed(root))?;
    let lock_path = root.join(format!("{key}.lock"));
    let lock = File::create(&lock_path).map_err(failed(&lock_path))?;
    lock.lock().map_err(failed(&lock_path))?;
    let target = root.join(key);
    let beside = root.join(format!("{key}.{}.part", std::process::id()));
    let folder = beside.join(name);
    let made = (|| {
        // Another process may have made it while this one waited.
        if target.is_dir() {
            return Ok(());
        }
        super::convert::write_graph(directory, &folder, &ConvertOptions::new(head))?;
        for name in files {
            let (from, to) = (directory.join(name), folder.join(name));
            let len = fs::metadata(&from).map_err(failed(&from))?.len();
            if copied(name, len) {
                if let Some(folder) = to.parent() {
                    fs::create_dir_all(folder).map_err(failed(folder))?;
                }
                fs::copy(&from, &to).map_err(failed(&from))?;
            } else if is_weights(name) {
                link(&from, &to).map_err(failed(&to))?;
            }
        }
        fs::rename(&beside, &target).map_err(failed(&target))
    })();
    if made.is_err() {
        // The error at hand says more than a second one would.
        let _ = fs::remove_dir_all(&beside);
    }
    // Nobody waits for the name of a lock that is not held.
    let _ = fs::remove_file(&lock_path);
    made
}

/// Some layouts keep a projection in the encoder's weights.
#[cfg(unix)]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(from.canonicalize()?, to)
}

#[cfg(not(unix))]
fn link(_from: &Path, _to: &Path) -> io::Result<()> {
    Ok(())
}
