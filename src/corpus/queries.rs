//! Queries one after another.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::error::{CorpusError, Place, Problem};
use super::files::{self, Files};
use super::input::{Input, Looks};
use super::options::{Format, ReadOptions};
use super::parquet::RowRecords;
use super::records::{Fields, Records, Shape, check_id};
use super::source::{STDIN, Skipped};

/// A question with a name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// From the file; of plain lines, the line's number from 1.
    pub id: String,
    /// Never empty.
    pub text: String,
    /// Whatever else the record held.
    pub metadata: Map<String, Value>,
}

/// Reads queries from JSONL, a table, a Parquet file, plain lines, or the `queries.jsonl` of a BEIR folder.
///
/// [`Format::Text`] means one query per line, its number the id. Errors and their treatment are those of
/// [`Source`](super::Source).
///
/// ```
/// use lateen::corpus::{Queries, ReadOptions};
///
/// let queries = Queries::from_reader(&b"q1\twhat pulls the tides?\n"[..], "example", ReadOptions::default())?;
/// assert_eq!(queries.read_all()?, [("q1".to_owned(), "what pulls the tides?".to_owned())]);
/// # Ok::<(), lateen::corpus::CorpusError>(())
/// ```
pub struct Queries {
    records: Reader,
    name: String,
    options: ReadOptions,
    seen: HashSet<u128>,
    skipped: Skipped,
    given: u64,
    done: bool,
}

impl Queries {
    /// Opens a file, a BEIR folder, or standard input (`-`).
    ///
    /// # Errors
    /// As [`Source::open`](super::Source::open); [`CorpusError::NoFiles`] for a folder without queries.
    pub fn open(path: impl AsRef<Path>, options: ReadOptions) -> Result<Self, CorpusError> {
        let path = path.as_ref();
        if path.as_os_str() == "-" {
            return Self::from_reader(io::stdin(), STDIN, options);
        }
        let format = if path.is_dir() { Some(Format::Beir) } else { options.format };
        let (mut files, _) = Files::of(path, format, "queries")?;
        let Some(entry) = files.next().transpose()? else {
            let folder = path.display().to_string();
            return Err(CorpusError::NoFiles { folder, accepted: "queries.jsonl" });
        };
        let name = entry.path.display().to_string();
        if entry.format == Some(Format::Parquet) {
            let rows = RowRecords::open(&entry.path, &options, &Arc::default())?;
            return Ok(Self::of(Reader::Rows(Box::new(rows)), name, options));
        }
        let input = Input::open(&entry.path, &Arc::default())?;
        Self::new(input, &entry.path, name, entry.format, options)
    }

    /// Reads from a stream; `name` stands for it in messages. The first bytes tell the format if the options
    /// name none: an object, a tab in the first line, or plain lines.
    ///
    /// # Errors
    /// As [`Queries::open`].
    pub fn from_reader(
        reader: impl Read + Send + 'static,
        name: impl Into<String>,
        options: ReadOptions,
    ) -> Result<Self, CorpusError> {
        let name = name.into();
        let input = Input::unpack(Box::new(reader), &name, &Arc::default())?;
        let format = options.format;
        Self::new(input, Path::new(""), name, format, options)
    }

    fn new(
        input: Input,
        path: &Path,
        name: String,
        format: Option<Format>,
        options: ReadOptions,
    ) -> Result<Self, CorpusError> {
        let shape = match (format, input.looks) {
            (Some(Format::Jsonl), _) | (None, Looks::Json) => Shape::Json,
            (Some(Format::Tsv), _) | (None, Looks::Table) => Shape::Table(files::separator(path), None),
            (Some(Format::Text), _) | (None, Looks::Plain | Looks::Empty) => Shape::Plain,
            (Some(Format::Parquet), _) | (None, Looks::Parquet) => {
                let (found, format, needed) = ("stream", Format::Parquet.name(), "file named .parquet");
                return Err(CorpusError::WrongKind { file: name, found, format, needed });
            }
            (Some(other), _) => {
                let (found, needed) = ("file", "folder, or another format");
                return Err(CorpusError::WrongKind { file: name, found, format: other.name(), needed });
            }
        };
        let records = Records::new(input, name.clone(), shape, &options);
        Ok(Self::of(Reader::Lines(Box::new(records)), name, options))
    }

    fn of(records: Reader, name: String, options: ReadOptions) -> Self {
        Self {
            records,
            name,
            options,
            seen: HashSet::new(),
            skipped: Skipped::default(),
            given: 0,
            done: false,
        }
    }

    /// What was left out so far.
    #[must_use]
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// All queries as pairs of id and text.
    ///
    /// # Errors
    /// The first error met.
    pub fn read_all(self) -> Result<Vec<(String, String)>, CorpusError> {
        self.map(|query| query.map(|query| (query.id, query.text))).collect()
    }

    fn check(&mut self, fields: Fields) -> Result<Query, Problem> {
        let Fields { id, title, text, mut metadata, id_field } = fields;
        check_id(&id, &id_field)?;
        let (text, title) = if text.trim().is_empty() { (title, String::new()) } else { (text, title) };
        if !title.is_empty() {
            metadata.insert("title".to_owned(), Value::String(title));
        }
        if text.trim().is_empty() {
            return Err(Problem::EmptyText { id, title: false });
        }
        if !self.seen.insert(xxh3_128(id.as_bytes())) {
            return Err(Problem::RepeatedId { id });
        }
        Ok(Query { id, text, metadata })
    }
}

impl Iterator for Queries {
    type Item = Result<Query, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            let Some(found) = self.records.next() else {
                self.done = true;
                if self.given == 0 && !self.options.allow_empty {
                    let (file, skipped) = (self.name.clone(), self.skipped.records);
                    return Some(Err(CorpusError::Empty { file, what: "query", skipped }));
                }
                return None;
            };
            let checked = found.and_then(|(at, fields)| {
                self.check(fields).map_err(|problem| CorpusError::Record { at, problem })
            });
            match checked {
                Err(error) if error.is_record() && self.options.skip_bad => self.skipped.note(error),
                checked => {
                    self.given += 1;
                    self.done = checked.as_ref().is_err_and(|error| !error.is_record());
                    return Some(checked);
                }
            }
        }
        None
    }
}

impl fmt::Debug for Queries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queries").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What reads the file.
enum Reader {
    Lines(Box<Records>),
    Rows(Box<RowRecords>),
}

impl Reader {
    fn next(&mut self) -> Option<Result<(Place, Fields), CorpusError>> {
        match self {
            Self::Lines(records) => records.next(),
            Self::Rows(rows) => rows.next(),
        }
    }
}
