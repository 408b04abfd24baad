//! Files of JSON that are small enough to be read whole.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::error::{CorpusError, Place, Problem};
use super::input::{Input, read_error};
use super::options::inner_extension;

/// Files that are larger when unpacked are refused.
pub(super) const LIMIT: u64 = 2 << 30;

/// A file, or the files of a folder that end in `.json` (also `.gz`, `.zst`), in the order of their names.
pub(super) fn json_files(path: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let folder = || path.display().to_string();
    let open = |source| CorpusError::Open { file: folder(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(open)? {
        let file = entry.map_err(open)?.path();
        if inner_extension(&file).as_deref() == Some("json") && file.is_file() {
            files.push(file);
        }
    }
    files.sort_unstable();
    if files.is_empty() {
        let accepted = ".json (also .gz, .zst) or .parquet";
        return Err(CorpusError::NoFiles { folder: folder(), accepted });
    }
    Ok(files)
}

/// The whole text of a file.
pub(super) struct JsonFile {
    name: String,
    text: String,
}

impl JsonFile {
    pub(super) fn open(path: &Path) -> Result<Self, CorpusError> {
        let name = path.display().to_string();
        let input = Input::open(path, &Arc::default())?;
        let (compression, is_utf16) = (input.compression, input.utf16);
        let whole = || Place { file: name.clone(), line: None };
        let refused = |problem| CorpusError::Record { at: whole(), problem };
        if is_utf16 {
            return Err(refused(Problem::Utf16));
        }
        let mut bytes = Vec::new();
        let read = input.take(LIMIT + 1).read_to_end(&mut bytes);
        read.map_err(|source| read_error(whole(), compression, source))?;
        if bytes.len() as u64 > LIMIT {
            return Err(refused(Problem::TooLong { limit: LIMIT as usize }));
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| refused(Problem::NotUtf8 { offset: error.utf8_error().valid_up_to() }))?;
        Ok(Self { name, text })
    }

    #[cfg(test)]
    pub(super) fn of_text(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_array(&self) -> bool {
        self.text.trim_start().starts_with('[')
    }

    /// Whether `words` stand near the beginning.
    pub(super) fn mentions(&self, words: &str) -> bool {
        let near = self.text.char_indices().nth(1 << 20).map_or(self.text.len(), |(at, _)| at);
        self.text[..near].contains(words)
    }

    /// The first key of the first object, if the file begins with one.
    pub(super) fn first_key(&self) -> Option<String> {
        let text = self.text.trim_start();
        let text = text.strip_prefix('[').unwrap_or(text).trim_start();
        let key = text.strip_prefix('{')?.trim_start().strip_prefix('"')?;
        Some(key[..key.find('"')?].to_owned())
    }

    /// The file as one value.
    pub(super) fn whole<T: DeserializeOwned>(&self) -> Result<T, CorpusError> {
        serde_json::from_str(&self.text).map_err(|error| self.json(None, &error))
    }

    /// The values of an array, or of lines.
    pub(super) fn records<T: DeserializeOwned>(&self) -> Result<Vec<T>, CorpusError> {
        if self.is_array() {
            return self.whole();
        }
        let lines = self.text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
        let read =
            |(line, number)| serde_json::from_str(line).map_err(|error| self.json(Some(number), &error));
        lines.map(read).collect()
    }

    fn json(&self, line: Option<u64>, error: &serde_json::Error) -> CorpusError {
        self.problem(line, Problem::Json { reason: error.to_string(), column: error.column() })
    }

    pub(super) fn problem(&self, line: Option<u64>, problem: Problem) -> CorpusError {
        CorpusError::Record { at: Place { file: self.name.clone(), line }, problem }
    }
}
