//! Conditions on ids, titles, texts and metadata, as values and as a line of text.
//!
//! ```text
//! expression = term { "or" term }          term = factor { "and" factor }
//! factor     = "not" factor | "(" expression ")" | test
//! test       = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value | field [ "not" ] "in" "(" value { "," value } ")"
//!            | field [ "not" ] "like" string | field [ "not" ] "exists"
//! field      = name { "." name }           name = letters, digits, _ and - | "`" anything "`"
//! value      = "string" | 'string' | number | true | false | null
//! ```
//!
//! `id`, `title` and `text` are the document's own; every other name is looked up in its metadata, and `a.b` in the object that
//! `a` is. Keywords are in lower or upper case. In a string, the quote is written twice.

mod error;
mod glob;
mod lexer;
mod parser;
mod test;

use std::fmt;
use std::str::FromStr;

use lateen_index_format::StoredDocument;
use roaring::RoaringBitmap;
use serde_json::{Map, Value};

pub use error::PredicateError;
pub use test::{Comparison, Field, Test};

use super::filter::{Condition, Filter};
use super::{SearchError, predicate::test::Named};
use crate::index::{Segment, Snapshot};
use crate::types::DocId;

/// A condition that a document meets or not; there is no third answer.
///
/// * A field that the document does not have, and one that is `null`, is equal to nothing, smaller and larger than nothing and in no
///   list; so `lang != "en"` holds where there is no `lang`.
/// * A field with an array meets a test if one of its elements does; `!=` and `not in` are the opposites of `=` and `in`.
/// * Numbers are compared with numbers, strings with strings by their bytes (dates as `2024-05-01` in their order), booleans with
///   booleans; values of different kinds are neither equal nor ordered.
///
/// ```
/// use lateen::search::{Filter, Predicate, SearchOptions};
/// let recent: Predicate = "year >= 2020 and lang in ('en', 'de') and not draft = true".parse()?;
/// let metadata = r#"{"year": 2024, "lang": "de"}"#;
/// let document = lateen::format::StoredDocument { metadata: metadata.into(), ..Default::default() };
/// assert!(recent.holds("notes/7", &document));
/// let options = SearchOptions { filter: Some(Filter::matching(recent)), ..SearchOptions::top(10) };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Predicate {
    /// A test of one field.
    Test(Field, Test),
    /// All of these; none is true.
    All(Vec<Predicate>),
    /// At least one of these; none is false.
    Any(Vec<Predicate>),
    /// Not this.
    Not(Box<Predicate>),
}

impl Predicate {
    /// Whether a document meets it. Metadata that is no JSON object counts as none.
    #[must_use]
    pub fn holds(&self, id: &str, document: &StoredDocument) -> bool {
        let metadata =
            if self.asks_metadata() { serde_json::from_str(&document.metadata).ok() } else { None };
        self.holds_for(&Named { id, document, metadata: &metadata.unwrap_or_default() })
    }

    fn holds_for(&self, named: &Named<'_>) -> bool {
        match self {
            Self::Test(field, test) => named.with(field, |value| test.holds(value)),
            Self::All(parts) => parts.iter().all(|part| part.holds_for(named)),
            Self::Any(parts) => parts.iter().any(|part| part.holds_for(named)),
            Self::Not(part) => !part.holds_for(named),
        }
    }

    /// Whether one of its fields is looked up in the metadata.
    fn asks_metadata(&self) -> bool {
        self.any_field(&|field| matches!(field, Field::Metadata(_)))
    }

    /// Whether the stored documents have to be read: for `id` alone they need not.
    fn asks_stored(&self) -> bool {
        self.any_field(&|field| *field != Field::Id)
    }

    fn any_field(&self, asked: &dyn Fn(&Field) -> bool) -> bool {
        match self {
            Self::Test(field, _) => asked(field),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.any_field(asked)),
            Self::Not(part) => part.any_field(asked),
        }
    }
}

impl FromStr for Predicate {
    type Err = PredicateError;

    /// Reads the syntax above. Cost: linear; at most 1 MiB of text and 64 levels of parentheses and `not`.
    fn from_str(text: &str) -> Result<Self, PredicateError> {
        parser::parse(text)
    }
}

impl fmt::Display for Predicate {
    /// The syntax that [`Predicate::from_str`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = |parts: &[Self], word: &str, none: &str, f: &mut fmt::Formatter<'_>| {
            if parts.is_empty() {
                return f.write_str(none);
            }
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    write!(f, " {word} ")?;
                }
                match part {
                    Self::All(_) | Self::Any(_) => write!(f, "({part})")?,
                    Self::Test(..) | Self::Not(_) => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Test(field, test) => test.write(field, f),
            Self::All(parts) => several(parts, "and", "not id not exists", f),
            Self::Any(parts) => several(parts, "or", "id not exists", f),
            Self::Not(part) => match **part {
                Self::Test(..) => write!(f, "not {part}"),
                _ => write!(f, "not ({part})"),
            },
        }
    }
}

impl Filter {
    /// The documents for which `predicate` holds; of an index that stores no documents only their ids can be asked.
    ///
    /// Cost per segment: reads all ids, and decompresses all stored documents if `predicate` asks for more, about a second per gigabyte;
    /// the answer is kept.
    #[must_use]
    pub fn matching(predicate: Predicate) -> Self {
        Self::new(predicate)
    }
}

impl Condition for Predicate {
    fn select(&self, segment: &Segment) -> Result<RoaringBitmap, SearchError> {
        let reader = segment.reader();
        let mut passed = RoaringBitmap::new();
        if !self.asks_stored() {
            let nothing = StoredDocument::default();
            for doc in 0..segment.documents() {
                let named = Named { id: reader.external_id(doc)?, document: &nothing, metadata: &Map::new() };
                if self.holds_for(&named) {
                    passed.insert(doc);
                }
            }
            return Ok(passed);
        }
        if !reader.meta().settings.store_documents {
            return Err(SearchError::NotStored { what: "documents, so that only their ids can be filtered" });
        }
        let mut failed = None;
        reader.for_each_stored(|doc, document| match reader.external_id(doc) {
            Ok(id) if self.holds(id, &document) => drop(passed.insert(doc)),
            Ok(_) => {}
            Err(error) => drop(failed.get_or_insert(error)),
        })?;
        failed.map_or(Ok(passed), |error| Err(error.into()))
    }
}

/// The live documents of `snapshot` that pass `filter`, in the order of their numbers.
///
/// Cost: that of the filter, and 4 bytes a document found.
///
/// # Errors
/// What reading the segments runs into.
pub fn matching(snapshot: &Snapshot, filter: &Filter) -> Result<Vec<DocId>, SearchError> {
    let mut found = Vec::new();
    for segment in snapshot.segments() {
        let passed = filter.select(segment)?;
        found.extend(passed.iter().filter(|&doc| segment.is_live(doc)).map(|doc| segment.doc_id(doc)));
    }
    Ok(found)
}

/// A JSON value as the syntax writes it.
fn write_value(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
        other => write!(f, "{other}"),
    }
}

#[cfg(test)]
mod tests;
