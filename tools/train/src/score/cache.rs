//! Scores that a teacher has given, kept in a file, so that a scoring that is stopped goes on where it was.
//!
//! | bytes | meaning |
//! |---|---|
//! | 8 | `4c 54 53 43 0d 0a 1a 01`: magic and version |
//! | 16 | what the teacher is |
//! | 20 each | hash of query and document (16), score (little-endian `f32`) |

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::ScoreError;

const MAGIC: [u8; 8] = *b"LTSC\x0d\x0a\x1a\x01";
const HEAD: u64 = 24;
const ENTRY: u64 = 20;

/// Scores by the hash of query and document. Memory: about 40 bytes a pair.
#[derive(Debug)]
pub struct ScoreCache {
    file: File,
    path: PathBuf,
    scores: HashMap<u128, f32>,
}

impl ScoreCache {
    /// Opens a cache, or begins one. `teacher`: what distinguishes its scores from those of others.
    ///
    /// # Errors
    /// [`ScoreError::Io`], [`ScoreError::OtherTeacher`], [`ScoreError::NoCache`].
    pub fn open(path: &Path, teacher: u128) -> Result<Self, ScoreError> {
        let fail = |source| ScoreError::Io { path: path.to_owned(), source };
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        let mut scores = HashMap::new();
        if length == 0 {
            let mut head = MAGIC.to_vec();
            head.extend(teacher.to_le_bytes());
            file.write_all(&head).map_err(fail)?;
        } else {
            let mut reader = BufReader::new(&mut file);
            let mut head = [0; HEAD as usize];
            let read = reader.read_exact(&mut head);
            if read.is_err() || head[..8] != MAGIC {
                return Err(ScoreError::NoCache { path: path.to_owned() });
            }
            if head[8..] != teacher.to_le_bytes() {
                return Err(ScoreError::OtherTeacher { path: path.to_owned() });
            }
            let mut entry = [0; ENTRY as usize];
            for _ in 0..(length - HEAD) / ENTRY {
                reader.read_exact(&mut entry).map_err(fail)?;
                let (key, score) = entry.split_at(16);
                if let (Ok(key), Ok(score)) = (key.try_into(), score.try_into()) {
                    scores.insert(u128::from_le_bytes(key), f32::from_le_bytes(score));
                }
            }
            // A last half entry is of a run that was killed.
            file.set_len(length - (length - HEAD) % ENTRY).map_err(fail)?;
        }
        Ok(Self { file, path: path.to_owned(), scores })
    }

    /// The score of a pair, if it is known.
    #[must_use]
    pub fn get(&self, query: &str, document: &str) -> Option<f32> {
        self.scores.get(&key(query, document)).copied()
    }

    /// Pairs that are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether no pair is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// Keeps scores; they are in the file when this returns.
    ///
    /// # Errors
    /// [`ScoreError::Io`].
    pub fn put(&mut self, scored: &[(&str, &str, f32)]) -> Result<(), ScoreError> {
        let mut bytes = Vec::with_capacity(scored.len() * ENTRY as usize);
        for &(query, document, score) in scored {
            let key = key(query, document);
            bytes.extend(key.to_le_bytes());
            bytes.extend(score.to_le_bytes());
            self.scores.insert(key, score);
        }
        let fail = |source: io::Error| ScoreError::Io { path: self.path.clone(), source };
        self.file.write_all(&bytes).map_err(fail)
    }
}

/// The hash of a pair; the length keeps `(a, bc)` and `(ab, c)` apart.
pub(super) fn key(query: &str, document: &str) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&(query.len() as u64).to_le_bytes());
    hash.update(query.as_bytes());
    hash.update(document.as_bytes());
    hash.digest128()
}
