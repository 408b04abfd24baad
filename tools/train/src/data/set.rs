//! A training file, indexed: texts stay on disk, and any record can be read at any time.

use std::path::Path;

use lateen::corpus::Place;
use serde_json::Value;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::beir::Beir;
use super::error::{DataError, RowProblem};
use super::format::{Fields, Format, Layout};
use super::lines::{Lines, Span};
use super::parse::{self, Scale};
use super::record::{Record, Role};
use super::table::Columns;

/// How to read a training file.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadOptions {
    /// The longest row: 16 MiB.
    pub max_line_bytes: usize,
    /// Count bad rows, remember the first 20, and go on.
    pub skip_bad: bool,
    /// Names of fields that are none of the usual ones.
    pub fields: Fields,
    /// What labels may be.
    pub scale: Scale,
    /// Of a BEIR folder: `qrels/<split>.tsv`.
    pub split: String,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            max_line_bytes: 16 << 20,
            skip_bad: false,
            fields: Fields::default(),
            scale: Scale::default(),
            split: "train".to_owned(),
        }
    }
}

/// What is kept in memory of a record: about 48 bytes, and 8 a positive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) span: Span,
    /// Rows before it, bad ones included.
    pub(super) row: u32,
    /// Hash of the query.
    pub(super) query: u64,
    /// Its first hash in `answers`.
    pub(super) first_answer: u32,
    pub(super) answers: u32,
    pub(super) documents: u32,
    /// Positives; of judged documents, all.
    pub(super) positives: u32,
    /// Estimated tokens of the query and of the longest document.
    pub(super) lengths: (u16, u16),
}

/// What was found while a file was indexed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Rows, bad ones included.
    pub rows: u64,
    /// Bad rows left out.
    pub skipped: u64,
    /// The first 20 of them.
    pub problems: Vec<(Place, RowProblem)>,
}

const PROBLEMS_KEPT: usize = 20;

#[derive(Debug)]
enum Source {
    Rows { lines: Lines, columns: Option<Columns>, layout: Layout },
    Beir(Beir),
}

/// The records of one file or BEIR folder.
///
/// Opening reads the file once and checks every row. A packed file is unpacked into a temporary file.
///
/// ```
/// use lateen_train::data::{DataSet, Format, ReadOptions};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.jsonl");
/// std::fs::write(&path, r#"{"query": "what pulls the tides?", "pos": ["The Moon."], "neg": ["Wind."]}"#)?;
/// let set = DataSet::open(&path, &ReadOptions::default())?;
/// assert_eq!((set.len(), set.format()), (1, Format::Triplet));
/// assert_eq!(set.read(0)?.documents[1].text, "Wind.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DataSet {
    source: Source,
    name: String,
    format: Format,
    entries: Vec<Entry>,
    /// Hashes of the documents that answer a record's query, record by record.
    answers: Vec<u64>,
    /// `(query, answer)`, sorted: what answers a query in any record of the file.
    known: Vec<(u64, u64)>,
    report: Report,
    fingerprint: u64,
    scale: Scale,
    negatives: bool,
    scored: bool,
}

impl DataSet {
    /// Opens a JSONL or tab-separated file, packed or not, or a BEIR folder.
    ///
    /// # Errors
    /// All of [`DataError`] that name a file; the first [`DataError::Row`] unless [`ReadOptions::skip_bad`].
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self, DataError> {
        let path = path.as_ref();
        if path.is_dir() {
            return Self::of_beir(path, options);
        }
        let lines = Lines::open(path, options.max_line_bytes)?;
        let mut building = Building::new(lines.name(), options);
        let (mut columns, mut layout) = (None, None::<Layout>);
        lines.each(|span, line| {
            building.report.rows += 1;
            let found = line.and_then(|line| {
                building.hash.update(line.as_bytes());
                building.hash.update(b"\n");
                row(line, span, &mut columns, options)
            });
            let row = match found {
                Ok(Some(row)) => row,
                // The header of a table.
                Ok(None) => {
                    building.report.rows -= 1;
                    return Ok(());
                }
                Err(problem) => return building.bad(lines.place(span), problem),
            };
            let layout = match &layout {
                Some(layout) => layout,
                None => layout.insert(Layout::of(&row, &options.fields, lines.name())?),
            };
            match parse::record(&row, layout, options.scale) {
                Ok(record) => building.add(span, &record),
                Err(problem) => building.bad(lines.place(span), problem),
            }
        })?;
        let Some(layout) = layout else {
            return Err(building.empty());
        };
        let format = parse::format(&layout, building.negatives);
        building.finish(format, Source::Rows { lines, columns, layout })
    }

