//! A row of JSON or of a table to a [`Record`].

use serde_json::{Map, Value};

use super::error::RowProblem;
use super::format::{Format, Layout, Shape, names};
use super::record::{Document, Record, Role};

/// What labels may be, and what they become.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scale {
    /// Labels are mapped to `(label - min) / (max - min)`; a label outside is an error. `None`: kept as they are.
    pub range: Option<(f32, f32)>,
}

impl Scale {
    fn apply(self, field: &str, value: f64) -> Result<f32, RowProblem> {
        let (min, max) = self.range.map_or((f32::MIN, f32::MAX), |range| range);
        let (low, high) = (f64::from(min), f64::from(max));
        if !(low..=high).contains(&value) {
            return Err(RowProblem::Label { field: field.to_owned(), value, min: low, max: high });
        }
        Ok(if self.range.is_some() { ((value - low) / (high - low)) as f32 } else { value as f32 })
    }
}

/// Reads a row of JSON.
pub(super) fn json(line: &str) -> Result<Value, RowProblem> {
    serde_json::from_str(line).map_err(|error| RowProblem::Json { reason: error.to_string() })
}

/// Reads the parts of a row.
pub(super) fn record(row: &Value, layout: &Layout, scale: Scale) -> Result<Record, RowProblem> {
    if layout.shape == Shape::Tuple {
        return tuple(row, &layout.positive);
    }
    let Value::Object(object) = row else {
        return Err(wrong("row", row, "an object"));
    };
    let reader = Reader { row: object, scale };
    let query = reader.text(&layout.query)?;
    let prompt = match Layout::prompt(object) {
        // An empty prompt is a prompt: none.
        Some(name) => reader.get(name)?.as_str().map(str::to_owned),
        None => None,
    };
    let documents = match layout.shape {
        Shape::Texts | Shape::Tuple => Vec::new(),
        Shape::Lists => reader.lists(layout)?,
        Shape::Grouped => reader.hits(&layout.label)?,
        Shape::Pointwise | Shape::Scored => {
            let text = reader.text(&layout.positive)?;
            let label = Some(reader.label(object, &layout.label, &layout.label)?);
            vec![Document { text, role: Role::Judged, label }]
        }
    };
    Ok(Record { query, prompt, documents })
}

/// What the rows of a file are, seen together. `negatives`: at least one row has some.
pub(super) fn format(layout: &Layout, negatives: bool) -> Format {
    match layout.shape {
        Shape::Lists if negatives => Format::Triplet,
        Shape::Lists if layout.positive_scores.is_some() => Format::PairScore,
        Shape::Tuple if negatives => Format::Triplet,
        Shape::Lists | Shape::Tuple => Format::Pair,
        Shape::Pointwise => Format::Pointwise,
        Shape::Grouped => Format::Grouped,
        Shape::Scored => Format::Scored,
        Shape::Texts => Format::Texts,
    }
}

struct Reader<'a> {
    row: &'a Map<String, Value>,
    scale: Scale,
}

