//! What can be wrong with input, and where.

use std::fmt;
use std::io;

use super::parquet::ParquetProblem;

/// A file and, if the trouble is in one, a line (of a Parquet file, a row).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path as it was given, or `standard input`.
    pub file: String,
    /// From 1; `None` if the file as a whole is meant.
    pub line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// Why documents or queries cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// Check the path and its permissions.
    #[error("cannot open {file}: {source}")]
    Open {
        /// The path as it was given.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The medium, or the compressed file, is damaged: copy it again.
    #[error("{at}: cannot read on: {source}")]
    Read {
        /// The last line that was begun.
        at: Place,
        /// What the system or the decompressor says.
        source: io::Error,
    },
    /// The compressed file ends too soon: copy or download it again.
    #[error("{at}: the {compression} data ends too soon; copy or download the file again")]
    Truncated {
        /// The last line that was begun.
        at: Place,
        /// `gzip` or `zstd`.
        compression: &'static str,
    },
    /// Nothing tells how the file is written: name a [`Format`](super::Format).
    #[error("{file}: cannot tell the format; name it: jsonl, tsv, parquet, text, markdown or beir")]
    UnknownFormat {
        /// The path as it was given.
        file: String,
    },
    /// A format that is a file was asked for a folder, or the other way round.
    #[error("{file} is a {found}, but the format {format} needs a {needed}")]
    WrongKind {
        /// The path as it was given.
        file: String,
        /// `file` or `folder`.
        found: &'static str,
        /// The name of the format.
        format: &'static str,
        /// `file` or `folder`.
        needed: &'static str,
    },
    /// The folder has no file of the accepted kinds: name a format that has, or another folder.
    #[error("{folder}: no file here ends in {accepted}; name another folder or format")]
    NoFiles {
        /// The path as it was given.
        folder: String,
        /// The accepted endings.
        accepted: &'static str,
    },
    /// The Parquet file cannot be read on; the problem says what to do.
    #[error("{at}: {}{problem}", column_name(.column.as_deref()))]
    Parquet {
        /// The file, and the row that was being read.
        at: Place,
        /// The column, if one is at fault.
        column: Option<String>,
        /// What is wrong with it.
        problem: ParquetProblem,
    },
    /// Name one of the splits that are there.
    #[error("{folder}: no such split, or none was named; there are {}", name_list(.present))]
    NoSplit {
        /// The path as it was given.
        folder: String,
        /// The splits that are there.
        present: Vec<String>,
    },
    /// Download the file that is missing.
    #[error(
        "{folder}: shard {shard} of {of} of split {split:?} is missing, or there is more than its names say"
    )]
    MissingShard {
        /// The path as it was given.
        folder: String,
        /// Whose shard it is.
        split: String,
        /// From 0; the first that is not there.
        shard: u64,
        /// How many there should be.
        of: u64,
    },
    /// Not one record: probably the wrong file. [`ReadOptions::allow_empty`](super::ReadOptions::allow_empty) accepts it.
    #[error("{file}: no {what} in it ({skipped} bad ones skipped); check that it is the right file")]
    Empty {
        /// The path as it was given.
        file: String,
        /// `document` or `query`.
        what: &'static str,
        /// Bad records left out.
        skipped: u64,
    },
    /// One record is bad: mend it, or leave such records out with [`ReadOptions::skip_bad`](super::ReadOptions::skip_bad).
    #[error("{at}: {problem}")]
    Record {
        /// The file and the line on which the record begins.
        at: Place,
        /// What is wrong with it.
        problem: Problem,
    },
}

impl CorpusError {
    /// Whether only one record is concerned, so that reading can go on after it.
    #[must_use]
    pub fn is_record(&self) -> bool {
        matches!(self, Self::Record { .. })
    }

    /// What is wrong with the record, if one record is concerned.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Record { problem, .. } => Some(problem),
            _ => None,
        }
    }
}

