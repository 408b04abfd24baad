//! Rows of cells: tab-separated without quotes, or comma-separated with quotes (RFC 4180).

use std::io::{self, BufRead};

use serde_json::{Map, Value};

use super::error::Problem;
use super::lines::{Line, Lines};
use super::options::FieldNames;
use super::records::Fields;

/// A cell costs more than the byte that ends it, so rows are limited.
const MAX_COLUMNS: usize = 1024;
const TOO_MANY: Problem = Problem::TooManyValues { limit: MAX_COLUMNS };

/// Where in a row the fields are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    id: usize,
    title: Option<usize>,
    text: usize,
    /// The header's names; empty if there is no header.
    names: Vec<String>,
    count: usize,
}

/// How cells are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// Cells are taken as they are.
    Tab,
    /// Cells may be quoted, and quoted cells may hold line breaks.
    Comma,
}

/// What the first row is.
pub(super) enum First {
    Header(Columns),
    /// There is no header: the row is data already.
    Data(Columns),
}

impl Columns {
    /// Reads the meaning of columns from the first row.
    pub(super) fn of_first_row(
        row: &[String],
        separator: Separator,
        names: &FieldNames,
    ) -> Result<First, Problem> {
        let asked = names.id.is_some() || names.title.is_some() || names.text.is_some();
        let find = |asked: &Option<String>, usual: &[&str]| match asked {
            Some(name) => row.iter().position(|cell| cell.trim() == name),
            None => row.iter().position(|cell| usual.contains(&cell.trim().to_ascii_lowercase().as_str())),
        };
        let id = find(&names.id, &["_id", "id", "docid", "doc_id", "pid", "qid", "query-id", "corpus-id"]);
        let title = find(&names.title, &["title"]);
        let text = find(&names.text, &["text", "contents", "body", "passage", "query", "question"]);
        if let (Some(id), Some(text)) = (id, text) {
            let names: Vec<String> = row.iter().map(|cell| cell.trim().to_owned()).collect();
            if let Some(name) = repeated(&names) {
                return Err(Problem::RepeatedField { field: name.to_owned() });
            }
            return Ok(First::Header(Self { id, title, text, names, count: row.len() }));
        }
        let present = || row.iter().take(32).cloned().collect();
        if asked {
            let field = if id.is_none() {
                names.id.as_deref().unwrap_or("id")
            } else {
                names.text.as_deref().unwrap_or("text")
            };
            return Err(Problem::MissingField { field: field.to_owned(), present: present() });
        }
        let plain =
            |title, text| First::Data(Self { id: 0, title, text, names: Vec::new(), count: row.len() });
        match (separator, row.len()) {
            (Separator::Tab, 2) => Ok(plain(None, 1)),
            (Separator::Tab, 3) => Ok(plain(Some(1), 2)),
            (_, columns) => Err(Problem::NoHeader { columns }),
        }
    }

    /// Gives each cell its meaning. Columns that are none of id, title and text become metadata.
    pub(super) fn fields(&self, row: Vec<String>) -> Result<Fields, Problem> {
        if row.len() != self.count {
            return Err(Problem::Columns { found: row.len(), expected: self.count });
        }
        let name = |at: usize, usual: &str| self.names.get(at).map_or(usual, String::as_str).to_owned();
        let mut fields = Fields { id_field: name(self.id, "id"), ..Fields::default() };
        let mut metadata = Map::new();
        for (at, cell) in row.into_iter().enumerate() {
            if at == self.id {
                fields.id = cell;
            } else if at == self.text {
                fields.text = cell;
            } else if self.title == Some(at) {
                fields.title = cell;
            } else {
                metadata.insert(name(at, ""), Value::String(cell));
            }
        }
        fields.metadata = metadata;
        Ok(fields)
    }
}

fn repeated(names: &[String]) -> Option<&str> {
    names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|(_, name)| name.as_str())
}