impl Reader<'_> {
    fn get(&self, field: &str) -> Result<&Value, RowProblem> {
        self.row
            .get(field)
            .ok_or_else(|| RowProblem::Missing { field: field.to_owned(), present: names(self.row) })
    }

    fn text(&self, field: &str) -> Result<String, RowProblem> {
        text(field, self.get(field)?)
    }

    fn lists(&self, layout: &Layout) -> Result<Vec<Document>, RowProblem> {
        let positives = texts(&layout.positive, self.get(&layout.positive)?)?;
        if positives.is_empty() {
            return Err(RowProblem::EmptyText { field: layout.positive.clone() });
        }
        let scores = match &layout.positive_scores {
            Some(field) => Some(self.scores(field, &layout.positive, positives.len())?),
            None => None,
        };
        let mut documents = labelled(positives, Role::Positive, scores);
        for field in layout.negatives(self.row) {
            let negatives = texts(&field, self.get(&field)?)?;
            let scores = match self.row.get("neg_scores") {
                Some(_) => Some(self.scores("neg_scores", &field, negatives.len())?),
                None => None,
            };
            documents.extend(labelled(negatives, Role::Negative, scores));
        }
        Ok(documents)
    }

    fn scores(&self, field: &str, other: &str, expected: usize) -> Result<Vec<f32>, RowProblem> {
        let value = self.get(field)?;
        let Value::Array(values) = value else {
            return Err(wrong(field, value, "a list of numbers"));
        };
        if values.len() != expected {
            let (found, other) = (values.len(), other.to_owned());
            return Err(RowProblem::Lengths { field: field.to_owned(), found, other, expected });
        }
        let score = |(at, value): (usize, &Value)| number(&format!("{field}[{at}]"), value, self.scale);
        values.iter().enumerate().map(score).collect()
    }

    fn hits(&self, label: &str) -> Result<Vec<Document>, RowProblem> {
        let value = self.get("hits")?;
        let Value::Array(hits) = value else {
            return Err(wrong("hits", value, "a list of objects"));
        };
        let mut documents = Vec::with_capacity(hits.len());
        for (at, hit) in hits.iter().enumerate() {
            let place = format!("hits[{at}]");
            let Value::Object(object) = hit else {
                return Err(wrong(&place, hit, "an object"));
            };
            let field = format!("{place}.content");
            let content = object
                .get("content")
                .ok_or_else(|| RowProblem::Missing { field: field.clone(), present: names(object) })?;
            let label = self.label(object, label, &format!("{place}.{label}"))?;
            documents.push(Document { text: text(&field, content)?, role: Role::Judged, label: Some(label) });
        }
        let first = documents.first().and_then(|document| document.label);
        if documents.iter().all(|document| document.label == first) {
            return Err(RowProblem::OneLabel { hits: documents.len() });
        }
        Ok(documents)
    }

    fn label(&self, row: &Map<String, Value>, label: &str, place: &str) -> Result<f32, RowProblem> {
        let missing = || RowProblem::Missing { field: place.to_owned(), present: names(row) };
        number(place, row.get(label).ok_or_else(missing)?, self.scale)
    }
}

fn tuple(row: &Value, field: &str) -> Result<Record, RowProblem> {
    let value = match row {
        Value::Object(object) => object
            .get(field)
            .ok_or_else(|| RowProblem::Missing { field: field.to_owned(), present: names(object) })?,
        row => row,
    };
    let mut all = texts(field, value)?.into_iter();
    let (Some(query), Some(positive)) = (all.next(), all.next()) else {
        return Err(wrong(field, value, "a list of two texts or more"));
    };
    let mut documents = labelled(vec![positive], Role::Positive, None);
    documents.extend(labelled(all.collect(), Role::Negative, None));
    Ok(Record { query, prompt: None, documents })
}

fn labelled(texts: Vec<String>, role: Role, scores: Option<Vec<f32>>) -> Vec<Document> {
    let score = |at: usize| scores.as_ref().and_then(|scores| scores.get(at).copied());
    texts.into_iter().enumerate().map(|(at, text)| Document { text, role, label: score(at) }).collect()
}

fn text(field: &str, value: &Value) -> Result<String, RowProblem> {
    match value {
        Value::String(text) if text.trim().is_empty() => {
            Err(RowProblem::EmptyText { field: field.to_owned() })
        }
        Value::String(text) => Ok(text.clone()),
        other => Err(wrong(field, other, "a text")),
    }
}

fn texts(field: &str, value: &Value) -> Result<Vec<String>, RowProblem> {
    match value {
        Value::Array(values) => {
            values.iter().enumerate().map(|(at, value)| text(&format!("{field}[{at}]"), value)).collect()
        }
        // An empty list of negatives, as some writers put it.
        Value::Null => Ok(Vec::new()),
        value => text(field, value).map(|text| vec![text]),
    }
}

fn number(field: &str, value: &Value, scale: Scale) -> Result<f32, RowProblem> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        // Cells of tables.
        Value::String(cell) => cell.trim().parse().ok(),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        _ => None,
    };
    scale.apply(field, number.ok_or_else(|| wrong(field, value, "a number"))?)
}

fn wrong(field: &str, value: &Value, needed: &'static str) -> RowProblem {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    RowProblem::WrongType { field: field.to_owned(), found, needed }
}
