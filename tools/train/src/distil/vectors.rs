//! Vectors of encoders.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use lateen::encode::{EncodeError, Model};
use serde::Serialize;

use super::{
    Answers, DistilError, Makers, Teacher, ask, cut, has_direction, identify, io, last_text, line, line_ends,
    open,
};
use crate::data::DataSet;

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
    each: impl FnMut(u64),
) -> Result<TeacherFiles, DistilError> {
    fs::create_dir_all(folder).map_err(io(folder))?;
    let dims = teachers.iter().map(|teacher| dim(&teacher.model)).collect::<Result<Vec<_>, _>>()?;
    identify(folder, &Makers::new(sets, &teachers.iter().collect::<Vec<_>>(), dims.clone()))?;
    let mut files = Files::open(folder, teachers, &dims)?;
    let (made, left_out) = ask(sets, &mut files, batch, each)?;
    if files.rows == 0 {
        return Err(DistilError::NoText);
    }
    let vectors = files.vectors.into_iter().map(|(_, path, _)| path).collect();
    Ok(TeacherFiles { texts: files.texts.1, vectors, dims, rows: files.rows, made, left_out })
}

fn dim(model: &Model) -> Result<usize, EncodeError> {
    Ok(model.encode_documents_dense(&["a"])?.first().map_or(0, Vec::len))
}

/// Texts and vectors, open to be added to.
struct Files<'a> {
    teachers: &'a [Teacher],
    texts: (File, PathBuf),
    vectors: Vec<(File, PathBuf, usize)>,
    rows: u64,
}

impl<'a> Files<'a> {
    /// Opens the files and takes off what not all of them have.
    fn open(folder: &Path, teachers: &'a [Teacher], dims: &[usize]) -> Result<Self, DistilError> {
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
        cut(&mut texts.0, &texts.1, end)?;
        for (file, path, dim) in &mut vectors {
            cut(file, path, rows * *dim as u64 * 4)?;
        }
        Ok(Self { teachers, texts, vectors, rows })
    }
}

impl Answers for Files<'_> {
    fn last(&mut self) -> Result<Option<String>, DistilError> {
        last_text(&mut self.texts.0, &self.texts.1)
    }

    fn add(&mut self, texts: &[String]) -> Result<(u64, u64), DistilError> {
        let plain: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut all = Vec::with_capacity(self.teachers.len());
        for teacher in self.teachers {
            all.push(teacher.model.encode_documents_dense(&plain)?);
        }
        let (mut lines, mut bytes) = (Vec::new(), vec![Vec::new(); self.teachers.len()]);
        let mut added = 0;
        for (at, text) in texts.iter().enumerate() {
            let widths =
                all.iter().zip(&self.vectors).all(|(vectors, (_, _, dim))| vectors[at].len() == *dim);
            if !widths || !all.iter().all(|vectors| has_direction(&vectors[at])) {
                continue;
            }
            added += 1;
            lines.extend(line(text));
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
