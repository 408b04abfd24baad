//! What is reranked, and what comes of it.

use std::ops::Range;
use std::time::Duration;

use serde_json::{Map, Value};

/// A document to be judged: a text, with an id or without, and whatever else is to come back with it.
///
/// ```
/// use lateen::rerank::Document;
/// let bare: Document = "The Moon pulls the sea.".into();
/// let named: Document = ("tides", "The Moon pulls the sea.").into();
/// assert_eq!((bare.id, named.id), (None, Some("tides".to_owned())));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// The caller's own name for it; its position if there is none.
    pub id: Option<String>,
    /// What the judge reads.
    pub text: String,
    /// Passed through.
    pub metadata: Map<String, Value>,
}

impl From<&str> for Document {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Document {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl<I: Into<String>, T: Into<String>> From<(I, T)> for Document {
    fn from((id, text): (I, T)) -> Self {
        (id, text, Map::new()).into()
    }
}

impl<I: Into<String>, T: Into<String>> From<(I, T, Map<String, Value>)> for Document {
    fn from((id, text, metadata): (I, T, Map<String, Value>)) -> Self {
        Self { id: Some(id.into()), text: text.into(), metadata }
    }
}

/// A document in its new place.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// From 1, the best first.
    pub rank: usize,
    /// The document's id, or its position where it came without one.
    pub id: String,
    /// Where it stood among the documents, from 0.
    pub was: usize,
    /// The score in the scale that was asked for: larger is better. None if it was not judged: it was empty, came after
    /// those that were to be judged, or time was up.
    pub score: Option<f32>,
    /// The bytes of the text that gave the score: all of it, or the best window.
    pub passage: Option<Range<usize>>,
    /// Whether some of the text was not read.
    pub cut: bool,
    /// The document's text.
    pub text: String,
    /// As it came.
    pub metadata: Map<String, Value>,
}

/// The new order and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Reranked {
    /// The best first; judged documents stand before all others, which keep their order.
    pub documents: Vec<Ranked>,
    /// What was done.
    pub report: RerankReport,
}

/// What one reranking did.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankReport {
    /// The judge's name.
    pub judge: String,
    /// How many documents it saw.
    pub judged: usize,
    /// Whether the time budget ended it early.
    pub out_of_time: bool,
    /// Wall-clock time.
    pub elapsed: Duration,
}
