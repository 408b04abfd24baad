//! Records of one input: from bytes to checked documents.

use std::mem;

use serde_json::{Map, Value};

use super::document::{Document, MAX_ID_BYTES};
use super::error::{CorpusError, Place, Problem};
use super::input::{Input, read_error};
use super::json;
use super::lines::{Line, Lines};
use super::options::{FieldNames, ReadOptions};
use super::table::{self, Columns, First, Separator};

/// A record before its checks.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) text: String,
    pub(super) metadata: Map<String, Value>,
    /// The name of the field the id came from, for messages.
    pub(super) id_field: String,
}

/// How lines become records.
pub(super) enum Shape {
    /// A JSON object each.
    Json,
    /// A row each; the meaning of columns is known after the first.
    Table(Separator, Option<Columns>),
    /// The text itself; the line's number is its id.
    Plain,
}

/// The records of one file whose records are lines.
pub(super) struct Records {
    lines: Lines<Input>,
    file: String,
    compression: Option<&'static str>,
    utf16: bool,
    shape: Shape,
    names: FieldNames,
    limit: usize,
    buffer: Vec<u8>,
}

impl Records {
    pub(super) fn new(input: Input, file: String, shape: Shape, options: &ReadOptions) -> Self {
        Self {
            compression: input.compression,
            utf16: input.utf16,
            lines: Lines::new(input, options.max_line_bytes),
            file,
            shape,
            names: options.fields.clone(),
            limit: options.max_line_bytes,
            buffer: Vec::new(),
        }
    }

    /// The next record, unchecked, with the line on which it begins; blank lines are passed over.
    pub(super) fn next(&mut self) -> Option<Result<(Place, Fields), CorpusError>> {
        if mem::take(&mut self.utf16) {
            self.stop();
            return Some(Err(self.bad(1, Problem::Utf16)));
        }
        loop {
            self.buffer.clear();
            // One huge line must not make every later one cost its memory.
            self.buffer.shrink_to(1 << 20);
            let begin = self.lines.number() + 1;
            let read = match &self.shape {
                Shape::Table(separator, _) => {
                    table::append_row(&mut self.lines, *separator, &mut self.buffer)
                }
                Shape::Json | Shape::Plain => self.lines.append(&mut self.buffer),
            };
            match read {
                Err(source) => {
                    let at = self.place(begin);
                    return Some(Err(read_error(at, self.compression, source)));
                }
                Ok(Line::End) => return None,
                Ok(Line::TooLong) => {
                    if matches!(self.shape, Shape::Table(_, None)) {
                        self.stop();
                    }
                    return Some(Err(self.bad(begin, Problem::TooLong { limit: self.limit })));
                }
                Ok(Line::Whole) if self.buffer.iter().all(u8::is_ascii_whitespace) => continue,
                Ok(Line::Whole) => {}
            }
            let parsed = parse(&self.buffer, begin, &mut self.shape, &self.names);
            return match parsed {
                Ok(None) => continue,
                Ok(Some(fields)) => Some(Ok((self.place(begin), fields))),
                Err(problem) => {
                    if matches!(self.shape, Shape::Table(_, None)) {
                        self.stop();
                    }
                    Some(Err(self.bad(begin, problem)))
                }
            };
        }
    }

    /// Ends the reading: what follows cannot be understood.
    fn stop(&mut self) {
        self.lines = Lines::new(Input::empty(), self.limit);
    }

    fn place(&self, line: u64) -> Place {
        Place { file: self.file.clone(), line: Some(line) }
    }

    fn bad(&self, line: u64, problem: Problem) -> CorpusError {
        CorpusError::Record { at: self.place(line), problem }
    }
}

