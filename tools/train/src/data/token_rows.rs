//! A teacher's vectors of tokens, read by text.
//!
//! `NAME.bin` holds a row a token: the token's number, `u32`, and its vector, `dim` times `f16`. `NAME.ends` holds a `u64` a
//! text: how many rows there are up to its end. All is little-endian.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Mutex;

use half::f16;
use lateen::corpus::{CorpusError, Place};

use super::error::DataError;

/// Bytes of a token's row.
#[must_use]
pub fn token_row_bytes(dim: usize) -> u64 {
    4 + 2 * dim as u64
}

/// The file of rows and, in memory, where each text ends.
#[derive(Debug)]
pub(super) struct TokenRows {
    rows: Mutex<File>,
    name: String,
    ends: Vec<u64>,
    dim: usize,
}

impl TokenRows {
    /// Opens the rows at `path`, of `texts` texts.
    ///
    /// Cost: 8 bytes of memory a text.
    pub(super) fn open(path: &Path, dim: usize, texts: u64) -> Result<Self, DataError> {
        let beside = path.with_extension("ends");
        let (rows, name, length) = open(path)?;
        let (mut file, ends_name, found) = open(&beside)?;
        let wrong =
            |found, rows, dim, needed| DataError::Vectors { file: name.clone(), found, rows, dim, needed };
        if dim == 0 || found != texts.saturating_mul(8) {
            let needed = texts.saturating_mul(8);
            return Err(DataError::Vectors { file: ends_name, found, rows: texts, dim: 1, needed });
        }
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes);
        read.map_err(|source| CorpusError::Read { at: place(&ends_name), source })?;
        let ends: Vec<u64> = bytes.as_chunks::<8>().0.iter().copied().map(u64::from_le_bytes).collect();
        let last = ends.last().copied().unwrap_or(0);
        let needed = last.saturating_mul(token_row_bytes(dim));
        if !ends.is_sorted() || length != needed {
            return Err(wrong(length, last, dim, needed));
        }
        Ok(Self { rows: Mutex::new(rows), name, ends, dim })
    }

    /// Columns of a vector.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Hands each token of text `row` to `each`: its number, and its vector at length 1. Returns how many there are.
    pub(super) fn read(&self, row: u64, mut each: impl FnMut(u32, &[f32])) -> Result<usize, DataError> {
        let at = row as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let (count, size) = ((self.ends[at] - start) as usize, token_row_bytes(self.dim) as usize);
        let mut bytes = vec![0; count * size];
        {
            let mut file = self.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let read =
                file.seek(SeekFrom::Start(start * size as u64)).and_then(|_| file.read_exact(&mut bytes));
            read.map_err(|source| CorpusError::Read { at: place(&self.name), source })?;
        }
        let mut vector = vec![0.0; self.dim];
        for token in bytes.chunks_exact(size) {
            let (id, numbers) = token.split_at(4);
            let mut square = 0.0;
            for (value, bytes) in vector.iter_mut().zip(numbers.as_chunks::<2>().0) {
                *value = f16::from_le_bytes(*bytes).to_f32();
                square += f64::from(*value).powi(2);
            }
            let norm = square.sqrt();
            if !(norm.is_finite() && norm > 0.0) {
                return Err(DataError::BadVector { file: self.name.clone(), row });
            }
            vector.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
            each(u32::from_le_bytes([id[0], id[1], id[2], id[3]]), &vector);
        }
        Ok(count)
    }

    /// The file, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

fn open(path: &Path) -> Result<(File, String, u64), DataError> {
    let name = path.display().to_string();
    let open = |source| CorpusError::Open { file: name.clone(), source };
    let file = File::open(path).map_err(open)?;
    let length = file.metadata().map_err(open)?.len();
    Ok((file, name, length))
}

fn place(name: &str) -> Place {
    Place { file: name.to_owned(), line: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, tokens: &[(u32, [f32; 2])], ends: &[u64]) -> std::path::PathBuf {
        let path = folder.join("tokens.bin");
        let mut bytes = Vec::new();
        for (id, vector) in tokens {
            bytes.extend(id.to_le_bytes());
            bytes.extend(vector.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()));
        }
        std::fs::write(&path, bytes).unwrap();
        let ends: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
        std::fs::write(folder.join("tokens.ends"), ends).unwrap();
        path
    }

    #[test]
    fn tokens_are_read_by_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), &[(7, [3.0, 4.0]), (8, [0.0, -2.0]), (9, [1.0, 0.0])], &[1, 1, 3]);
        let rows = TokenRows::open(&path, 2, 3).unwrap();
        let read = |row| {
            let mut all = Vec::new();
            rows.read(row, |id, vector| all.push((id, vector.to_vec()))).unwrap();
            all
        };
        assert_eq!(read(0), [(7, vec![0.6, 0.8])]);
        assert!(read(1).is_empty());
        assert_eq!(read(2), [(8, vec![0.0, -1.0]), (9, vec![1.0, 0.0])]);
    }

    #[test]
    fn files_that_do_not_fit_together_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = [(7, [3.0, 4.0]), (8, [0.0, 0.0])];
        let path = write(folder.path(), &tokens, &[1, 2]);
        for (dim, texts) in [(2, 3), (2, 1), (3, 2), (0, 2)] {
            let error = TokenRows::open(&path, dim, texts).unwrap_err();
            assert!(matches!(error, DataError::Vectors { .. }), "{error}");
        }
        let rows = TokenRows::open(&path, 2, 2).unwrap();
        assert!(matches!(rows.read(1, |_, _| ()), Err(DataError::BadVector { row: 1, .. })));
        for ends in [&[2, 1][..], &[1, u64::MAX], &[1, 1 << 60]] {
            let path = write(folder.path(), &tokens, ends);
            assert!(matches!(TokenRows::open(&path, 2, 2), Err(DataError::Vectors { .. })), "{ends:?}");
        }
    }
}
