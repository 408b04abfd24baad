//! What teachers make of the texts of training files, and a student takes over: their vectors (`loss.name = "stella"`), or
//! those of their tokens (`loss.name = "token_cosine"`).
//!
//! ```text
//! FOLDER/texts.jsonl   {"query": TEXT}, every text of the files once, in the order they first stand there
//!        0.f32, 1.f32  a row a text of each teacher, little-endian, as RAG-Retrieval writes them
//!        tokens.bin    or, of one late-interaction teacher, a row a token
//!        tokens.ends   and how many rows there are up to the end of each text
//!        teachers.json who made them, of which files
//! ```
//!
//! All are written side by side, so that what is stopped goes on behind the last text that all files have. A text that a teacher
//! gives no direction (zeros, or a number that is none) is left out: no loss is defined on it.

mod tokens;
mod vectors;

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use lateen::encode::{EncodeError, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::data::{DataError, DataSet};
use crate::model::write_whole;

pub use tokens::{TeacherTokens, teach_tokens};
pub use vectors::{TeacherFiles, teach};

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
    /// A late-interaction teacher must say which token each vector is of.
    #[error("the teacher does not say which tokens its vectors are of")]
    NoTokens,
    /// Give files with texts, and teachers that know what to make of them.
    #[error("no text of the files has a direction by all teachers")]
    NoText,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Makers {
    teachers: Vec<String>,
    files: Vec<String>,
    dims: Vec<usize>,
}

impl Makers {
    fn new(sets: &[DataSet], teachers: &[&Teacher], dims: Vec<usize>) -> Self {
        Self {
            teachers: teachers.iter().map(|teacher| format!("{:032x}", teacher.identity)).collect(),
            files: sets.iter().map(|set| format!("{:016x}", set.fingerprint())).collect(),
            dims,
        }
    }
}

/// A teacher, and what tells it from others.
#[derive(Debug)]
pub struct Teacher {
    /// Gives one vector a text, or a token.
    pub model: Model,
    /// Another one for other weights or settings.
    pub identity: u128,
}

/// What a teacher's answers are written to.
trait Answers {
    /// The last text that all files have.
    fn last(&mut self) -> Result<Option<String>, DistilError>;
    /// Asks about `texts` and writes the answers down; how many were added, and how many had no direction.
    fn add(&mut self, texts: &[String]) -> Result<(u64, u64), DistilError>;
}

/// Asks about every text of `sets` behind the last one that `answers` has, `batch` at a time.
fn ask(
    sets: &[DataSet],
    answers: &mut impl Answers,
    batch: usize,
    mut each: impl FnMut(u64),
) -> Result<(u64, u64), DistilError> {
    let (mut seen, mut waiting, mut made, mut left_out) = (HashSet::new(), Vec::new(), 0, 0);
    let last = answers.last()?;
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
                    let (new, odd) = answers.add(&std::mem::take(&mut waiting))?;
                    (made, left_out) = (made + new, left_out + odd);
                    each(texts);
                }
            }
        }
    }
    if !waiting.is_empty() {
        let (new, odd) = answers.add(&waiting)?;
        (made, left_out) = (made + new, left_out + odd);
    }
    each(texts);
    Ok((made, left_out))
}

/// Opens a file to be added to.
fn open(path: &Path) -> Result<File, DistilError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.map_err(io(path))
}

/// Takes off what lies behind `end`, and goes there.
fn cut(file: &mut File, path: &Path, end: u64) -> Result<(), DistilError> {
    file.set_len(end).and_then(|()| file.seek(SeekFrom::End(0))).map(drop).map_err(io(path))
}

/// The last of the texts in `file`, which is left at its end.
fn last_text(file: &mut File, path: &Path) -> Result<Option<String>, DistilError> {
    let end = file.stream_position().map_err(io(path))?;
    file.seek(SeekFrom::Start(0)).map_err(io(path))?;
    let mut last = None;
    for line in BufReader::new(&mut *file).lines() {
        last = Some(line.map_err(io(path))?);
    }
    file.seek(SeekFrom::Start(end)).map_err(io(path))?;
    let text = |line: String| serde_json::from_str::<Value>(&line).ok()?["query"].as_str().map(str::to_owned);
    Ok(last.and_then(text))
}

/// A text as a row of `texts.jsonl`.
fn line(text: &str) -> Vec<u8> {
    format!("{}\n", json!({ "query": text })).into_bytes()
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
