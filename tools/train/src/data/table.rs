//! Rows of a tab-separated file as the objects that JSON rows are.

use serde_json::{Map, Value};

use super::error::RowProblem;
use super::format::Fields;

/// The names of a table's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    names: Vec<String>,
    /// Whether the first row holds them.
    pub(super) header: bool,
}

impl Columns {
    /// Reads the first row: a header if it names a query, else query, positive and negatives, or query, document and
    /// score.
    pub(super) fn of(row: &str, fields: &Fields) -> Self {
        let cells: Vec<&str> = row.split('\t').map(str::trim).collect();
        let named = |cell: &str| match &fields.query {
            Some(name) => cell == name,
            None => ["query", "anchor", "question", "sentence1"].contains(&cell),
        };
        if cells.len() > 1 && cells.iter().any(|cell| named(cell)) {
            return Self { names: cells.iter().map(|&cell| cell.to_owned()).collect(), header: true };
        }
        let scored = cells.len() == 3 && cells[2].parse::<f64>().is_ok();
        let name = |at: usize| match at {
            0 => "query".to_owned(),
            1 => "pos".to_owned(),
            _ if scored => "score".to_owned(),
            at => format!("negative_{}", at - 1),
        };
        Self { names: (0..cells.len()).map(name).collect(), header: false }
    }

    /// The first row, if it holds the names.
    pub(super) fn header(&self) -> Option<String> {
        self.header.then(|| self.names.join("\t"))
    }

    /// A row as an object.
    pub(super) fn row(&self, line: &str) -> Result<Value, RowProblem> {
        let found = line.bytes().filter(|&byte| byte == b'\t').count() + 1;
        if found != self.names.len() {
            return Err(RowProblem::Columns { found, expected: self.names.len() });
        }
        let cells = line.split('\t').map(|cell| Value::String(cell.to_owned()));
        Ok(Value::Object(self.names.iter().cloned().zip(cells).collect::<Map<_, _>>()))
    }
}