/// What can be wrong with one record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Split it, or raise [`ReadOptions::max_line_bytes`](super::ReadOptions::max_line_bytes).
    #[error("longer than {limit} bytes; split the record or raise the limit")]
    TooLong {
        /// The largest accepted number of bytes.
        limit: usize,
    },
    /// Convert the file to UTF-8.
    #[error("byte {offset} is not UTF-8; convert the file to UTF-8 (iconv does)")]
    NotUtf8 {
        /// Of the first bad byte, from the start of the line (or of the file, if it is one record).
        offset: usize,
    },
    /// Convert the file to UTF-8.
    #[error("the file is UTF-16; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)")]
    Utf16,
    /// A text file with NUL bytes is no text: leave it out.
    #[error("byte {offset} is NUL, so this is no text file; leave it out")]
    Binary {
        /// Of the first NUL.
        offset: usize,
    },
    /// Lines must end in LF or CR LF.
    #[error("a lone carriage return stands in the line; end lines with a line feed (tr '\\r' '\\n')")]
    LoneCarriageReturn,
    /// Mend the line; each must hold one whole JSON object.
    #[error("not a JSON object on one line: {reason} (column {column})")]
    Json {
        /// What the parser says.
        reason: String,
        /// In bytes, from 1.
        column: usize,
    },
    /// Write one object per line instead.
    #[error("a JSON array; write one object per line (jq -c '.[]' does)")]
    JsonArray,
    /// A document's metadata must be moderate.
    #[error("more than {limit} values in one record; keep large data elsewhere")]
    TooManyValues {
        /// The largest accepted number.
        limit: usize,
    },
    /// Add the field, or say which field to take with [`FieldNames`](super::FieldNames).
    #[error("no field {field:?}; the record has {}", name_list(.present))]
    MissingField {
        /// The expected name.
        field: String,
        /// The names that are there (some of them, if there are many).
        present: Vec<String>,
    },
    /// Keep one of them.
    #[error("field {field:?} is there twice; keep one")]
    RepeatedField {
        /// The name.
        field: String,
    },
    /// Write the field as the type that is needed.
    #[error("field {field:?} is {found}, not {needed}")]
    WrongType {
        /// The name.
        field: String,
        /// What it is.
        found: &'static str,
        /// What it must be.
        needed: &'static str,
    },
    /// Give every record a name.
    #[error("field {field:?} is empty; give the record a name")]
    EmptyId {
        /// The name of the id field.
        field: String,
    },
    /// Shorten it.
    #[error("the id has {bytes} bytes, and {} are possible: {start:?}…", super::MAX_ID_BYTES)]
    LongId {
        /// Its length.
        bytes: usize,
        /// Its first characters.
        start: String,
    },
    /// Remove tabs, line breaks and other control characters from the id.
    #[error("the id {id:?} has a control character; remove it")]
    ControlInId {
        /// The whole id.
        id: String,
    },
    /// Keep one of the records, or accept both with [`ReadOptions::allow_repeated_ids`](super::ReadOptions::allow_repeated_ids).
    #[error("the id {id:?} was there before; rename or remove one of the records")]
    RepeatedId {
        /// The id.
        id: String,
    },
    /// A record without text cannot be found: give it one, or leave it out.
    #[error("{id:?} has no text{}; fill it or leave the record out", if *.title { " and no title" } else { "" })]
    EmptyText {
        /// The id.
        id: String,
        /// Whether a title would have been accepted in its place.
        title: bool,
    },
    /// Every line must have as many columns as the first.
    #[error("{found} columns, but the first line has {expected}; escape or remove the odd separator")]
    Columns {
        /// In this line.
        found: usize,
        /// In the first line.
        expected: usize,
    },
    /// Name the columns in a first line such as `id`, `title`, `text`.
    #[error(
        "the first line names no id and text columns, and {columns} columns could mean anything; \
         add a header such as id, title, text"
    )]
    NoHeader {
        /// How many columns the first line has.
        columns: usize,
    },
    /// Close the quote.
    #[error("a quoted cell is never closed, or text follows its closing quote")]
    Quote,
    /// The file is a document of its own and cannot be read; the rest of the folder can.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// What the system says.
        reason: String,
    },
    /// Rename the file: ids must be UTF-8, and paths become ids.
    #[error("the path is not UTF-8, and so no id; rename the file")]
    PathNotUtf8,
}

fn column_name(column: Option<&str>) -> String {
    column.map(|column| format!("column {column:?} ")).unwrap_or_default()
}

fn name_list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
