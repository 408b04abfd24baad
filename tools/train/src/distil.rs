//! Teachers' vectors of the texts of training files: what a student takes over (`loss.name = "stella"`).
//!
//! ```text
//! FOLDER/texts.jsonl   {"query": TEXT}, every text of the files once, in the order they first stand there
//!        0.f32, 1.f32  a row a text of each teacher, little-endian, as RAG-Retrieval writes them
//!        teachers.json who made them, of which files
//! ```
//!
//! All are written side by side, so that what is stopped goes on behind the last text that all files have. A text that a teacher
//! gives no direction (zeros, or a number that is none) is left out: no loss is defined on it.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use lateen::encode::{EncodeError, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::data::{DataError, DataSet};
use crate::model::write_whole;

/// Why vectors could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DistilError {
    /// A training file.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A teacher; it must give one vector a text.
    #[error(transparent)]
    Teacher(#[from] EncodeError),
    /// Check the path, its permissions, and the room on the disk.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The vectors are of other teachers or files: remove the folder, or name another.
    #[error("{}: holds the vectors of other teachers or other files; remove it, or name another folder", .path.display())]
    Others {
        /// The folder.
        path: PathBuf,
    },
    /// Give files with texts, and teachers that know what to make of them.
    #[error("no text of the files has a direction by all teachers")]
    NoText,
}

/// Vectors of teachers beside their texts, as [`DataFile`](crate::config::DataFile) names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TeacherFiles {
    /// Texts, a row each.
    pub texts: PathBuf,
    /// One file a teacher.
    pub vectors: Vec<PathBuf>,
    /// Columns of each.
    pub dims: Vec<usize>,
    /// Rows.
    pub rows: u64,
    /// Rows that were made now.
    pub made: u64,
    /// Texts that a teacher gave no direction.
    pub left_out: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Makers {
    teachers: Vec<String>,
    files: Vec<String>,
    dims: Vec<usize>,
}

/// A teacher, and what tells it from others.
#[derive(Debug)]
pub struct Teacher {
    /// Gives one vector a text.
    pub model: Model,
    /// Another one for other weights or settings.
    pub identity: u128,
}

/// Writes the vectors that `teachers` give every text of `sets` into `folder`, `batch` texts at a time. `each` is told how
/// many texts are done.
///
/// Texts are encoded as documents. Memory: 8 bytes a text.
///
/// # Errors
/// [`DistilError`]. What was made before stays.
pub fn teach(
    sets: &[DataSet],
    teachers: &[Teacher],
    folder: &Path,
    batch: usize,
    mut each: impl FnMut(u64),
) -> Result<TeacherFiles, DistilError> {
    fs::create_dir_all(folder).map_err(io(folder))?;
    let dims = teachers.iter().map(|teacher| dim(&teacher.model)).collect::<Result<Vec<_>, _>>()?;
    let makers = Makers {
        teachers: teachers.iter().map(|teacher| format!("{:032x}", teacher.identity)).collect(),
        files: sets.iter().map(|set| format!("{:016x}", set.fingerprint())).collect(),
        dims: dims.clone(),
    };
    identify(folder, &makers)?;
    let mut files = Files::open(folder, &dims)?;
    let (mut seen, mut waiting, mut made, mut left_out) = (HashSet::new(), Vec::new(), 0, 0);
    let last = files.last()?;
    // Texts up to the last one are there, or were left out.
    let mut going_on = last.is_some();
    let mut texts = 0;
    for set in sets {
        for at in 0..set.len() {
            let record = set.read(at)?;
            for text in std::iter::once(record.query).chain(record.documents.into_iter().map(|d| d.text)) {
                let text = text.trim().to_owned();
                if text.is_empty() || !seen.insert(xxh3_64(text.as_bytes())) {
                    continue;
                }
                texts += 1;
                if going_on {
                    going_on = last.as_ref() != Some(&text);
                    continue;
                }
                waiting.push(text);
                if waiting.len() >= batch.max(1) {
                    let (new, odd) = files.add(&std::mem::take(&mut waiting), teachers)?;
                    (made, left_out) = (made + new, left_out + odd);
                    each(texts);
                }
            }
        }
    }
    let (new, odd) = files.add(&waiting, teachers)?;
    (made, left_out) = (made + new, left_out + odd);
    each(texts);
    if files.rows == 0 {
        return Err(DistilError::NoText);
    }
    Ok(TeacherFiles {
        texts: files.texts.1,
        vectors: files.vectors.into_iter().map(|(_, path, _)| path).collect(),
        dims,
        rows: files.rows,
        made,
        left_out,
    })
}

fn dim(model: &Model) -> Result<usize, EncodeError> {
    Ok(model.encode_documents_dense(&["a"])?.first().map_or(0, Vec::len))
}

