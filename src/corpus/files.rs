//! Which files a path stands for, and in which order.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::error::{CorpusError, Place, Problem};
use super::options::{Format, inner_extension};

/// A file to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// Relative to the path that was given, with `/` between the parts.
    pub(super) id: String,
    /// `None`: the first bytes tell.
    pub(super) format: Option<Format>,
}

/// The files of a path, in the order of their names.
pub(super) enum Files {
    One(Option<Entry>),
    Folder { root: PathBuf, walk: Box<dyn Iterator<Item = walkdir::Result<DirEntry>> + Send>, kind: Kind },
}

/// Which files of a folder are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Plain text and Markdown, by their endings.
    TextAndMarkdown,
    /// Every file, as plain text.
    AnyText,
    /// Files whose ending says this format.
    Only(Format),
}

impl Kind {
    fn format_of(self, path: &Path) -> Option<Format> {
        match self {
            Self::AnyText => Some(Format::Text),
            Self::TextAndMarkdown => {
                Format::of_path(path).filter(|format| matches!(format, Format::Text | Format::Markdown))
            }
            Self::Only(format) => (Format::of_path(path) == Some(format)).then_some(format),
        }
    }

    fn accepted(self) -> &'static str {
        match self {
            Self::AnyText => "anything (hidden files and links are left out)",
            Self::TextAndMarkdown => {
                ".txt, .text, .md, .markdown or .mdx (also .gz, .zst), nor is it corpus.jsonl"
            }
            Self::Only(Format::Jsonl) => ".jsonl, .ndjson or .json (also .gz, .zst)",
            Self::Only(Format::Tsv) => ".tsv or .csv (also .gz, .zst)",
            Self::Only(Format::Parquet) => ".parquet",
            Self::Only(_) => ".md, .markdown or .mdx (also .gz, .zst)",
        }
    }
}

impl Files {
    /// Decides what `path` stands for. `stem` is the file a BEIR folder is asked for, such as `corpus`.
    ///
    /// Returns the number of bytes to read, if it is known.
    pub(super) fn of(
        path: &Path,
        format: Option<Format>,
        stem: &str,
    ) -> Result<(Self, Option<u64>), CorpusError> {
        let file = || path.display().to_string();
        let about = fs::metadata(path).map_err(|source| CorpusError::Open { file: file(), source })?;
        if !about.is_dir() {
            if format == Some(Format::Beir) {
                let (found, format, needed) = ("file", Format::Beir.name(), "folder");
                return Err(CorpusError::WrongKind { file: file(), found, format, needed });
            }
            let total = about.is_file().then_some(about.len());
            let format = format.or_else(|| Format::of_path(path));
            return Ok((Self::One(Some(Entry { path: path.to_owned(), id: name_of(path), format })), total));
        }
        if matches!(format, None | Some(Format::Beir)) {
            if let Some(entry) = in_beir(path, stem) {
                let total = fs::metadata(&entry.path).ok().map(|about| about.len());
                return Ok((Self::One(Some(entry)), total));
            }
            if format.is_some() {
                let accepted = "corpus.jsonl or queries.jsonl (also .gz, .zst, or .parquet)";
                return Err(CorpusError::NoFiles { folder: file(), accepted });
            }
        }
        Self::folder(path, format)
    }

    fn folder(path: &Path, format: Option<Format>) -> Result<(Self, Option<u64>), CorpusError> {
        let kind = match format {
            Some(Format::Text) => Kind::AnyText,
            Some(format) => Kind::Only(format),
            None => Kind::TextAndMarkdown,
        };
        let (mut count, mut bytes) = (0u64, 0u64);
        for entry in walk(path).flatten() {
            if entry.file_type().is_file() && kind.format_of(entry.path()).is_some() {
                count += 1;
                bytes += entry.metadata().map_or(0, |about| about.len());
            }
        }
        if count == 0 {
            let folder = path.display().to_string();
            return Err(CorpusError::NoFiles { folder, accepted: kind.accepted() });
        }
        Ok((Self::Folder { root: path.to_owned(), walk: Box::new(walk(path)), kind }, Some(bytes)))
    }
}

impl Iterator for Files {
    type Item = Result<Entry, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::One(entry) => entry.take().map(Ok),
            Self::Folder { root, walk, kind } => loop {
                let entry = match walk.next()? {
                    Ok(entry) => entry,
                    Err(error) => {
                        let file = error.path().unwrap_or(root).display().to_string();
                        let problem = Problem::Unreadable { reason: error.to_string() };
                        return Some(Err(CorpusError::Record { at: Place { file, line: None }, problem }));
                    }
                };
                let Some(format) = kind.format_of(entry.path()).filter(|_| entry.file_type().is_file())
                else {
                    continue;
                };
                return Some(entry_of(root, entry.into_path(), format));
            },
        }
    }
}

fn walk(root: &Path) -> impl Iterator<Item = walkdir::Result<DirEntry>> + Send + use<> {
    let hidden =
        |entry: &DirEntry| entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
    WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(move |entry| !hidden(entry))
}

fn entry_of(root: &Path, path: PathBuf, format: Format) -> Result<Entry, CorpusError> {
    let parts: Option<Vec<&str>> = path
        .strip_prefix(root)
        .unwrap_or(&path)
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .map(|part| part.as_os_str().to_str())
        .collect();
    match parts {
        Some(parts) => Ok(Entry { id: parts.join("/"), path, format: Some(format) }),
        None => {
            let at = Place { file: path.display().to_string(), line: None };
            Err(CorpusError::Record { at, problem: Problem::PathNotUtf8 })
        }
    }
}

/// The last part of the path; broken UTF-8 in it is replaced.
fn name_of(path: &Path) -> String {
    path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned()
}

fn in_beir(folder: &Path, stem: &str) -> Option<Entry> {
    let names = ["jsonl", "jsonl.gz", "jsonl.zst", "tsv", "tsv.gz", "tsv.zst", "parquet"];
    names.into_iter().find_map(|ending| {
        let path = folder.join(format!("{stem}.{ending}"));
        path.is_file().then(|| Entry { id: name_of(&path), format: Format::of_path(&path), path })
    })
}

/// The separator that a table's name tells: commas for `.csv`.
pub(super) fn separator(path: &Path) -> super::table::Separator {
    match inner_extension(path).as_deref() {
        Some("csv") => super::table::Separator::Comma,
        _ => super::table::Separator::Tab,
    }
}
