//! Files that are one document each.

use std::io::Read;

use super::error::{CorpusError, Place, Problem};
use super::input::{Input, read_error};
use super::markdown;
use super::options::Format;
use super::records::{Fields, utf8};

/// A text file not yet read.
pub(super) struct Whole {
    pub(super) input: Input,
    pub(super) file: String,
    pub(super) id: String,
    pub(super) format: Format,
    pub(super) limit: usize,
}

impl Whole {
    /// Reads the file as one record, unchecked.
    pub(super) fn read(mut self) -> Result<Fields, CorpusError> {
        let at = |line| Place { file: self.file.clone(), line };
        let bad = |line, problem| CorpusError::Record { at: at(line), problem };
        if self.input.utf16 {
            return Err(bad(None, Problem::Utf16));
        }
        let mut bytes = Vec::new();
        let compression = self.input.compression;
        (&mut self.input)
            .take(self.limit as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| read_error(at(None), compression, source))?;
        if bytes.len() > self.limit {
            return Err(bad(None, Problem::TooLong { limit: self.limit }));
        }
        let line_of = |offset: usize| {
            let before = &bytes[..offset];
            let begin = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            (Some(1 + before.iter().filter(|&&byte| byte == b'\n').count() as u64), offset - begin)
        };
        if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
            let (line, offset) = line_of(offset);
            return Err(bad(line, Problem::Binary { offset }));
        }
        let text = match utf8(&bytes) {
            Ok(text) => text,
            Err(Problem::NotUtf8 { offset }) => {
                let (line, offset) = line_of(offset);
                return Err(bad(line, Problem::NotUtf8 { offset }));
            }
            Err(problem) => return Err(bad(None, problem)),
        };
        if self.format != Format::Markdown {
            return Ok(Fields { id: self.id, text: text.trim().to_owned(), ..Fields::default() });
        }
        let parts = markdown::read(text).map_err(|problem| bad(None, problem))?;
        let (title, text, metadata) = (parts.title, parts.text.to_owned(), parts.metadata);
        Ok(Fields { id: self.id, title, text, metadata, ..Fields::default() })
    }
}