/// Appends the lines of one row to `row`: one, or more if a quoted cell holds line breaks.
pub(super) fn append_row<R: BufRead>(
    lines: &mut Lines<R>,
    separator: Separator,
    row: &mut Vec<u8>,
) -> io::Result<Line> {
    let mut state = lines.append(row)?;
    if separator == Separator::Tab || state != Line::Whole {
        return Ok(state);
    }
    let mut quotes = count_quotes(row);
    while !quotes.is_multiple_of(2) {
        let before = row.len();
        row.push(b'\n');
        state = lines.append(row)?;
        match state {
            Line::Whole => quotes += count_quotes(&row[before..]),
            Line::TooLong => return Ok(state),
            // The quote is never closed: `split` says so.
            Line::End => return Ok(Line::Whole),
        }
    }
    Ok(state)
}

fn count_quotes(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'"').count()
}

/// Splits a row into cells.
pub(super) fn split(row: &str, separator: Separator) -> Result<Vec<String>, Problem> {
    match separator {
        Separator::Tab if row.bytes().filter(|&byte| byte == b'\t').count() >= MAX_COLUMNS => Err(TOO_MANY),
        Separator::Tab => Ok(row.split('\t').map(str::to_owned).collect()),
        Separator::Comma => split_quoted(row),
    }
}

fn split_quoted(row: &str) -> Result<Vec<String>, Problem> {
    let mut cells = Vec::new();
    let mut rest = row;
    loop {
        if cells.len() == MAX_COLUMNS {
            return Err(TOO_MANY);
        }
        let Some(mut quoted) = rest.strip_prefix('"') else {
            let Some((cell, after)) = rest.split_once(',') else {
                cells.push(rest.to_owned());
                return Ok(cells);
            };
            cells.push(cell.to_owned());
            rest = after;
            continue;
        };
        let mut cell = String::new();
        loop {
            let (part, after) = quoted.split_once('"').ok_or(Problem::Quote)?;
            cell.push_str(part);
            match after.strip_prefix('"') {
                Some(after) => {
                    cell.push('"');
                    quoted = after;
                }
                None => {
                    quoted = after;
                    break;
                }
            }
        }
        cells.push(cell);
        match quoted.strip_prefix(',') {
            Some(after) => rest = after,
            None if quoted.is_empty() => return Ok(cells),
            None => return Err(Problem::Quote),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_quotes_and_breaks() {
        let cells = |row| split(row, Separator::Comma);
        assert_eq!(cells("a,b").unwrap(), ["a", "b"]);
        assert_eq!(cells("a,").unwrap(), ["a", ""]);
        assert_eq!(cells("").unwrap(), [""]);
        assert_eq!(cells("\"a,\"\"b\"\"\",\"c\nd\",5\" disk").unwrap(), ["a,\"b\"", "c\nd", "5\" disk"]);
        for bad in ["\"a", "\"a\"b", "x,\"a\"\""] {
            assert_eq!(cells(bad), Err(Problem::Quote), "{bad}");
        }
        for (separator, mark) in [(Separator::Tab, "\t"), (Separator::Comma, ",")] {
            assert_eq!(
                split(&mark.repeat(MAX_COLUMNS - 1), separator).map(|cells| cells.len()),
                Ok(MAX_COLUMNS)
            );
            assert_eq!(split(&mark.repeat(MAX_COLUMNS), separator), Err(TOO_MANY));
        }
        assert_eq!(split("\"a\t'b,c", Separator::Tab).unwrap(), ["\"a", "'b,c"]);
    }

    #[test]
    fn a_quoted_break_joins_lines() {
        let mut lines = Lines::new(&b"1,\"a\r\nb\"\n2,c\n3,\"open\nx"[..], 12);
        let mut row = Vec::new();
        let mut next = || {
            row.clear();
            (
                append_row(&mut lines, Separator::Comma, &mut row).unwrap(),
                String::from_utf8_lossy(&row).into_owned(),
            )
        };
        assert_eq!(next(), (Line::Whole, "1,\"a\nb\"".into()));
        assert_eq!(next(), (Line::Whole, "2,c".into()));
        assert_eq!(next(), (Line::Whole, "3,\"open\nx\n".into()));
        assert_eq!(next(), (Line::End, String::new()));
    }
}
