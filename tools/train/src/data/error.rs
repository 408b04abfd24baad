//! What can be wrong with training files, and where.

use std::io;
use std::path::PathBuf;

use lateen::corpus::{CorpusError, Place};

/// Why training data cannot be read or turned into batches.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file cannot be opened, or breaks off: check the path, or copy the file again.
    #[error(transparent)]
    File(#[from] CorpusError),
    /// One row is bad: mend it, or leave such rows out (`--skip-bad`, `skip_bad = true`).
    #[error("{at}: {problem}")]
    Row {
        /// The file and the line.
        at: Place,
        /// What is wrong, and in which field.
        problem: RowProblem,
    },
    /// The first row fits no known format: name the fields (`fields = { query = "…", positive = "…" }`).
    #[error("{file}: cannot tell the format from the fields {}; name them: query, positive, …", list(.present))]
    UnknownFormat {
        /// The path as it was given.
        file: String,
        /// The fields of the first row.
        present: Vec<String>,
    },
    /// Not one usable row: probably the wrong file.
    #[error("{file}: no usable row ({skipped} bad ones skipped); check that it is the right file")]
    Empty {
        /// The path as it was given.
        file: String,
        /// Bad rows left out.
        skipped: u64,
    },
    /// More rows than one set can hold: split the file.
    #[error("{file}: more than {limit} rows; split the file")]
    TooManyRows {
        /// The path as it was given.
        file: String,
        /// The largest number of rows.
        limit: u64,
    },
    /// A temporary copy of an unpacked file could not be written: make room in `{directory}`, or unpack the file.
    #[error("{file}: cannot keep an unpacked copy in {}: {source}", .directory.display())]
    Spool {
        /// The path as it was given.
        file: String,
        /// Where temporary files go.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A row could not be read again: do not change training files while they are used.
    #[error("{at}: cannot be read again: {reason}")]
    Changed {
        /// The file and the line.
        at: Place,
        /// What is different.
        reason: String,
    },
    /// The teacher's vectors do not fit the texts: make them again.
    #[error("{file}: {found} bytes of vectors, but {rows} rows of {dim} numbers need {needed}")]
    Vectors {
        /// The path as it was given.
        file: String,
        /// Its length.
        found: u64,
        /// Texts.
        rows: u64,
        /// Numbers a vector.
        dim: usize,
        /// What the length must be.
        needed: u64,
    },
    /// A vector of zeros, or with a number that is none: make it again, or leave the text out.
    #[error("{file}: vector {row} is zero or not finite")]
    BadVector {
        /// The path as it was given; the first, if several stand side by side.
        file: String,
        /// From 0.
        row: u64,
    },
    /// Teacher and student must cut a text into the same tokens: same vocabulary, lengths, prefix and skipped punctuation.
    #[error("{file}: the tokens of text {row} are not those of the model to train")]
    OtherTokens {
        /// The teacher's rows.
        file: String,
        /// From 0.
        row: u64,
    },
    /// The tokenizer's file is damaged, or of another kind.
    #[error("{}: not a tokenizer: {message}", .path.display())]
    Tokenizer {
        /// The path as it was given.
        path: PathBuf,
        /// What the `tokenizers` crate says.
        message: String,
    },
    /// A text of {bytes} bytes could not be cut into tokens.
    #[error("a text of {bytes} bytes cannot be tokenised: {message}")]
    Tokenise {
        /// Its length.
        bytes: usize,
        /// What the `tokenizers` crate says.
        message: String,
    },
    /// The vocabulary lacks a token that the settings need: name another one.
    #[error("the vocabulary has no token {token:?}, which {setting} needs")]
    NoToken {
        /// The token.
        token: String,
        /// The setting that names it.
        setting: &'static str,
    },
    /// The lengths leave no room for a text: raise `{setting}`.
    #[error("{setting} = {value} leaves no room for a text: marks and formats take {taken} tokens")]
    NoRoom {
        /// The setting to raise.
        setting: &'static str,
        /// What it is.
        value: usize,
        /// Tokens of marks, formats and end tokens.
        taken: usize,
    },
    /// Sets of these formats cannot be batched like that: choose other files, or another loss.
    #[error("{file}: the format {format} cannot give {wanted}")]
    WrongFormat {
        /// The path as it was given.
        file: String,
        /// The format found.
        format: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// The epoch has no such step.
    #[error("epoch {epoch} has {steps} steps, so there is no step {step}")]
    NoStep {
        /// From 0.
        epoch: u64,
        /// Batches of the epoch.
        steps: usize,
        /// From 0.
        step: usize,
    },
    /// Nothing is left to train on: lower the batch size, or keep the last batch (`drop_last = false`).
    #[error("no whole batch of {batch} examples can be made of {examples}")]
    NoBatch {
        /// The batch size.
        batch: usize,
        /// Examples of all sets.
        examples: usize,
    },
}

impl DataError {
    /// Whether only one row is concerned, so that reading can go on after it.
    #[must_use]
    pub fn is_row(&self) -> bool {
        matches!(self, Self::Row { .. })
    }
}

/// What can be wrong with one row.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RowProblem {
    /// Split it, or raise the limit.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The largest accepted number of bytes.
        limit: usize,
    },
    /// Convert the file to UTF-8.
    #[error("byte {offset} is not UTF-8")]
    NotUtf8 {
        /// Of the first bad byte, from the start of the line.
        offset: usize,
    },
    /// Each line must hold one whole JSON value.
    #[error("not a JSON object on one line: {reason}")]
    Json {
        /// What the parser says.
        reason: String,
    },
    /// The row lacks what the file's format needs.
    #[error("no field {field:?}; the row has {}", list(.present))]
    Missing {
        /// The field.
        field: String,
        /// Fields that are there.
        present: Vec<String>,
    },
    /// A field has another type than it must have.
    #[error("field {field:?} is {found}, not {needed}")]
    WrongType {
        /// The field, with the position in a list.
        field: String,
        /// What it is.
        found: &'static str,
        /// What it must be.
        needed: &'static str,
    },
    /// A text is empty or white space.
    #[error("field {field:?} is empty")]
    EmptyText {
        /// The field, with the position in a list.
        field: String,
    },
    /// Two lists that belong together differ in length.
    #[error("field {field:?} has {found} entries, but {other:?} has {expected}")]
    Lengths {
        /// The field.
        field: String,
        /// Its length.
        found: usize,
        /// The field it belongs to.
        other: String,
        /// Its length.
        expected: usize,
    },
    /// A score is not a finite number, or outside `min_label..=max_label`.
    #[error("field {field:?} is {value}, outside {min}..={max}")]
    Label {
        /// The field.
        field: String,
        /// What it is.
        value: f64,
        /// The smallest allowed.
        min: f64,
        /// The largest allowed.
        max: f64,
    },
    /// Every row of a table must have as many columns as the first.
    #[error("{found} columns, but the first line has {expected}")]
    Columns {
        /// In this line.
        found: usize,
        /// In the first line.
        expected: usize,
    },
    /// The judgements of a group are all alike: nothing can be learnt from it.
    #[error("all {hits} hits have the same label")]
    OneLabel {
        /// Hits of the group.
        hits: usize,
    },
}

pub(super) fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
