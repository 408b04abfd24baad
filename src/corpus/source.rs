//! Documents one after another.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_128;

use super::document::Document;
use super::error::{CorpusError, Place, Problem};
use super::files::{self, Entry, Files};
use super::input::{Input, Looks};
use super::options::{Format, ReadOptions};
use super::parquet::RowRecords;
use super::records::{self, Fields, Records, Shape};
use super::whole::Whole;

/// How the name of standard input is shown.
pub(super) const STDIN: &str = "standard input";

/// How far the reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Bytes taken from the files or the stream, before decompression; up to a buffer ahead of the records.
    pub bytes: u64,
    /// All bytes there are, if that can be known.
    pub total: Option<u64>,
}

/// What was left out.
#[derive(Debug, Default)]
pub struct Skipped {
    /// Bad records passed over because of [`ReadOptions::skip_bad`].
    pub records: u64,
    /// The first [`Skipped::REMEMBERED`] of them.
    pub first: Vec<CorpusError>,
    /// Text files of a folder with nothing but white space in them; these are never an error.
    pub empty_files: u64,
}

impl Skipped {
    /// How many errors are kept.
    pub const REMEMBERED: usize = 8;

    pub(super) fn note(&mut self, error: CorpusError) {
        self.records += 1;
        if self.first.len() < Self::REMEMBERED {
            self.first.push(error);
        }
    }
}

/// Reads documents from a file, a folder or a stream, one at a time.
///
/// An error of one record ([`CorpusError::is_record`]) does not end the iteration: the next call reads on after
/// it. Any other error does. Paths of a folder are read in the order of their names, hidden files and
/// links are left out.
///
/// ```
/// use lateen::corpus::{Format, ReadOptions, Source};
///
/// let lines = "{\"_id\": \"1\", \"text\": \"Ebb and flow.\"}\n{\"_id\": \"2\"}\n";
/// let options = ReadOptions { format: Some(Format::Jsonl), ..ReadOptions::default() };
/// let mut source = Source::from_reader(lines.as_bytes(), "example", options)?;
///
/// assert_eq!(source.next().unwrap()?.text, "Ebb and flow.");
/// let error = source.next().unwrap().unwrap_err().to_string();
/// assert_eq!(error, "example:2: no field \"text\"; the record has _id");
/// # Ok::<(), lateen::corpus::CorpusError>(())
/// ```
pub struct Source {
    name: String,
    files: Files,
    current: Option<Reader>,
    options: ReadOptions,
    seen: HashSet<u128>,
    skipped: Skipped,
    count: Arc<AtomicU64>,
    total: Option<u64>,
    /// Records handed out, good or bad.
    given: u64,
    /// Whether there are more files to read if one is bad.
    in_folder: bool,
    done: bool,
}

impl Source {
    /// Opens a file, a folder, or standard input (`-`).
    ///
    /// # Errors
    /// [`CorpusError::Open`], [`CorpusError::UnknownFormat`], [`CorpusError::WrongKind`], [`CorpusError::NoFiles`];
    /// [`CorpusError::Read`], [`CorpusError::Truncated`] and [`CorpusError::Parquet`] if the very beginning cannot be read.
    pub fn open(path: impl AsRef<Path>, options: ReadOptions) -> Result<Self, CorpusError> {
        let path = path.as_ref();
        if path.as_os_str() == "-" {
            return Self::from_reader(io::stdin(), STDIN, options);
        }
        let (files, total) = Files::of(path, options.format, "corpus")?;
        let mut source = Self::new(path.display().to_string(), files, options);
        source.total = total;
        if let Files::One(entry) = &mut source.files {
            if let Some(entry) = entry.take() {
                source.current = Some(source.begin(entry)?);
            }
        } else {
            source.in_folder = true;
        }
        Ok(source)
    }

