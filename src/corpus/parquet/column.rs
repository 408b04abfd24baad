//! One column of one row group, row by row.

use std::io::{Read, Seek};

use serde_json::{Number, Value};

use super::Fault;
use super::bits::Runs;
use super::error::ParquetProblem;
use super::footer::Chunk;
use super::page::{self, Header, PageKind};
use super::schema::{Column, ListLevels, Meaning, Physical};
use super::values::{Dictionary, Raw, Values, prefixed};
use crate::corpus::error::Problem;

/// What a row may still take, and why it is refused if it took too much.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: usize,
    values: usize,
    limits: (usize, usize),
    /// The first thing that is wrong with the row. What follows in it is read and dropped.
    pub(super) problem: Option<Problem>,
}

impl Budget {
    pub(super) fn new(bytes: usize, values: usize) -> Self {
        Self { bytes, values, limits: (bytes, values), problem: None }
    }

    /// Bytes and values taken, as memory.
    pub(super) fn taken(&self) -> usize {
        let values = self.limits.1 - self.values;
        (self.limits.0 - self.bytes).saturating_add(values.saturating_mul(size_of::<Value>()))
    }

    /// Whether there was room.
    fn take(&mut self, bytes: usize) -> bool {
        match (self.values.checked_sub(1), self.bytes.checked_sub(bytes)) {
            (Some(values), Some(bytes)) => {
                (self.values, self.bytes) = (values, bytes);
                self.problem.is_none()
            }
            (None, _) => self.refuse(Problem::TooManyValues { limit: self.limits.1 }),
            (_, None) => self.refuse(Problem::TooLong { limit: self.limits.0 }),
        }
    }

    fn refuse(&mut self, problem: Problem) -> bool {
        self.problem.get_or_insert(problem);
        false
    }
}

/// The levels and values of a page that are not yet read.
#[derive(Debug)]
struct Page {
    bytes: Vec<u8>,
    left: u64,
    repetitions: Option<Runs>,
    definitions: Option<Runs>,
    values: Values,
}

/// Where an entry belongs and how much of it is there.
#[derive(Debug, Clone, Copy)]
struct Levels {
    is_new_row: bool,
    definition: u16,
}

/// Reads one column of one row group.
#[derive(Debug)]
pub(super) struct ColumnReader {
    chunk: Chunk,
    at: u64,
    dictionary: Option<Dictionary>,
    page: Option<Page>,
    /// The first entry of the next row, read to see that the row before is over.
    pending: Option<Levels>,
}

impl ColumnReader {
    pub(super) fn new(chunk: Chunk) -> Self {
        Self { chunk, at: chunk.begin, dictionary: None, page: None, pending: None }
    }

    /// Bytes of the file read so far.
    pub(super) fn position(&self) -> u64 {
        self.at - self.chunk.begin
    }

    /// Whether the page that was read last has values that no row asked for.
    pub(super) fn has_more(&self) -> bool {
        self.pending.is_some() || self.page.as_ref().is_some_and(|page| page.left > 0)
    }

    /// The value of the next row; `None` at the end of the column.
    pub(super) fn next(
        &mut self,
        file: &mut (impl Read + Seek + ?Sized),
        column: &Column,
        budget: &mut Budget,
    ) -> Result<Option<Value>, Fault> {
        let Some(first) = self.levels(file, column)? else { return Ok(None) };
        match column.list {
            None => self.value(column, first, budget).map(Some),
            Some(list) => self.list(file, (column, list), first, budget).map(Some),
        }
    }

    fn list(
        &mut self,
        file: &mut (impl Read + Seek + ?Sized),
        (column, list): (&Column, ListLevels),
        first: Levels,
        budget: &mut Budget,
    ) -> Result<Value, Fault> {
        if !first.is_new_row {
            return Err(ParquetProblem::damaged("a list goes on that never began").into());
        }
        let mut items = Vec::new();
        let is_there = first.definition >= list.list;
        let mut entry = first;
        loop {
            if entry.definition >= list.item {
                let value = self.value(column, entry, budget)?;
                if budget.problem.is_none() {
                    items.push(value);
                }
            }
            match self.levels(file, column)? {
                Some(next) if !next.is_new_row => entry = next,
                next => {
                    self.pending = next;
                    break;
                }
            }
        }
        Ok(if is_there { Value::Array(items) } else { Value::Null })
    }

    /// The value of an entry.
    fn value(&mut self, column: &Column, entry: Levels, budget: &mut Budget) -> Result<Value, Fault> {
        if entry.definition < column.defined {
            budget.take(0);
            return Ok(Value::Null);
        }
        let page = self.page.as_mut().ok_or(ParquetProblem::damaged("a value stands in no page"))?;
        let raw = page.values.next(&page.bytes, column.physical, self.dictionary.as_ref())?;
        Ok(value_of(raw, column, budget))
    }

