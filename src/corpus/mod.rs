//! Documents and queries from files, one at a time, in bounded memory.
//!
//! ```text
//! path or "-" ─ Input ─────────── Lines ────────── JSONL │ table │ whole file ─── checks ─── Document
//!               gzip, zstd by     CR LF, UTF-8,                                   ids, text,
//!               their first bytes  length cap                                     repeats
//! ```
//!
//! [`Source`] reads documents, [`Queries`] reads queries; both are iterators. What a line, a record or
//! a file can get wrong is a [`Problem`] at a [`Place`]; [`ReadOptions::skip_bad`] counts such records and
//! goes on. A file that cannot be opened, or breaks off, ends the reading in every case.
//!
//! # Formats
//!
//! | format | a record | accepted |
//! |---|---|---|
//! | [`Format::Jsonl`] | a line | `_id` or `id`, `title`, `text`; everything else, and the members of `metadata`, becomes metadata |
//! | [`Format::Tsv`] | a line | a header that names an id and a text column, or none and 2 (`id text`) or 3 (`id title text`) columns; `.csv`: commas, RFC 4180 quotes, header required |
//! | [`Format::Parquet`] | a row | columns as the fields of JSON lines: text, numbers, truths, and lists of them; snappy, gzip and zstd |
//! | [`Format::Text`] | a file | id = relative path, no title |
//! | [`Format::Markdown`] | a file | id = relative path, title = front matter's or first heading's; front matter becomes metadata |
//! | [`Format::Beir`] | a folder | its `corpus.jsonl`, `.gz` or `.zst` |
//!
//! Streams cannot be Parquet, whose table of contents is at the end. Sets made for evaluation are read whole: [`QuestionSet`] (SQuAD and its like) and [`read_reranking_set`].
//!
//! # Costs
//! Linear in the input. Memory: one record of at most [`ReadOptions::max_line_bytes`] several times over
//! (as bytes, as text, as values), a decompression window of at most 128 MiB that the file itself
//! asks for (zstd), in Parquet files a page and a dictionary of each column (at most 128 MiB each, usually one), and 16 bytes plus hash-table slack per document to notice repeated ids.

mod document;
mod error;
mod files;
mod input;
mod json;
mod json_sets;
mod lines;
mod markdown;
mod options;
mod parquet;
mod queries;
mod questions;
mod records;
mod reranking;
mod source;
mod table;
mod whole;

pub use document::{Document, MAX_ID_BYTES};
pub use error::{CorpusError, Place, Problem};
pub use input::TextFile;
pub use options::{FieldNames, Format, ReadOptions};
pub use parquet::{ParquetProblem, has_sets};
pub use queries::{Queries, Query};
pub use questions::{Question, QuestionSet};
pub use reranking::{RerankingSample, read_reranking_set};
pub use source::{Position, Skipped, Source};

#[cfg(test)]
mod tests;
