//! Lines of small text files, one at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::error::EvalError;

/// Two ids of the longest kind and numbers fit many times over.
pub(super) const MAX_LINE: usize = 64 << 10;

/// A reader that counts lines and knows its name.
pub(super) struct Lines<R> {
    reader: R,
    pub(super) file: String,
    pub(super) number: u64,
    buffer: Vec<u8>,
}

pub(super) fn open(path: &Path) -> Result<BufReader<File>, EvalError> {
    let file = || path.display().to_string();
    File::open(path).map(BufReader::new).map_err(|source| EvalError::Open { file: file(), source })
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R, file: &str) -> Self {
        Self { reader, file: file.to_owned(), number: 0, buffer: Vec::new() }
    }

    /// The next line that is not blank, without its end and without a byte-order mark.
    pub(super) fn next(&mut self) -> Result<Option<&str>, EvalError> {
        loop {
            self.buffer.clear();
            self.number += 1;
            let mut limited = (&mut self.reader).take(MAX_LINE as u64 + 1);
            let read = limited.read_until(b'\n', &mut self.buffer);
            let (file, line) = (|| self.file.clone(), self.number);
            if read.map_err(|source| EvalError::Read { file: file(), line, source })? == 0 {
                return Ok(None);
            }
            if self.buffer.len() > MAX_LINE {
                return Err(EvalError::LongLine { file: file(), line, limit: MAX_LINE });
            }
            if line == 1 {
                if self.buffer.starts_with(&[0x1f, 0x8b])
                    || self.buffer.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
                {
                    return Err(EvalError::Compressed { file: file() });
                }
                if self.buffer.starts_with(&[0xef, 0xbb, 0xbf]) {
                    self.buffer.drain(..3);
                }
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let text = str::from_utf8(&self.buffer);
        let text = text.map_err(|_| EvalError::NotUtf8 { file: self.file.clone(), line: self.number })?;
        Ok(Some(text.trim_end_matches(['\n', '\r'])))
    }
}