    fn of_beir(path: &Path, options: &ReadOptions) -> Result<Self, DataError> {
        let mut building = Building::new(&path.display().to_string(), options);
        let beir = Beir::open(path, options)?;
        for (at, problem) in beir.problems() {
            building.report.rows += 1;
            building.bad(at.clone(), problem.clone())?;
        }
        for at in 0..beir.len() {
            building.report.rows += 1;
            let (span, record) = beir.read(at)?;
            building.hash.update(record.query.as_bytes());
            building.add(span, &record)?;
        }
        let format = if building.negatives { Format::Triplet } else { Format::Pair };
        building.finish(format, Source::Beir(beir))
    }

    /// Records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Never: a file without records is an error.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The path as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the rows are.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Why this format was taken, for people.
    #[must_use]
    pub fn why(&self) -> &str {
        match &self.source {
            Source::Rows { layout, .. } => &layout.why,
            Source::Beir(_) => "a folder with queries, corpus and qrels",
        }
    }

    /// Whether a record has negatives.
    #[must_use]
    pub fn has_negatives(&self) -> bool {
        self.negatives
    }

    /// Whether every document has a label.
    #[must_use]
    pub fn scored(&self) -> bool {
        self.scored
    }

    /// What was found on opening.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// A hash of the content: another one after any change, so that a run is not resumed on other data.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The file and line of a record.
    #[must_use]
    pub fn place(&self, record: usize) -> Place {
        let span = self.entries.get(record).map(|entry| entry.span);
        match (&self.source, span) {
            (Source::Rows { lines, .. }, Some(span)) => lines.place(span),
            (Source::Beir(beir), Some(span)) => beir.place(span),
            (_, None) => Place { file: self.name.clone(), line: None },
        }
    }

    /// Reads a record again.
    ///
    /// # Errors
    /// [`DataError::Changed`] if the file is not what it was.
    ///
    /// # Panics
    /// If `record` is not below [`DataSet::len`].
    pub fn read(&self, record: usize) -> Result<Record, DataError> {
        match &self.source {
            Source::Beir(beir) => beir.read(record).map(|(_, record)| record),
            Source::Rows { lines, columns, layout } => {
                let span = self.entries[record].span;
                let line = lines.read(span)?;
                parse_row(columns.as_ref(), &line)
                    .and_then(|row| parse::record(&row, layout, self.scale))
                    .map_err(|problem| lines.changed(span, problem.to_string()))
            }
        }
    }

    /// The line of a record; `None` where records are no lines.
    pub(super) fn text_of(&self, record: usize) -> Option<Result<String, DataError>> {
        match &self.source {
            Source::Rows { lines, .. } => Some(lines.read(self.entries[record].span)),
            Source::Beir(_) => None,
        }
    }

    pub(super) fn parse_row(&self, line: &str) -> Result<Value, RowProblem> {
        match &self.source {
            Source::Rows { columns, .. } => parse_row(columns.as_ref(), line),
            Source::Beir(_) => parse::json(line),
        }
    }

    pub(super) fn header_of(&self) -> Option<String> {
        match &self.source {
            Source::Rows { columns: Some(columns), .. } => columns.header(),
            _ => None,
        }
    }

    /// Whether `document` answers `query` by any record.
    #[must_use]
    pub fn is_answer(&self, query: &str, document: &str) -> bool {
        self.known.binary_search(&(hash(query), hash(document))).is_ok()
    }

    pub(super) fn entry(&self, record: usize) -> &Entry {
        &self.entries[record]
    }

    /// Hashes of what answers the record's query, in the order of [`Record::answers`].
    pub(super) fn answers(&self, record: usize) -> &[u64] {
        let entry = &self.entries[record];
        &self.answers[entry.first_answer as usize..][..entry.answers as usize]
    }

    /// Hashes of what answers `query` in any record.
    pub(super) fn known(&self, query: u64) -> impl Iterator<Item = u64> + '_ {
        let start = self.known.partition_point(|&(hash, _)| hash < query);
        self.known[start..].iter().take_while(move |&&(hash, _)| hash == query).map(|&(_, answer)| answer)
    }
}