    /// Reads from a stream; `name` stands for it in messages.
    ///
    /// The format is told by the first bytes if the options name none. A plain or Markdown text is one
    /// document, with `name` as its id.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn from_reader(
        reader: impl Read + Send + 'static,
        name: impl Into<String>,
        options: ReadOptions,
    ) -> Result<Self, CorpusError> {
        let name = name.into();
        let mut source = Self::new(name.clone(), Files::One(None), options);
        if source.options.format == Some(Format::Beir) {
            let (found, format, needed) = ("stream", Format::Beir.name(), "folder");
            return Err(CorpusError::WrongKind { file: name, found, format, needed });
        }
        let input = Input::unpack(Box::new(reader), &name, &source.count)?;
        let entry = Entry { path: PathBuf::new(), id: name.clone(), format: source.options.format };
        source.current = Some(source.reader(input, entry, name)?);
        Ok(source)
    }

    fn new(name: String, files: Files, options: ReadOptions) -> Self {
        Self {
            name,
            files,
            current: None,
            options,
            seen: HashSet::new(),
            skipped: Skipped::default(),
            count: Arc::default(),
            total: None,
            given: 0,
            in_folder: false,
            done: false,
        }
    }

    /// How far the reading is.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { bytes: self.count.load(Ordering::Relaxed), total: self.total }
    }

    /// What was left out so far.
    #[must_use]
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    fn begin(&self, entry: Entry) -> Result<Reader, CorpusError> {
        if entry.format == Some(Format::Parquet) {
            return self.rows(&entry.path);
        }
        let input = Input::open(&entry.path, &self.count)?;
        let file = entry.path.display().to_string();
        self.reader(input, entry, file)
    }

    fn rows(&self, path: &Path) -> Result<Reader, CorpusError> {
        RowRecords::open(path, &self.options, &self.count).map(|rows| Reader::Rows(Box::new(rows)))
    }

    fn reader(&self, input: Input, entry: Entry, file: String) -> Result<Reader, CorpusError> {
        let limit = self.options.max_line_bytes;
        let shape = match (entry.format, input.looks) {
            (Some(format @ (Format::Text | Format::Markdown)), _) => {
                return Ok(Reader::Whole(Some(Whole { input, file, id: entry.id, format, limit })));
            }
            (Some(Format::Jsonl), _) | (None, Looks::Json) => Shape::Json,
            (Some(Format::Tsv), _) | (None, Looks::Table) => {
                Shape::Table(files::separator(&entry.path), None)
            }
            (Some(Format::Parquet), _) | (None, Looks::Parquet) if entry.path.as_os_str().is_empty() => {
                let (found, format, needed) = ("stream", Format::Parquet.name(), "file");
                return Err(CorpusError::WrongKind { file, found, format, needed });
            }
            (Some(Format::Parquet), _) | (None, Looks::Parquet) => return self.rows(&entry.path),
            // An empty stream has no format, and none is needed to say that it is empty.
            (None, Looks::Empty) => Shape::Json,
            (Some(Format::Beir), _) | (None, Looks::Plain) => {
                return Err(CorpusError::UnknownFormat { file });
            }
        };
        Ok(Reader::Lines(Box::new(Records::new(input, file, shape, &self.options))))
    }

    /// The next record of any file, unchecked, with its place.
    fn next_fields(&mut self) -> Option<Result<(Place, Fields), CorpusError>> {
        loop {
            let found = match &mut self.current {
                Some(Reader::Lines(records)) => records.next(),
                Some(Reader::Rows(rows)) => rows.next(),
                Some(Reader::Whole(whole)) => whole.take().map(|whole| {
                    let at = Place { file: whole.file.clone(), line: None };
                    whole.read().map(|fields| (at, fields))
                }),
                None => None,
            };
            if found.is_some() {
                return found.map(|found| found.map_err(|error| self.in_context(error)));
            }
            self.current = None;
            let entry = match self.files.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            match self.begin(entry) {
                Ok(reader) => self.current = Some(reader),
                Err(error) => return Some(Err(self.in_context(error))),
            }
        }
    }

    /// In a folder a file that cannot be read is one bad record, and the files after it can be read.
    fn in_context(&mut self, error: CorpusError) -> CorpusError {
        if !self.in_folder {
            return error;
        }
        let (at, reason) = match error {
            CorpusError::Open { file, source } => (Place { file, line: None }, source.to_string()),
            CorpusError::Read { at, source } => (at, source.to_string()),
            CorpusError::Truncated { at, compression } => {
                (at, format!("the {compression} data ends too soon"))
            }
            CorpusError::Parquet { at, column, problem } => {
                let column = column.map(|column| format!("column {column:?} ")).unwrap_or_default();
                (at, format!("{column}{problem}"))
            }
            other => return other,
        };
        self.current = None;
        CorpusError::Record { at, problem: Problem::Unreadable { reason } }
    }

    fn next_document(&mut self) -> Option<Result<Document, CorpusError>> {
        loop {
            let (at, fields) = match self.next_fields()? {
                Ok(found) => found,
                Err(error) => return Some(Err(error)),
            };
            if self.in_folder && at.line.is_none() && fields.text.is_empty() && fields.title.is_empty() {
                self.skipped.empty_files += 1;
                continue;
            }
            let checked = records::check(fields).and_then(|document| self.check_repeated(document));
            return Some(checked.map_err(|problem| CorpusError::Record { at, problem }));
        }
    }

    fn check_repeated(&mut self, document: Document) -> Result<Document, Problem> {
        // 128 bits: two ids of a billion have the same hash with a chance below 1e-20.
        if self.options.allow_repeated_ids || self.seen.insert(xxh3_128(document.id.as_bytes())) {
            return Ok(document);
        }
        Err(Problem::RepeatedId { id: document.id })
    }
}

impl Iterator for Source {
    type Item = Result<Document, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.next_document() {
                Some(Err(error)) if error.is_record() && self.options.skip_bad => self.skipped.note(error),
                Some(found) => {
                    self.given += 1;
                    self.done = found.as_ref().is_err_and(|error| !error.is_record());
                    return Some(found);
                }
                None => {
                    self.done = true;
                    if self.given == 0 && !self.options.allow_empty {
                        let (file, what) = (self.name.clone(), "document");
                        return Some(Err(CorpusError::Empty { file, what, skipped: self.skipped.records }));
                    }
                }
            }
        }
        None
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

/// What reads the current file.
enum Reader {
    Lines(Box<Records>),
    Rows(Box<RowRecords>),
    Whole(Option<Whole>),
}
