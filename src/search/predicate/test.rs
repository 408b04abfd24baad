//! A test of one field.

use std::cmp::Ordering;
use std::fmt;

use lateen_index_format::StoredDocument;
use serde_json::{Map, Value};

use super::glob::like;
use super::write_value;

/// What of a document is tested.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// Its external id.
    Id,
    /// Its title; an empty one exists.
    Title,
    /// Its text; an empty one exists.
    Text,
    /// A member of its metadata, of an object in that, and so on; at least one name.
    Metadata(Vec<String>),
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

/// What is asked of a field.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Test {
    /// Compares with a value: a string, a number, a boolean; `null` is equal to nothing.
    Compare(Comparison, Value),
    /// Is equal to one of these.
    In(Vec<Value>),
    /// Is a string that fits: `%` for any characters, `_` for one, `\` before one that means itself.
    Like(String),
    /// Is there and not `null`.
    Exists,
}

/// A document with everything that a field can name.
pub(super) struct Named<'a> {
    pub(super) id: &'a str,
    pub(super) document: &'a StoredDocument,
    pub(super) metadata: &'a Map<String, Value>,
}

/// A field's value, without a copy.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    Text(&'a str),
    Json(&'a Value),
    Nothing,
}

impl Named<'_> {
    pub(super) fn with<T>(&self, field: &Field, look: impl FnOnce(Found<'_>) -> T) -> T {
        look(match field {
            Field::Id => Found::Text(self.id),
            Field::Title => Found::Text(&self.document.title),
            Field::Text => Found::Text(&self.document.text),
            Field::Metadata(path) => self.member(path).map_or(Found::Nothing, Found::Json),
        })
    }

    fn member(&self, path: &[String]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let start = self.metadata.get(first)?;
        rest.iter().try_fold(start, |value, name| value.as_object()?.get(name))
    }
}

impl Test {
    pub(super) fn holds(&self, found: Found<'_>) -> bool {
        match found {
            Found::Nothing | Found::Json(Value::Null) => false,
            Found::Json(Value::Array(items)) if *self != Self::Exists => {
                items.iter().any(|item| self.holds_of_one(Found::Json(item)))
            }
            one => self.holds_of_one(one),
        }
    }

    fn holds_of_one(&self, found: Found<'_>) -> bool {
        match self {
            Self::Compare(comparison, value) => {
                order(found, value).is_some_and(|order| comparison.fits(order))
            }
            Self::In(values) => values.iter().any(|value| order(found, value) == Some(Ordering::Equal)),
            Self::Like(pattern) => text(found).is_some_and(|text| like(pattern, text)),
            Self::Exists => true,
        }
    }

    pub(super) fn write(&self, field: &Field, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{field} ")?;
        match self {
            Self::Compare(comparison, value) => {
                write!(f, "{} ", comparison.sign())?;
                write_value(value, f)
            }
            Self::In(values) => {
                f.write_str("in (")?;
                for (at, value) in values.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    write_value(value, f)?;
                }
                f.write_str(")")
            }
            Self::Like(pattern) => {
                f.write_str("like ")?;
                write_value(&Value::from(pattern.as_str()), f)
            }
            Self::Exists => f.write_str("exists"),
        }
    }
}

impl Comparison {
    fn fits(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self {
            Self::Id => return f.write_str("id"),
            Self::Title => return f.write_str("title"),
            Self::Text => return f.write_str("text"),
            Self::Metadata(path) => path,
        };
        // In backticks, a name means itself whatever it is.
        let names: Vec<String> = path.iter().map(|name| format!("`{}`", name.replace('`', "``"))).collect();
        f.write_str(&names.join("."))
    }
}

fn text(found: Found<'_>) -> Option<&str> {
    match found {
        Found::Text(text) => Some(text),
        Found::Json(value) => value.as_str(),
        Found::Nothing => None,
    }
}

/// How what was found stands to `value`; `None` for different kinds.
fn order(found: Found<'_>, value: &Value) -> Option<Ordering> {
    match (found, value) {
        (Found::Json(Value::Number(a)), Value::Number(b)) => number_order(a, b),
        (Found::Json(Value::Bool(a)), Value::Bool(b)) => Some(a.cmp(b)),
        (found, Value::String(b)) => text(found).map(|a| a.cmp(b)),
        _ => None,
    }
}

/// Integers exactly, though they may be larger than what a float can tell apart.
fn number_order(a: &serde_json::Number, b: &serde_json::Number) -> Option<Ordering> {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}