/// `None` for a header.
fn parse(line: &[u8], number: u64, shape: &mut Shape, names: &FieldNames) -> Result<Option<Fields>, Problem> {
    let line = utf8(line)?;
    match shape {
        Shape::Json => json::parse_object(line).and_then(|object| from_object(object, names)).map(Some),
        Shape::Plain => {
            let fields = Fields { id: number.to_string(), text: line.trim().to_owned(), ..Fields::default() };
            Ok(Some(fields))
        }
        Shape::Table(separator, columns) => {
            let row = table::split(line, *separator)?;
            if columns.is_none() {
                match Columns::of_first_row(&row, *separator, names)? {
                    First::Header(header) => {
                        *columns = Some(header);
                        return Ok(None);
                    }
                    First::Data(plain) => *columns = Some(plain),
                }
            }
            columns.as_ref().map(|columns| columns.fields(row)).transpose()
        }
    }
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    str::from_utf8(bytes).map_err(|error| Problem::NotUtf8 { offset: error.valid_up_to() })
}

pub(super) fn from_object(mut object: Map<String, Value>, names: &FieldNames) -> Result<Fields, Problem> {
    let present = || object.keys().take(32).cloned().collect();
    let id_field = match &names.id {
        Some(name) => name.clone(),
        None if !object.contains_key("_id") && object.contains_key("id") => "id".to_owned(),
        None => "_id".to_owned(),
    };
    let title_field = names.title.as_deref().unwrap_or("title");
    let text_field = names.text.as_deref().unwrap_or("text").to_owned();
    if !object.contains_key(&id_field) {
        return Err(Problem::MissingField { field: id_field, present: present() });
    }
    if !object.contains_key(&text_field) && !object.contains_key(title_field) {
        return Err(Problem::MissingField { field: text_field, present: present() });
    }
    let mut fields = Fields {
        id: id_of(object.remove(&id_field), &id_field)?,
        title: string_of(object.remove(title_field), title_field)?,
        text: string_of(object.remove(&text_field), &text_field)?,
        id_field,
        metadata: Map::new(),
    };
    match object.remove("metadata") {
        Some(Value::Object(members)) => {
            for (name, value) in members {
                if object.contains_key(&name) {
                    return Err(Problem::RepeatedField { field: format!("metadata.{name}") });
                }
                object.insert(name, value);
            }
        }
        Some(Value::Null) | None => {}
        Some(other) => {
            object.insert("metadata".to_owned(), other);
        }
    }
    fields.metadata = object;
    Ok(fields)
}

fn id_of(value: Option<Value>, field: &str) -> Result<String, Problem> {
    match value {
        Some(Value::Number(number)) if !number.is_f64() => Ok(number.to_string()),
        Some(Value::String(id)) => Ok(id),
        other => Err(wrong_type(field, other.as_ref(), "a string or a whole number")),
    }
}

fn string_of(value: Option<Value>, field: &str) -> Result<String, Problem> {
    match value {
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => Ok(String::new()),
        other => Err(wrong_type(field, other.as_ref(), "a string")),
    }
}

fn wrong_type(field: &str, value: Option<&Value>, needed: &'static str) -> Problem {
    let found = match value {
        None | Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a string",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    };
    Problem::WrongType { field: field.to_owned(), found, needed }
}

/// Checks an id.
pub(super) fn check_id(id: &str, field: &str) -> Result<(), Problem> {
    if id.is_empty() {
        return Err(Problem::EmptyId { field: field.to_owned() });
    }
    if id.len() > MAX_ID_BYTES {
        return Err(Problem::LongId { bytes: id.len(), start: id.chars().take(32).collect() });
    }
    if id.chars().any(char::is_control) {
        return Err(Problem::ControlInId { id: id.to_owned() });
    }
    Ok(())
}

/// Checks a record and makes it a document.
pub(super) fn check(fields: Fields) -> Result<Document, Problem> {
    let Fields { id, title, text, metadata, id_field, .. } = fields;
    check_id(&id, &id_field)?;
    if text.trim().is_empty() && title.trim().is_empty() {
        return Err(Problem::EmptyText { id, title: true });
    }
    Ok(Document { id, title, text, metadata })
}
