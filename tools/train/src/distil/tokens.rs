//! Vectors of tokens, of a late-interaction model whose tokenizer the student shares.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use half::f16;
use lateen::types::EncodedTokens;
use serde::Serialize;

use super::{
    Answers, DistilError, Makers, Teacher, ask, cut, has_direction, identify, io, last_text, line, line_ends,
    open,
};
use crate::data::{DataSet, token_row_bytes};

/// Vectors of tokens beside their texts, as [`DataFile`](crate::config::DataFile) names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TeacherTokens {
    /// Texts, a row each.
    pub texts: PathBuf,
    /// Their tokens: number and vector of each.
    pub tokens: PathBuf,
    /// Columns of a vector.
    pub dim: usize,
    /// Texts.
    pub rows: u64,
    /// Texts that were encoded now.
    pub made: u64,
    /// Texts that have a token without direction.
    pub left_out: u64,
}

/// Writes the vectors that `teacher` gives the tokens of every text of `sets` into `folder`, `batch` texts at a time. `each`
/// is told how many texts are done.
///
/// Texts are encoded as documents. A token takes `4 + 2 · dim` bytes on disk; memory: 16 bytes a text.
///
/// # Errors
/// [`DistilError`]. What was made before stays.
pub fn teach_tokens(
    sets: &[DataSet],
    teacher: &Teacher,
    folder: &Path,
    batch: usize,
    each: impl FnMut(u64),
) -> Result<TeacherTokens, DistilError> {
    fs::create_dir_all(folder).map_err(io(folder))?;
    // A model of another kind says so here, before anything is written.
    let dim =
        teacher.model.encode_document_tokens(&["a"])?.first().map_or(0, |made| made.matrix.view().dim());
    identify(folder, &Makers::new(sets, &[teacher], vec![dim]))?;
    let mut files = Files::open(folder, teacher, dim)?;
    let (made, left_out) = ask(sets, &mut files, batch, each)?;
    if files.texts_done == 0 {
        return Err(DistilError::NoText);
    }
    Ok(TeacherTokens {
        texts: files.texts.1,
        tokens: files.tokens.1,
        dim,
        rows: files.texts_done,
        made,
        left_out,
    })
}

/// Texts, ends and tokens, open to be added to.
struct Files<'a> {
    teacher: &'a Teacher,
    texts: (File, PathBuf),
    ends: (File, PathBuf),
    tokens: (File, PathBuf),
    texts_done: u64,
    tokens_done: u64,
}

impl<'a> Files<'a> {
    /// Opens the files and takes off what not all of them have.
    fn open(folder: &Path, teacher: &'a Teacher, dim: usize) -> Result<Self, DistilError> {
        let file = |name: &str| {
            let path = folder.join(name);
            Ok::<_, DistilError>((open(&path)?, path))
        };
        let (mut texts, mut ends, mut tokens) =
            (file("texts.jsonl")?, file("tokens.ends")?, file("tokens.bin")?);
        let lines = line_ends(&mut texts.0).map_err(io(&texts.1))?;
        let mut bytes = Vec::new();
        ends.0.seek(SeekFrom::Start(0)).and_then(|_| ends.0.read_to_end(&mut bytes)).map_err(io(&ends.1))?;
        let numbers: Vec<u64> = bytes.as_chunks::<8>().0.iter().copied().map(u64::from_le_bytes).collect();
        let row = token_row_bytes(dim);
        let there = tokens.0.metadata().map_err(io(&tokens.1))?.len() / row;
        let mut before = 0;
        let sound = |end: u64| end <= there && end >= std::mem::replace(&mut before, end);
        let whole = numbers.iter().copied().map(sound).zip(&lines).take_while(|(sound, _)| *sound).count();
        let tokens_done = whole.checked_sub(1).map_or(0, |last| numbers[last]);
        cut(&mut texts.0, &texts.1, whole.checked_sub(1).map_or(0, |last| lines[last]))?;
        cut(&mut ends.0, &ends.1, whole as u64 * 8)?;
        cut(&mut tokens.0, &tokens.1, tokens_done * row)?;
        Ok(Self { teacher, texts, ends, tokens, texts_done: whole as u64, tokens_done })
    }
}

impl Answers for Files<'_> {
    fn last(&mut self) -> Result<Option<String>, DistilError> {
        last_text(&mut self.texts.0, &self.texts.1)
    }

    fn add(&mut self, texts: &[String]) -> Result<(u64, u64), DistilError> {
        let plain: Vec<&str> = texts.iter().map(String::as_str).collect();
        let made = self.teacher.model.encode_document_tokens(&plain)?;
        let (mut lines, mut ends, mut bytes, mut added) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (text, made) in texts.iter().zip(&made) {
            if made.matrix.view().rows() == 0 || !rows(made).all(has_direction) {
                continue;
            }
            if made.token_ids.len() != made.matrix.view().rows() {
                return Err(DistilError::NoTokens);
            }
            added += 1;
            lines.extend(line(text));
            for (id, row) in made.token_ids.iter().zip(rows(made)) {
                bytes.extend(id.to_le_bytes());
                bytes.extend(row.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()));
            }
            self.tokens_done += made.matrix.view().rows() as u64;
            ends.extend(self.tokens_done.to_le_bytes());
        }
        for ((file, path), bytes) in
            [(&mut self.tokens, bytes), (&mut self.ends, ends), (&mut self.texts, lines)]
        {
            file.write_all(&bytes).map_err(io(path))?;
        }
        self.texts_done += added;
        Ok((added, texts.len() as u64 - added))
    }
}

fn rows(made: &EncodedTokens) -> impl Iterator<Item = &[f32]> {
    let matrix = made.matrix.view();
    (0..matrix.rows()).map(move |row| matrix.row(row))
}
