use std::borrow::Cow;
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

/// Files that are compiled into a program: names relative to the model's directory, with `/` between folders.
pub(super) type Embedded = &'static [(&'static str, &'static [u8])];

/// A directory that holds a model: bounded reads of regular files, or of files that are compiled in.
#[derive(Debug, Clone)]
pub(super) struct ModelDirectory {
    root: PathBuf,
    /// The files below the outermost directory, and where that is.
    embedded: Option<(PathBuf, Embedded)>,
}

impl ModelDirectory {
    pub(super) fn open(root: &Path) -> Result<Self, EncodeError> {
        match std::fs::metadata(root) {
            Ok(meta) if meta.is_dir() => Ok(Self { root: root.to_owned(), embedded: None }),
            Ok(_) => Err(EncodeError::UnknownLayout { directory: root.to_owned() }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                Err(EncodeError::MissingFile { path: root.to_owned(), what: "the model directory" })
            }
            Err(source) => Err(EncodeError::Unreadable { path: root.to_owned(), source }),
        }
    }

    /// A directory of files that are compiled in; its name stands in messages.
    #[cfg(feature = "bundled-model")]
    pub(super) fn embedded(name: &str, files: Embedded) -> Self {
        let root = PathBuf::from(name);
        Self { embedded: Some((root.clone(), files)), root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The compiled-in file at `path`, where this directory has such files.
    fn compiled_in(&self, path: &Path) -> Option<Option<&'static [u8]>> {
        let (root, files) = self.embedded.as_ref()?;
        let below = path.strip_prefix(root).ok();
        Some(files.iter().find(|(name, _)| below == Some(Path::new(name))).map(|(_, bytes)| *bytes))
    }

    /// Reads the file at `path`, which is one of this directory's.
    pub(super) fn read_path(
        &self,
        path: &Path,
        what: &'static str,
        limit: u64,
    ) -> Result<Cow<'static, [u8]>, EncodeError> {
        match self.compiled_in(path) {
            None => read(path, what, limit).map(Cow::Owned),
            Some(Some(bytes)) => Ok(Cow::Borrowed(bytes)),
            Some(None) => Err(EncodeError::MissingFile { path: path.to_owned(), what }),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        let path = self.path(name);
        self.compiled_in(&path).map_or_else(|| path.is_file(), |found| found.is_some())
    }

    /// The directory of a module that the file `listed_in` names: this one, or one below it.
    pub(super) fn part(&self, listed_in: &str, path: &str) -> Result<Self, EncodeError> {
        let below = Path::new(path);
        if below.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Ok(Self { root: self.root.join(below), embedded: self.embedded.clone() });
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
        let bytes = self.read_path(&path, what, JSON_LIMIT)?;
        serde_json::from_slice(&bytes).map_err(|source| EncodeError::Json { path, source })
    }

    /// A configuration that may be absent.
    pub(super) fn optional_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, EncodeError> {
        let path = self.path(name);
        if !self.compiled_in(&path).map_or_else(|| path.exists(), |found| found.is_some()) {
            return Ok(None);
        }
        self.json(name, "a configuration").map(Some)
    }

    /// The names in a folder of this directory (`""` is the directory itself), sorted; none if it is not there.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let folder = self.root.join(folder);
        let mut names: Vec<String> = match &self.embedded {
            None => {
                let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
                entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
            }
            Some((root, files)) => {
                let paths = files.iter().map(|(name, _)| root.join(name));
                let inside = paths.filter(|path| path.parent() == Some(folder.components().as_path()));
                inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect()
            }
        };
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
