//! What a search gives back to people.

use lateen_index_format::StoredDocument;

use crate::encode::RuntimeReport;
use crate::search::SearchReport;

/// Hits with their texts, and how they were found.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Best first; equal scores by ascending id.
    pub hits: Vec<Found>,
    /// What was done, and how long it took.
    pub report: AnswerReport,
}

/// How an answer was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AnswerReport {
    /// Encoding the query, in nanoseconds.
    pub encode_nanos: u64,
    /// The search proper.
    pub search: SearchReport,
    /// Reading texts and finding matching words, in nanoseconds.
    pub fetch_nanos: u64,
    /// What ran the model.
    pub runtime: RuntimeReport,
}

/// One hit.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found {
    /// 1 for the best.
    pub rank: usize,
    /// External id.
    pub id: String,
    /// Larger is better; comparable within one index and query.
    pub score: f32,
    /// Title, text and metadata, if the index keeps them.
    pub document: Option<StoredDocument>,
    /// For each query token the document token closest to it; empty for dense vectors and where the
    /// index keeps no texts.
    pub matches: Vec<TokenMatch>,
    /// Bytes of title, a space and text that are words of the query, for searches by words; empty for others and where the index keeps
    /// no texts.
    pub words: Vec<(u32, u32)>,
}

/// A query token and the document token that answers it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TokenMatch {
    /// Bytes of the query; `(0, 0)` for a mark that is not in the text.
    pub query_span: (u32, u32),
    /// Bytes of the document's title, a space and its text; `(0, 0)` for a mark.
    pub document_span: (u32, u32),
    /// What the pair adds to the score.
    pub contribution: f32,
    /// Cosine of the two vectors, in `[-1, 1]` up to rounding.
    pub similarity: f32,
}
