//! A teacher's scores for the documents of training files.
//!
//! Every pair of query and document is scored once, however often it stands in the file, and kept in a [`ScoreCache`]
//! at once. So a scoring can be stopped at any time, and goes on where it was.

mod cache;
mod cosine;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;

use lateen::rerank::{RerankError, Reranker, Scale};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::data::{DataError, DataSet, Document, Record, Role};

pub use cache::ScoreCache;
pub use cosine::Cosine;
pub(crate) use cosine::cosine;

/// Why documents could not be scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// A training file.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The teacher.
    #[error(transparent)]
    Teacher(#[from] RerankError),
    /// Check the path, its permissions, and the room on the disk.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The scores in it are another teacher's: name another file, or remove it.
    #[error("{}: holds the scores of another teacher, kind or scale; remove it, or name another file", .path.display())]
    OtherTeacher {
        /// The cache.
        path: PathBuf,
    },
    /// Some other file: name another path.
    #[error("{}: is no file of scores", .path.display())]
    NoCache {
        /// The path as it was given.
        path: PathBuf,
    },
}

/// What was scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ScoreReport {
    /// Pairs of query and document in the file.
    pub pairs: u64,
    /// Pairs that the teacher was asked about now.
    pub scored: u64,
}

/// How scored records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `query`, `pos`, `neg`, `pos_scores`, `neg_scores`.
    Lists,
    /// `query`, `content`, `score`: a row a document.
    Pointwise,
    /// `query`, `hits` of `content` and `score`.
    Grouped,
}

/// Asks the teacher about every pair of `set` that the cache does not know. `each` is told after every batch how many
/// records are done, and ends the scoring by giving `false`.
///
/// # Errors
/// [`ScoreError`]. What was scored before stays in the cache.
pub fn score(
    set: &DataSet,
    teacher: &Reranker,
    scale: Scale,
    cache: &mut ScoreCache,
    batch: usize,
    mut each: impl FnMut(usize, ScoreReport) -> bool,
) -> Result<ScoreReport, ScoreError> {
    let mut report = ScoreReport::default();
    let mut waiting: Vec<(String, String)> = Vec::new();
    let mut known: HashSet<u128> = HashSet::new();
    for at in 0..set.len() {
        let record = set.read(at)?;
        for document in record.documents {
            report.pairs += 1;
            let new = cache.get(&record.query, &document.text).is_none();
            if new && known.insert(cache::key(&record.query, &document.text)) {
                waiting.push((record.query.clone(), document.text));
            }
        }
        if waiting.len() >= batch.max(1) || at + 1 == set.len() {
            let scores = teacher.compute_score(&waiting, scale)?;
            let scored: Vec<_> =
                waiting.iter().zip(&scores).map(|((q, d), &score)| (q.as_str(), d.as_str(), score)).collect();
            cache.put(&scored)?;
            report.scored += scored.len() as u64;
            waiting.clear();
            known.clear();
            if !each(at + 1, report) {
                break;
            }
        }
    }
    Ok(report)
}

/// Writes the records of `set` with the scores of the cache. Documents without one are left out; gives how many.
///
/// # Errors
/// [`ScoreError`]; `path` names what is written to.
pub fn write_scored(
    set: &DataSet,
    cache: &ScoreCache,
    shape: Shape,
    out: &mut impl Write,
    path: &std::path::Path,
) -> Result<u64, ScoreError> {
    let fail = |source| ScoreError::Io { path: path.to_owned(), source };
    let mut missing = 0;
    for at in 0..set.len() {
        let mut record = set.read(at)?;
        record.documents.retain_mut(|document| {
            let score = cache.get(&record.query, &document.text);
            document.label = score.or(document.label);
            missing += u64::from(score.is_none());
            score.is_some()
        });
        for row in rows(&record, shape) {
            writeln!(out, "{row}").map_err(fail)?;
        }
    }
    Ok(missing)
}

/// A record in one of the formats of training files.
#[must_use]
pub fn rows(record: &Record, shape: Shape) -> Vec<Value> {
    let mut head = Map::new();
    head.insert("query".to_owned(), record.query.clone().into());
    if let Some(prompt) = &record.prompt {
        head.insert("prompt".to_owned(), prompt.clone().into());
    }
    let with = |more: Value| {
        let mut row = head.clone();
        if let Value::Object(more) = more {
            row.extend(more);
        }
        Value::Object(row)
    };
    let hit = |document: &Document| {
        let mut hit = Map::from_iter([("content".to_owned(), document.text.clone().into())]);
        hit.extend(document.label.map(|label| ("score".to_owned(), label.into())));
        Value::Object(hit)
    };
    match shape {
        Shape::Pointwise => record.documents.iter().map(|document| with(hit(document))).collect(),
        Shape::Grouped => {
            vec![with(json!({ "hits": record.documents.iter().map(hit).collect::<Vec<_>>() }))]
        }
        Shape::Lists => {
            let side = |negative: bool| {
                record.documents.iter().filter(move |document| (document.role == Role::Negative) == negative)
            };
            let texts = |negative| side(negative).map(|document| &document.text).collect::<Vec<_>>();
            let scores =
                |negative| side(negative).map(|document| document.label).collect::<Option<Vec<f32>>>();
            let mut row = json!({ "pos": texts(false), "neg": texts(true) });
            if let (Some(positive), Some(negative), Value::Object(row)) =
                (scores(false), scores(true), &mut row)
            {
                row.insert("pos_scores".to_owned(), positive.into());
                row.insert("neg_scores".to_owned(), negative.into());
            }
            vec![with(row)]
        }
    }
}
