use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;

use super::EncodeError;

/// Configurations larger than this are not read.
const JSON_LIMIT: u64 = 16 << 20;
/// Tokenizers larger than this are not read.
pub(super) const TOKENIZER_LIMIT: u64 = 64 << 20;
/// Protocol buffers end at 2 GiB; larger weights are external.
pub(super) const GRAPH_LIMIT: u64 = 2 << 30;
/// The largest table or projection: 16 GiB.
pub(super) const WEIGHTS_LIMIT: u64 = 16 << 30;

/// A directory that holds a model: bounded reads of regular files.
#[derive(Debug, Clone)]
pub(super) struct ModelDirectory {
    root: PathBuf,
}

impl ModelDirectory {
    pub(super) fn open(root: &Path) -> Result<Self, EncodeError> {
        match std::fs::metadata(root) {
            Ok(meta) if meta.is_dir() => Ok(Self { root: root.to_owned() }),
            Ok(_) => Err(EncodeError::UnknownLayout { directory: root.to_owned() }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                Err(EncodeError::MissingFile { path: root.to_owned(), what: "the model directory" })
            }
            Err(source) => Err(EncodeError::Unreadable { path: root.to_owned(), source }),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.path(name).is_file()
    }

    /// The directory of a module that the file `listed_in` names: this one, or one below it.
    pub(super) fn part(&self, listed_in: &str, path: &str) -> Result<Self, EncodeError> {
        let below = Path::new(path);
        if below.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Ok(Self { root: self.root.join(below) });
        }
        Err(EncodeError::Field {
            path: self.path(listed_in),
            field: "path",
            found: path.to_owned(),
            expected: "a directory below the model's own",
        })
    }

    /// The directory's own name, for people.
    pub(super) fn name(&self) -> String {
        let absolute = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        absolute.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// The first of `names` that is there.
    pub(super) fn first(&self, names: &[String]) -> Option<PathBuf> {
        names.iter().find(|name| self.has(name)).map(|name| self.path(name))
    }

    /// A configuration that must be there.
    pub(super) fn json<T: DeserializeOwned>(&self, name: &str, what: &'static str) -> Result<T, EncodeError> {
        let path = self.path(name);
        let bytes = read(&path, what, JSON_LIMIT)?;
        serde_json::from_slice(&bytes).map_err(|source| EncodeError::Json { path, source })
    }

    /// A configuration that may be absent.
    pub(super) fn optional_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, EncodeError> {
        if !self.path(name).exists() {
            return Ok(None);
        }
        self.json(name, "a configuration").map(Some)
    }

    /// The names in a folder of this directory (`""` is the directory itself), sorted; none if it is not there.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The pickled weights in this directory.
    pub(super) fn pickles(&self) -> Vec<PathBuf> {
        let is_pickle = |name: &String| {
            let extension = Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or_default();
            matches!(extension, "bin" | "pt" | "pth" | "pkl" | "pickle" | "ckpt")
        };
        self.names("").into_iter().filter(is_pickle).map(|name| self.path(&name)).collect()
    }

    /// The first pickled weights in this directory, if any.
    pub(super) fn pickle(&self) -> Option<PathBuf> {
        self.pickles().into_iter().next()
    }
}

/// Reads a regular file of at most `limit` bytes.
pub(super) fn read(path: &Path, what: &'static str, limit: u64) -> Result<Vec<u8>, EncodeError> {
    let unreadable = |source| EncodeError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => EncodeError::MissingFile { path: path.to_owned(), what },
        _ => unreadable(source),
    })?;
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    if meta.len() > limit {
        return Err(EncodeError::TooLarge { path: path.to_owned(), bytes: meta.len(), limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 {
        read if read > limit => Err(EncodeError::TooLarge { path: path.to_owned(), bytes: read, limit }),
        _ => Ok(bytes),
    }
}