/// A row of the file; `None` for a table's header.
fn row(
    line: &str,
    span: Span,
    columns: &mut Option<Columns>,
    options: &ReadOptions,
) -> Result<Option<Value>, RowProblem> {
    if columns.is_none()
        && span.line == 1
        && !line.trim_start().starts_with(['{', '['])
        && line.contains('\t')
    {
        let first = columns.insert(Columns::of(line, &options.fields));
        return if first.header { Ok(None) } else { first.row(line).map(Some) };
    }
    parse_row(columns.as_ref(), line).map(Some)
}

fn parse_row(columns: Option<&Columns>, line: &str) -> Result<Value, RowProblem> {
    columns.map_or_else(|| parse::json(line), |columns| columns.row(line))
}

/// A set that is being indexed.
struct Building {
    name: String,
    skip_bad: bool,
    scale: Scale,
    entries: Vec<Entry>,
    answers: Vec<u64>,
    known: Vec<(u64, u64)>,
    negatives: bool,
    scored: bool,
    report: Report,
    hash: Xxh3,
}

impl Building {
    fn new(name: &str, options: &ReadOptions) -> Self {
        Self {
            name: name.to_owned(),
            skip_bad: options.skip_bad,
            scale: options.scale,
            entries: Vec::new(),
            answers: Vec::new(),
            known: Vec::new(),
            negatives: false,
            scored: true,
            report: Report::default(),
            hash: Xxh3::new(),
        }
    }

    fn bad(&mut self, at: Place, problem: RowProblem) -> Result<(), DataError> {
        if !self.skip_bad {
            return Err(DataError::Row { at, problem });
        }
        self.report.skipped += 1;
        if self.report.problems.len() < PROBLEMS_KEPT {
            self.report.problems.push((at, problem));
        }
        Ok(())
    }

    fn add(&mut self, span: Span, record: &Record) -> Result<(), DataError> {
        let query = hash(&record.query);
        let answers = record.answers();
        let full = || DataError::TooManyRows { file: self.name.clone(), limit: u64::from(u32::MAX) };
        let first_answer = u32::try_from(self.answers.len()).map_err(|_| full())?;
        let row = u32::try_from(self.report.rows - 1).map_err(|_| full())?;
        for &at in &answers {
            let answer = hash(&record.documents[at].text);
            self.answers.push(answer);
            self.known.push((query, answer));
        }
        self.scored &= record.documents.iter().all(|document| document.label.is_some());
        self.negatives |= record.of(Role::Negative).next().is_some();
        let longest = record.documents.iter().map(|document| estimate(&document.text)).max().unwrap_or(0);
        self.entries.push(Entry {
            span,
            row,
            query,
            first_answer,
            answers: answers.len() as u32,
            documents: record.documents.len() as u32,
            positives: record.documents.iter().filter(|document| document.role != Role::Negative).count()
                as u32,
            lengths: (estimate(&record.query), longest),
        });
        Ok(())
    }

    fn empty(self) -> DataError {
        DataError::Empty { file: self.name, skipped: self.report.skipped }
    }

    fn finish(mut self, format: Format, source: Source) -> Result<DataSet, DataError> {
        if self.entries.is_empty() {
            return Err(self.empty());
        }
        self.known.sort_unstable();
        self.known.dedup();
        Ok(DataSet {
            source,
            name: self.name,
            format,
            entries: self.entries,
            answers: self.answers,
            known: self.known,
            fingerprint: self.hash.digest(),
            report: self.report,
            scale: self.scale,
            negatives: self.negatives,
            scored: self.scored,
        })
    }
}

/// What makes two texts the same: the text without white space around it.
pub(super) fn hash(text: &str) -> u64 {
    xxh3_64(text.trim().as_bytes())
}

/// Tokens that a text will have, about: one a character of Chinese, Japanese and Korean, one for four of others.
pub(super) fn estimate(text: &str) -> u16 {
    let wide = text.chars().filter(|&character| character >= '\u{2e80}').count();
    let narrow = text.chars().count() - wide;
    u16::try_from(wide + narrow.div_ceil(4)).unwrap_or(u16::MAX)
}
