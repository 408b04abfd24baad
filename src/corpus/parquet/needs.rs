//! Which columns are read, and what must be in them.

use serde_json::Value;

use super::Chosen;
use super::error::ParquetProblem;
use super::schema::{Column, Field, Meaning};
use crate::corpus::error::Problem;

/// Names shown when one is missing.
const SHOWN: usize = 32;

/// What a column must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::corpus) enum Holds {
    Text,
    TextOrTexts,
    Texts,
    Numbers,
}

impl Holds {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::TextOrTexts => "text, or lists of text",
            Self::Texts => "lists of text",
            Self::Numbers => "lists of whole numbers",
        }
    }

    fn fits(self, column: &Column) -> bool {
        let is_text = column.meaning == Meaning::Text;
        match self {
            Self::Text => is_text && column.list.is_none(),
            Self::TextOrTexts => is_text,
            Self::Texts => is_text && column.list.is_some(),
            Self::Numbers => {
                matches!(column.meaning, Meaning::Integer | Meaning::Unsigned) && column.list.is_some()
            }
        }
    }
}

/// A column that a set is made of.
#[derive(Debug, Clone, Copy)]
pub(in crate::corpus) struct Need {
    /// The first is what it is called in the rows; any of them is understood.
    pub(in crate::corpus) names: &'static [&'static str],
    pub(in crate::corpus) holds: Holds,
    /// Whether it must be there, with something in every row.
    pub(in crate::corpus) always: bool,
}

/// A column by name, if one is at fault.
type Refused = (Option<String>, ParquetProblem);

/// Which columns are read; the error names the one that is not as it should be.
pub(super) fn choose(fields: Vec<Field>, needs: Option<&[Need]>) -> Result<Vec<Chosen>, Refused> {
    let mut names: Vec<&str> = fields.iter().map(Field::name).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err((
            Some(pair[0].to_owned()),
            ParquetProblem::damaged("there are two columns of this name"),
        ));
    }
    if fields.is_empty() {
        return Err((None, ParquetProblem::damaged("there are no columns")));
    }
    let Some(needs) = needs else { return fields.into_iter().map(any).collect() };
    let mut chosen = Vec::new();
    for need in needs {
        let found = need.names.iter().find_map(|name| fields.iter().find(|field| field.name() == *name));
        match found {
            Some(Field::Column(column)) if need.holds.fits(column) => {
                let must = need.always.then_some(need.holds.name());
                chosen.push(Chosen { column: column.clone(), key: need.names[0].to_owned(), must });
            }
            Some(field) => {
                let (found, needed) = (kind_of(field), need.holds.name());
                return Err((Some(field.name().to_owned()), ParquetProblem::Type { found, needed }));
            }
            None if need.always => {
                let present: Vec<&str> = fields.iter().take(SHOWN).map(Field::name).collect();
                let present = if present.is_empty() { "none".to_owned() } else { present.join(", ") };
                return Err((Some(need.names[0].to_owned()), ParquetProblem::NoColumn { present }));
            }
            None => {}
        }
    }
    Ok(chosen)
}

fn any(field: Field) -> Result<Chosen, Refused> {
    match field {
        Field::Column(column) => Ok(Chosen { key: column.name.clone(), column, must: None }),
        Field::Other { name, kind } => {
            let needed = "text, numbers, truths, or lists of them; write the file without it";
            Err((Some(name), ParquetProblem::Type { found: kind, needed }))
        }
    }
}

fn kind_of(field: &Field) -> String {
    match field {
        Field::Column(column) => column.kind(),
        Field::Other { kind, .. } => kind.clone(),
    }
}

/// Refuses a row that has nothing where something must be.
pub(super) fn check(value: &Value, column: &str, needed: &'static str, problem: &mut Option<Problem>) {
    let found = match value {
        Value::Null => "null",
        Value::Array(items) if items.iter().any(Value::is_null) => "a list with null in it",
        _ => return,
    };
    problem.get_or_insert(Problem::WrongType { field: column.to_owned(), found, needed });
}