/// Writes down who makes the files, or compares it with what is written there.
fn identify(folder: &Path, makers: &Makers) -> Result<(), DistilError> {
    let path = folder.join("teachers.json");
    if !path.exists() {
        return write_whole(&path, json!(makers).to_string().as_bytes()).map_err(io(&path));
    }
    let found = serde_json::from_slice::<Makers>(&fs::read(&path).map_err(io(&path))?);
    match found {
        Ok(found) if found == *makers => Ok(()),
        _ => Err(DistilError::Others { path: folder.to_owned() }),
    }
}

/// Texts and vectors, open to be added to.
struct Files {
    texts: (File, PathBuf),
    vectors: Vec<(File, PathBuf, usize)>,
    rows: u64,
}

impl Files {
    /// Opens the files and takes off what not all of them have.
    fn open(folder: &Path, dims: &[usize]) -> Result<Self, DistilError> {
        let open = |path: &Path| {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            file.map_err(io(path))
        };
        let path = folder.join("texts.jsonl");
        let mut texts = (open(&path)?, path);
        let mut vectors = Vec::new();
        for (at, dim) in dims.iter().enumerate() {
            let path = folder.join(format!("{at}.f32"));
            vectors.push((open(&path)?, path, *dim));
        }
        let ends = line_ends(&mut texts.0).map_err(io(&texts.1))?;
        let mut rows = ends.len() as u64;
        for (file, path, dim) in &vectors {
            rows = rows.min(file.metadata().map_err(io(path))?.len() / (*dim as u64 * 4).max(1));
        }
        let end = rows.checked_sub(1).map_or(0, |last| ends[last as usize]);
        texts.0.set_len(end).and_then(|()| texts.0.seek(SeekFrom::End(0))).map_err(io(&texts.1))?;
        for (file, path, dim) in &mut vectors {
            let end = rows * *dim as u64 * 4;
            file.set_len(end).and_then(|()| file.seek(SeekFrom::End(0))).map_err(io(path))?;
        }
        Ok(Self { texts, vectors, rows })
    }

    /// The last text.
    fn last(&mut self) -> Result<Option<String>, DistilError> {
        let (file, path) = &mut self.texts;
        let end = file.stream_position().map_err(io(path))?;
        file.seek(SeekFrom::Start(0)).map_err(io(path))?;
        let mut last = None;
        for line in BufReader::new(&mut *file).lines() {
            last = Some(line.map_err(io(path))?);
        }
        file.seek(SeekFrom::Start(end)).map_err(io(path))?;
        let text =
            |line: String| serde_json::from_str::<Value>(&line).ok()?["query"].as_str().map(str::to_owned);
        Ok(last.and_then(text))
    }

    /// Adds texts that have a direction by all teachers; how many were added, and how many not.
    fn add(&mut self, texts: &[String], teachers: &[Teacher]) -> Result<(u64, u64), DistilError> {
        if texts.is_empty() {
            return Ok((0, 0));
        }
        let plain: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut all = Vec::with_capacity(teachers.len());
        for teacher in teachers {
            all.push(teacher.model.encode_documents_dense(&plain)?);
        }
        let (mut lines, mut bytes) = (Vec::new(), vec![Vec::new(); teachers.len()]);
        let mut added = 0;
        for (at, text) in texts.iter().enumerate() {
            let widths =
                all.iter().zip(&self.vectors).all(|(vectors, (_, _, dim))| vectors[at].len() == *dim);
            if !widths || !all.iter().all(|vectors| has_direction(&vectors[at])) {
                continue;
            }
            added += 1;
            lines.extend(format!("{}\n", json!({ "query": text })).into_bytes());
            for (bytes, vectors) in bytes.iter_mut().zip(&all) {
                bytes.extend(vectors[at].iter().flat_map(|x| x.to_le_bytes()));
            }
        }
        for ((file, path, _), bytes) in self.vectors.iter_mut().zip(bytes) {
            file.write_all(&bytes).map_err(io(path))?;
        }
        self.texts.0.write_all(&lines).map_err(io(&self.texts.1))?;
        self.rows += added;
        Ok((added, texts.len() as u64 - added))
    }
}

fn has_direction(vector: &[f32]) -> bool {
    let norm = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    norm.is_finite() && norm > 1e-12
}

/// Where each whole line ends.
fn line_ends(file: &mut File) -> std::io::Result<Vec<u64>> {
    file.seek(SeekFrom::Start(0))?;
    let (mut ends, mut at, mut buffer) = (Vec::new(), 0_u64, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(ends);
        }
        ends.extend(
            buffer[..read].iter().zip(at + 1..).filter(|(byte, _)| **byte == b'\n').map(|(_, end)| end),
        );
        at += read as u64;
    }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> DistilError + '_ {
    move |source| DistilError::Io { path: path.to_owned(), source }
}
