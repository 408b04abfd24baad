//! Rows of Parquet files, as JSON objects.
//!
//! ```text
//! PAR1 │ row group: column: [dictionary page] page … │ column: … │ row group … │ footer │ its length │ PAR1
//!                                        ▲                                         │
//!                                        └───── where, how packed, which type ─────┘
//! ```
//!
//! | read | refused, by name |
//! |---|---|
//! | columns of text, whole numbers, fractions and truths, and lists of them, in every form that lists were written in | groups, maps, lists of lists, decimals, dates and times, bytes of fixed length |
//! | pages as they are, by snappy, gzip and zstd | LZO, Brotli, LZ4 |
//! | plain and dictionary encoding, the three of differences, runs of truths | bits split by streams |
//!
//! A row is read from all its columns at once, so one page and one dictionary of each column are in memory: a megabyte or two as files
//! are usually written, 128 MiB each at most. No count that a file claims is believed: what is allocated grows with the bytes that are
//! there. Checksums of pages are checked where there are any. Format: <https://parquet.apache.org/docs/file-format/>.

mod bits;
mod column;
mod error;
mod footer;
mod needs;
mod page;
mod records;
mod schema;
mod sets;
mod shards;
mod thrift;
mod values;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use super::error::{CorpusError, Place};
use super::json::MAX_VALUES;
use column::{Budget, ColumnReader};
use footer::{Footer, RowGroup};
use schema::Column;

pub use error::ParquetProblem;
pub(super) use needs::{Holds, Need};
pub(super) use records::RowRecords;
pub(super) use sets::set_rows;
pub use shards::has_sets;
use shards::shards;

/// What a Parquet file begins and ends with.
pub(super) const MAGIC: [u8; 4] = *b"PAR1";

/// Bytes that can be read anywhere.
trait Anywhere: Read + Seek + Send {}
impl<R: Read + Seek + Send> Anywhere for R {}

/// The system, or the file, is at fault.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Problem(ParquetProblem),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ParquetProblem> for Fault {
    fn from(problem: ParquetProblem) -> Self {
        Self::Problem(problem)
    }
}

/// A column that is read.
#[derive(Debug)]
struct Chosen {
    column: Column,
    /// Its name in the rows.
    key: String,
    /// What every row must have in it.
    must: Option<&'static str>,
}

/// Reads rows one after another.
pub(super) struct Rows {
    file: Box<dyn Anywhere>,
    name: String,
    chosen: Vec<Chosen>,
    groups: std::vec::IntoIter<RowGroup>,
    readers: Vec<ColumnReader>,
    /// Rows of the row group, and how many of them were read.
    claimed: u64,
    done: u64,
    row: u64,
    limit: usize,
    count: Arc<AtomicU64>,
    /// Memory that the rows handed out so far take, at least.
    pub(super) taken: u64,
    is_over: bool,
}

impl Rows {
    /// Opens a file. With `needs`, these columns are read; without, all of them, and each must be one that can be read.
    ///
    /// `limit`: the largest row, in bytes of text.
    pub(super) fn open(
        path: &Path,
        needs: Option<&[Need]>,
        limit: usize,
        count: &Arc<AtomicU64>,
    ) -> Result<Self, CorpusError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| CorpusError::Open { file: name.clone(), source })?;
        Self::of(Box::new(file), name, needs, limit, count)
    }

    fn of(
        mut file: Box<dyn Anywhere>,
        name: String,
        needs: Option<&[Need]>,
        limit: usize,
        count: &Arc<AtomicU64>,
    ) -> Result<Self, CorpusError> {
        let at = || Place { file: name.clone(), line: None };
        let footer = Footer::read(&mut file).map_err(|fault| error_of(fault, at(), None))?;
        let chosen = needs::choose(footer.fields, needs)
            .map_err(|(column, problem)| error_of(problem.into(), at(), column))?;
        Ok(Self {
            file,
            name,
            chosen,
            groups: footer.groups.into_iter(),
            readers: Vec::new(),
            claimed: 0,
            done: 0,
            row: 0,
            limit,
            count: Arc::clone(count),
            taken: 0,
            is_over: false,
        })
    }

    /// The row that was read last, or the file before there is one.
    pub(super) fn place(&self) -> Place {
        Place { file: self.name.clone(), line: (self.row > 0).then_some(self.row) }
    }

    /// Begins the next row group that has rows; `false` at the end.
    fn begin(&mut self) -> Result<bool, CorpusError> {
        while self.done == self.claimed {
            let longer = self.readers.iter().zip(&self.chosen).find(|(reader, _)| reader.has_more());
            if let Some((_, Chosen { column, .. })) = longer {
                let problem = ParquetProblem::damaged("a column has more rows than its row group");
                return Err(error_of(problem.into(), self.place(), Some(column.name.clone())));
            }
            let Some(group) = self.groups.next() else { return Ok(false) };
            let readers: Option<Vec<ColumnReader>> = self
                .chosen
                .iter()
                .map(|chosen| group.chunks.get(chosen.column.chunk).map(|chunk| ColumnReader::new(*chunk)))
                .collect();
            let missing = ParquetProblem::damaged("a row group lacks a column");
            self.readers = readers.ok_or_else(|| error_of(missing.into(), self.place(), None))?;
            (self.claimed, self.done) = (group.rows, 0);
        }
        Ok(true)
    }

    fn read(&mut self) -> Result<Map<String, Value>, CorpusError> {
        let mut budget = Budget::new(self.limit, MAX_VALUES);
        let mut row = Map::new();
        for at in 0..self.readers.len() {
            let Chosen { column, key, must } = &self.chosen[at];
            let reader = &mut self.readers[at];
            let before = reader.position();
            let read = reader.next(&mut *self.file, column, &mut budget);
            self.count.fetch_add(reader.position() - before, Ordering::Relaxed);
            let early = ParquetProblem::EndsEarly { rows: self.done, claimed: self.claimed };
            let value = read.and_then(|value| value.ok_or(early.into()));
            let value = value.map_err(|fault| error_of(fault, self.place(), Some(column.name.clone())))?;
            if let Some(needed) = must {
                needs::check(&value, &column.name, needed, &mut budget.problem);
            }
            row.insert(key.clone(), value);
        }
        self.done += 1;
        self.taken += budget.taken() as u64;
        match budget.problem {
            Some(problem) => Err(CorpusError::Record { at: self.place(), problem }),
            None => Ok(row),
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Map<String, Value>, CorpusError>;

    /// After an error of one record the next row can be read; after any other there is none.
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.begin() {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                self.is_over = true;
                return Some(Err(error));
            }
        }
        self.row += 1;
        let row = self.read();
        self.is_over = row.as_ref().is_err_and(|error| !error.is_record());
        Some(row)
    }
}

fn error_of(fault: Fault, at: Place, column: Option<String>) -> CorpusError {
    match fault {
        Fault::Io(source) => CorpusError::Read { at, source },
        Fault::Problem(problem) => CorpusError::Parquet { at, column, problem },
    }
}

#[cfg(test)]
mod tests;
