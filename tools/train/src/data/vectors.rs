//! A teacher's vectors, read by row from raw files.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Mutex;

use lateen::corpus::{CorpusError, Place};

use super::error::DataError;

/// Raw little-endian `f32` matrices `[rows, dim]` side by side.
#[derive(Debug)]
pub(super) struct Vectors {
    files: Vec<(Mutex<File>, String, usize)>,
    dim: usize,
}

impl Vectors {
    pub(super) fn open(files: &[(PathBuf, usize)], rows: u64) -> Result<Self, DataError> {
        let mut opened = Vec::with_capacity(files.len());
        for (path, dim) in files {
            let name = path.display().to_string();
            let open = |source| CorpusError::Open { file: name.clone(), source };
            let file = File::open(path).map_err(open)?;
            let found = file.metadata().map_err(open)?.len();
            let needed = rows.saturating_mul(*dim as u64).saturating_mul(4);
            if found != needed || *dim == 0 {
                return Err(DataError::Vectors { file: name, found, rows, dim: *dim, needed });
            }
            opened.push((Mutex::new(file), name, *dim));
        }
        Ok(Self { files: opened, dim: files.iter().map(|(_, dim)| dim).sum() })
    }

    /// Columns of all files together.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Appends a row, scaled to length 1.
    pub(super) fn read(&self, row: u64, to: &mut Vec<f32>) -> Result<(), DataError> {
        let start = to.len();
        for (file, name, dim) in &self.files {
            let mut bytes = vec![0; dim * 4];
            let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let read =
                file.seek(SeekFrom::Start(row * *dim as u64 * 4)).and_then(|_| file.read_exact(&mut bytes));
            let at = || Place { file: name.clone(), line: None };
            read.map_err(|source| CorpusError::Read { at: at(), source })?;
            to.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        }
        let norm = to[start..].iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if !(norm.is_finite() && norm > 0.0) {
            let file = self.files.first().map(|(_, name, _)| name.clone()).unwrap_or_default();
            return Err(DataError::BadVector { file, row });
        }
        for x in &mut to[start..] {
            *x = (f64::from(*x) / norm) as f32;
        }
        Ok(())
    }
}
