//! What can be wrong with runs, judgements and collections.

use std::io;

/// Why an evaluation cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// Check the path and its permissions.
    #[error("cannot open {file}: {source}")]
    Open {
        /// The path as it was given.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The medium failed while reading.
    #[error("{file}:{line}: cannot read on: {source}")]
    Read {
        /// The path as it was given.
        file: String,
        /// The line that was begun.
        line: u64,
        /// What the system says.
        source: io::Error,
    },
    /// Unpack the file first.
    #[error("{file} is compressed; unpack it first (gzip -d, zstd -d)")]
    Compressed {
        /// The path as it was given.
        file: String,
    },
    /// No line of a run or of judgements is so long: probably the wrong file.
    #[error("{file}:{line}: longer than {limit} bytes; this is no such file")]
    LongLine {
        /// The path as it was given.
        file: String,
        /// From 1.
        line: u64,
        /// The largest accepted number of bytes.
        limit: usize,
    },
    /// Convert the file to UTF-8.
    #[error("{file}:{line}: not UTF-8; convert the file (iconv does)")]
    NotUtf8 {
        /// The path as it was given.
        file: String,
        /// From 1.
        line: u64,
    },
    /// The line has another number of columns than its format.
    #[error("{file}:{line}: {found} columns where {expected} are needed")]
    Columns {
        /// The path as it was given.
        file: String,
        /// From 1.
        line: u64,
        /// In this line.
        found: usize,
        /// What the format has, in words.
        expected: &'static str,
    },
    /// A score must be a finite number, a grade a whole number.
    #[error("{file}:{line}: {field} is {found:?}, not {needed}")]
    Number {
        /// The path as it was given.
        file: String,
        /// From 1.
        line: u64,
        /// `score` or `grade`.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        needed: &'static str,
    },
    /// Two lines judge the same document differently: keep one.
    #[error("{file}:{line}: query {query:?} has two grades for document {document:?}; keep one")]
    Conflict {
        /// The path as it was given.
        file: String,
        /// From 1, of the second.
        line: u64,
        /// The query's id.
        query: String,
        /// The document's id.
        document: String,
    },
    /// A ranking names a document twice: keep one.
    #[error("{place}: query {query:?} ranks document {document:?} twice; keep one")]
    RankedTwice {
        /// The file and line, or `run` for one made in memory.
        place: String,
        /// The query's id.
        query: String,
        /// The document's id.
        document: String,
    },
    /// A run has this query already.
    #[error("query {query:?} is in the run already")]
    QueryTwice {
        /// The query's id.
        query: String,
    },
    /// A score must be a finite number.
    #[error("query {query:?}, document {document:?}: the score is {score}, not a finite number")]
    Score {
        /// The query's id.
        query: String,
        /// The document's id.
        document: String,
        /// NaN or an infinity.
        score: f32,
    },
    /// Columns of TREC files are separated by white space: choose ids without it.
    #[error(
        "the {what} {id:?} is empty, begins with a byte-order mark or has white space, which a TREC file cannot hold"
    )]
    Unwritable {
        /// `query id`, `document id` or `tag`.
        what: &'static str,
        /// As it is.
        id: String,
    },
    /// Writing failed.
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
    /// The folder is not in BEIR layout: it needs `corpus.jsonl`, `queries.jsonl` and `qrels/SPLIT.tsv`.
    #[error("{folder}: no {missing}; a collection has corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv")]
    NotBeir {
        /// The path as it was given.
        folder: String,
        /// The first part that is not there.
        missing: &'static str,
    },
    /// Choose one of the splits that are there.
    #[error("{folder}: no split {split:?}; there are {}", .available.join(", "))]
    UnknownSplit {
        /// The path as it was given.
        folder: String,
        /// The name that was asked for.
        split: String,
        /// The names that are there.
        available: Vec<String>,
    },
    /// The file holds no judgement: check that it is the right one.
    #[error("{file}: no line in it; check that it is the right file")]
    Empty {
        /// The path as it was given.
        file: String,
    },
    /// A reranking sample needs a score for each text, a relevant text and one that is not.
    #[error("a sample of {texts} texts cannot be measured: {problem}")]
    RerankingSample {
        /// How many texts it has.
        texts: usize,
        /// What is wrong.
        problem: &'static str,
    },
}