    /// The levels of the next entry, from the next page if need be.
    fn levels(
        &mut self,
        file: &mut (impl Read + Seek + ?Sized),
        column: &Column,
    ) -> Result<Option<Levels>, Fault> {
        if let Some(pending) = self.pending.take() {
            return Ok(Some(pending));
        }
        while self.page.as_ref().is_none_or(|page| page.left == 0) {
            if self.at >= self.chunk.end {
                return Ok(None);
            }
            self.next_page(file, column)?;
        }
        let Some(page) = &mut self.page else { return Ok(None) };
        page.left -= 1;
        let level = |runs: &mut Option<Runs>, always: u64| match runs {
            Some(runs) => runs.next(&page.bytes),
            None => Ok(always),
        };
        let repetition = level(&mut page.repetitions, 0)?;
        let definition = level(&mut page.definitions, column.defined.into())?;
        if definition > column.defined.into() {
            return Err(ParquetProblem::damaged("a level that no column has").into());
        }
        Ok(Some(Levels { is_new_row: repetition == 0, definition: definition as u16 }))
    }

    fn next_page(&mut self, file: &mut (impl Read + Seek + ?Sized), column: &Column) -> Result<(), Fault> {
        // Not two pages at once.
        self.page = None;
        let (header, bytes) = page::read(file, self.chunk, &mut self.at)?;
        let widths = (u32::from(column.list.is_some()), u16::BITS - column.defined.leading_zeros());
        match header.kind() {
            PageKind::Other => {}
            PageKind::Dictionary if self.dictionary.is_some() => {
                return Err(ParquetProblem::damaged("a column has two dictionaries").into());
            }
            PageKind::Dictionary => {
                self.dictionary = Some(Dictionary::new(bytes, header.count, column.physical)?);
            }
            PageKind::Data => self.page = Some(older_page(&header, bytes, column.physical, widths)?),
            PageKind::NewData { repetitions, definitions } => {
                let ends = (repetitions, repetitions.saturating_add(definitions).min(bytes.len()));
                self.page = Some(newer_page(&header, bytes, column.physical, widths, ends)?);
            }
        }
        Ok(())
    }
}

/// Levels stand in front of the values, each behind its length.
fn older_page(
    header: &Header,
    bytes: Vec<u8>,
    physical: Physical,
    widths: (u32, u32),
) -> Result<Page, ParquetProblem> {
    let mut at = 0;
    let mut runs = |width| {
        if width == 0 {
            return Ok(None);
        }
        let (begin, end) = prefixed(&bytes, at)?;
        at = end;
        Runs::new(begin, end, width).map(Some)
    };
    let (repetitions, definitions) = (runs(widths.0)?, runs(widths.1)?);
    let values = Values::new(header.encoding, physical, &bytes, at);
    page_of(header, bytes, (repetitions, definitions), values)
}

/// `ends`: of the repetition and of the definition levels, from the page's beginning.
fn newer_page(
    header: &Header,
    bytes: Vec<u8>,
    physical: Physical,
    widths: (u32, u32),
    ends: (usize, usize),
) -> Result<Page, ParquetProblem> {
    let runs = |width, begin, end| (width > 0).then(|| Runs::new(begin, end, width)).transpose();
    let levels = (runs(widths.0, 0, ends.0)?, runs(widths.1, ends.0, ends.1)?);
    let values = Values::new(header.encoding, physical, &bytes, ends.1);
    page_of(header, bytes, levels, values)
}

fn page_of(
    header: &Header,
    bytes: Vec<u8>,
    (repetitions, definitions): (Option<Runs>, Option<Runs>),
    values: Result<Values, ParquetProblem>,
) -> Result<Page, ParquetProblem> {
    // A page without one value that is there need not have a beginning of values either.
    let values = match values {
        Err(ParquetProblem::Damaged { .. }) if definitions.is_some() => {
            Values::Plain { at: bytes.len(), bit: 0 }
        }
        values => values?,
    };
    Ok(Page { bytes, left: header.count, repetitions, definitions, values })
}

fn value_of(raw: Raw<'_>, column: &Column, budget: &mut Budget) -> Value {
    match raw {
        Raw::Bytes(bytes) => {
            if !budget.take(bytes.len()) {
                return Value::Null;
            }
            match str::from_utf8(bytes) {
                Ok(text) => return Value::String(text.to_owned()),
                Err(_) => {
                    let (found, needed) = ("bytes that are not UTF-8", "text");
                    budget.refuse(Problem::WrongType { field: column.name.clone(), found, needed });
                }
            }
            Value::Null
        }
        _ if !budget.take(0) => Value::Null,
        Raw::Truth(truth) => Value::Bool(truth),
        Raw::Integer(number) if column.meaning == Meaning::Unsigned => match column.physical {
            Physical::Int32 => Value::from(number as i32 as u32),
            _ => Value::from(number as u64),
        },
        Raw::Integer(number) => Value::from(number),
        // By its shortest digits: 0.1 in single precision is meant as 0.1.
        Raw::Single(number) => number.to_string().parse().map_or(Value::Null, fraction),
        Raw::Double(number) => fraction(number),
    }
}

/// What is no number has none in JSON either.
fn fraction(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}
