//! Lines of a file that can be read again in any order.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

use lateen::corpus::{CorpusError, Place, TextFile};

use super::error::{DataError, RowProblem};

const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Where a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Of its first byte.
    pub offset: u64,
    /// Bytes, its end not counted.
    pub len: u32,
    /// From 1.
    pub line: u32,
}

/// A text file whose lines are read by position: the file itself, or an unpacked temporary copy of a packed one.
#[derive(Debug)]
pub struct Lines {
    file: Mutex<File>,
    name: String,
    limit: usize,
    start: u64,
}

impl Lines {
    /// Opens `path`. A packed file is unpacked once into an unnamed file in the system's temporary directory.
    ///
    /// # Errors
    /// [`DataError::File`], [`DataError::Spool`].
    pub fn open(path: &Path, limit: usize) -> Result<Self, DataError> {
        let name = path.display().to_string();
        let mut text = TextFile::open(path)?;
        let (file, start) = if text.compression().is_some() {
            (unpack(&mut text, &name)?, 0)
        } else {
            let mut file =
                File::open(path).map_err(|source| CorpusError::Open { file: name.clone(), source })?;
            let mut first = Vec::new();
            (&mut file).take(3).read_to_end(&mut first).map_err(|source| CorpusError::Read {
                at: Place { file: name.clone(), line: None },
                source,
            })?;
            (file, if first == UTF8_MARK { 3 } else { 0 })
        };
        Ok(Self { file: Mutex::new(file), name, limit, start })
    }

    /// The path as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls `each` with every line that is not blank, in order, or with what is wrong with it.
    ///
    /// # Errors
    /// [`DataError::File`], [`DataError::TooManyRows`], and what `each` returns.
    pub fn each(
        &self,
        mut each: impl FnMut(Span, Result<&str, RowProblem>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.start)).map_err(|error| self.read_error(1, error))?;
        let mut reader = BufReader::with_capacity(64 << 10, &mut *file);
        let (mut offset, mut line) = (self.start, 0u32);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            line = line.checked_add(1).ok_or_else(|| DataError::TooManyRows {
                file: self.name.clone(),
                limit: u64::from(u32::MAX),
            })?;
            let fail = |error| self.read_error(line, error);
            let room = self.limit as u64 + 2;
            let mut taken = (&mut reader).take(room).read_until(b'\n', &mut bytes).map_err(fail)? as u64;
            if taken == 0 {
                return Ok(());
            }
            let ended = bytes.last() == Some(&b'\n');
            if ended {
                bytes.pop();
            } else if taken == room {
                taken += pass_over(&mut reader).map_err(fail)?;
            }
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
            let span = Span { offset, len: u32::try_from(bytes.len()).unwrap_or(u32::MAX), line };
            offset += taken;
            if bytes.len() > self.limit {
                each(span, Err(RowProblem::TooLong { limit: self.limit }))?;
                continue;
            }
            match std::str::from_utf8(&bytes) {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => each(span, Ok(text))?,
                Err(error) => each(span, Err(RowProblem::NotUtf8 { offset: error.valid_up_to() }))?,
            }
        }
    }

    /// The line at `span`, again.
    ///
    /// # Errors
    /// [`DataError::Changed`] if it is no longer there.
    pub fn read(&self, span: Span) -> Result<String, DataError> {
        let mut bytes = vec![0; span.len as usize];
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(span.offset)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|error| self.changed(span, error.to_string()))?;
        String::from_utf8(bytes).map_err(|error| self.changed(span, error.to_string()))
    }

    /// The file and the line, for messages.
    #[must_use]
    pub fn place(&self, span: Span) -> Place {
        Place { file: self.name.clone(), line: Some(u64::from(span.line)) }
    }

    pub(super) fn changed(&self, span: Span, reason: String) -> DataError {
        DataError::Changed { at: self.place(span), reason }
    }

    fn read_error(&self, line: u32, source: io::Error) -> DataError {
        let at = Place { file: self.name.clone(), line: Some(u64::from(line)) };
        CorpusError::Read { at, source }.into()
    }
}

fn unpack(text: &mut TextFile, name: &str) -> Result<File, DataError> {
    let spool = |source| DataError::Spool { file: name.to_owned(), directory: std::env::temp_dir(), source };
    let mut out = BufWriter::new(tempfile::tempfile().map_err(spool)?);
    loop {
        let bytes = match text.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // The line is unknown: lines are counted later.
            Err(error) => return Err(text.error(1, error).into()),
        };
        if bytes.is_empty() {
            break;
        }
        out.write_all(bytes).map_err(spool)?;
        let taken = bytes.len();
        text.consume(taken);
    }
    out.into_inner().map_err(|error| spool(error.into_error()))
}

/// Reads to the end of the line without keeping it; gives its bytes.
fn pass_over(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut passed = 0;
    loop {
        let bytes = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(bytes.len(), |end| end + 1);
        reader.consume(taken);
        passed += taken as u64;
        if end.is_some() || taken == 0 {
            return Ok(passed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], limit: usize) -> Vec<(u32, String)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let lines = Lines::open(file.path(), limit).unwrap();
        let mut spans = Vec::new();
        lines
            .each(|span, line| {
                spans.push((span, line.map(str::to_owned)));
                Ok(())
            })
            .unwrap();
        spans
            .into_iter()
            .map(|(span, line)| {
                if let Ok(line) = &line {
                    assert_eq!(&lines.read(span).unwrap(), line);
                }
                (span.line, line.unwrap_or_else(|problem| problem.to_string()))
            })
            .collect()
    }

    #[test]
    fn lines_are_read_twice() {
        let long = "longer than 3 bytes".to_owned();
        assert_eq!(
            all(b"\xef\xbb\xbfab\r\n\n \nabcdefgh\nabc\r\nabcd\nxyz", 3),
            [(1, "ab".into()), (4, long.clone()), (5, "abc".into()), (6, long), (7, "xyz".into())]
        );
        assert_eq!(all(b"a\xff", 9), [(1, "byte 1 is not UTF-8".into())]);
        assert_eq!(all(b"", 9), []);
    }
}
