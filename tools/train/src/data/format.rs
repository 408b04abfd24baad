//! How a training file is written, told from its first row.

use serde_json::{Map, Value};

use super::error::DataError;

/// The kinds of training files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A query and documents that answer it.
    Pair,
    /// The same, with documents that do not; perhaps with a teacher's scores.
    Triplet,
    /// A query and documents with scores.
    PairScore,
    /// A query, one document and a label.
    Pointwise,
    /// A query and several documents with labels.
    Grouped,
    /// Two texts and how alike they are.
    Scored,
    /// Texts alone, for which a teacher's vectors lie beside.
    Texts,
}

impl Format {
    /// The name in messages and in `--json` output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Triplet => "triplet",
            Self::PairScore => "pair_score",
            Self::Pointwise => "pointwise",
            Self::Grouped => "grouped",
            Self::Scored => "scored",
            Self::Texts => "texts",
        }
    }
}

/// Names of fields, where they are none of the usual ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// The query; usually `query`, `anchor`, `question`, `sentence1` or `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Positives, a text or a list; usually `pos`, `positive`, `positives`, `text_pos`, `sentence2` or `answer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Negatives, a text or a list; usually `neg`, `negative`, `negatives`, `text_neg`, `negative_1`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative: Option<String>,
    /// The label of a document; usually `label` or `score`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

const QUERY: [&str; 5] = ["query", "anchor", "question", "sentence1", "text"];
const POSITIVE: [&str; 6] = ["pos", "positive", "positives", "text_pos", "sentence2", "answer"];
const NEGATIVE: [&str; 4] = ["neg", "negative", "negatives", "text_neg"];
const POSITIVE_SCORES: [&str; 2] = ["pos_scores", "scores"];
const LABEL: [&str; 3] = ["label", "score", "similarity"];
const PROMPT: [&str; 2] = ["prompt_for_query", "prompt"];
/// Rows that are lists, and objects that hold only one.
const TUPLE: [&str; 2] = ["texts", "set"];

/// Where in a row its parts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(super) shape: Shape,
    pub(super) query: String,
    pub(super) positive: String,
    pub(super) positive_scores: Option<String>,
    pub(super) label: String,
    pub(super) fields: Fields,
    /// Why this format was taken, for people.
    pub(super) why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Query, positives, negatives.
    Lists,
    Pointwise,
    Grouped,
    Scored,
    Texts,
    /// A list of texts: query, positive, negatives.
    Tuple,
}

impl Layout {
    /// Reads the meaning of fields from the first row.
    ///
    /// # Errors
    /// [`DataError::UnknownFormat`].
    pub fn of(row: &Value, fields: &Fields, file: &str) -> Result<Self, DataError> {
        let unknown = |present| DataError::UnknownFormat { file: file.to_owned(), present };
        let object = match row {
            Value::Array(_) => {
                return Ok(Self::tuple("each row is a list of texts".to_owned(), String::new()));
            }
            Value::Object(object) => object,
            _ => return Err(unknown(Vec::new())),
        };
        if let (1, Some(name)) = (object.len(), find(object, None, &TUPLE)) {
            return Ok(Self::tuple(format!("rows hold {name:?} alone"), name));
        }
        let query = find(object, fields.query.as_ref(), &QUERY).ok_or_else(|| unknown(names(object)))?;
        let positive = find(object, fields.positive.as_ref(), &POSITIVE).filter(|name| *name != query);
        // The label of a hit stands in the hit.
        let hit = object.get("hits").and_then(|hits| hits.get(0)).and_then(Value::as_object);
        let label = find(hit.unwrap_or(object), fields.label.as_ref(), &LABEL);
        let mut layout = Self {
            shape: Shape::Texts,
            query,
            positive: positive.clone().unwrap_or_default(),
            positive_scores: None,
            label: label.clone().or_else(|| fields.label.clone()).unwrap_or_else(|| "label".to_owned()),
            fields: fields.clone(),
            why: String::new(),
        };
        let query = layout.query.clone();
        let (shape, why) = if object.contains_key("hits") {
            (Shape::Grouped, format!("rows hold {query:?} and \"hits\""))
        } else if object.contains_key("content") && positive.is_none() {
            layout.positive = "content".to_owned();
            (Shape::Pointwise, format!("rows hold {query:?}, \"content\" and {:?}", layout.label))
        } else if let Some(positive) = positive {
            layout.positive_scores = find(object, None, &POSITIVE_SCORES);
            let single = matches!(object.get(&positive), Some(Value::String(_)));
            match (label, &layout.positive_scores) {
                (Some(label), None) if single && !has_negatives(object, fields) => {
                    (Shape::Scored, format!("rows hold {query:?}, {positive:?} and {label:?}"))
                }
                (_, scores) => {
                    let scores = scores.as_ref().map_or(String::new(), |name| format!(" with {name:?}"));
                    (Shape::Lists, format!("rows hold {query:?} and {positive:?}{scores}"))
                }
            }
        } else if object.len() == 1
            || fields.query.is_some()
            || query == "query"
            || (query == "text" && object.contains_key("_id"))
        {
            (Shape::Texts, format!("rows hold {query:?} and no document"))
        } else {
            return Err(unknown(names(object)));
        };
        (layout.shape, layout.why) = (shape, why);
        Ok(layout)
    }

    fn tuple(why: String, positive: String) -> Self {
        Self {
            shape: Shape::Tuple,
            query: String::new(),
            positive,
            positive_scores: None,
            label: String::new(),
            fields: Fields::default(),
            why,
        }
    }

    /// The field of a row's prompt.
    pub(super) fn prompt(row: &Map<String, Value>) -> Option<&'static str> {
        PROMPT.into_iter().find(|name| row.contains_key(*name))
    }

    /// The fields of a row's negatives, in order.
    pub(super) fn negatives(&self, row: &Map<String, Value>) -> Vec<String> {
        negatives(row, &self.fields)
    }
}

fn has_negatives(row: &Map<String, Value>, fields: &Fields) -> bool {
    !negatives(row, fields).is_empty()
}

fn negatives(row: &Map<String, Value>, fields: &Fields) -> Vec<String> {
    if let Some(name) = find(row, fields.negative.as_ref(), &NEGATIVE) {
        return vec![name];
    }
    (1..).map(|n| format!("negative_{n}")).take_while(|name| row.contains_key(name)).collect()
}

fn find(row: &Map<String, Value>, named: Option<&String>, usual: &[&str]) -> Option<String> {
    match named {
        Some(name) => row.contains_key(name).then(|| name.clone()),
        None => usual.iter().find(|name| row.contains_key(**name)).map(|name| (*name).to_owned()),
    }
}

pub(super) fn names(row: &Map<String, Value>) -> Vec<String> {
    row.keys().take(32).cloned().collect()
}
