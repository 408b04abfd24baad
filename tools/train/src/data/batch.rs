//! What a training step is given: token ids and who belongs to whom. Nothing here knows a tensor.

use std::ops::Range;

/// Token ids of several texts, padded to the longest of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens {
    /// `[rows, width]`, row-major; padded with the tokenizer's padding id.
    pub ids: Vec<u32>,
    /// `[rows, width]`: 1 where a token is, 0 where padding is.
    pub mask: Vec<u8>,
    /// `[rows, width]`: 1 for the second text of a pair, where the tokenizer says so.
    pub types: Vec<u32>,
    /// `[rows, width]`: 1 where a token's vector counts in late interaction. Not always `mask`: expansion tokens of a
    /// query count though no other token attends to them, and listed tokens of a document (punctuation) are attended
    /// to but do not count.
    pub counted: Vec<u8>,
    /// Number of texts.
    pub rows: usize,
    /// Tokens a row, padding included.
    pub width: usize,
}

/// Which documents belong to which query: `ranges[i]` are the rows of query `i`, its positive first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Groups {
    /// One range a query; consecutive, and together all documents of a batch.
    pub ranges: Vec<Range<usize>>,
    /// One label a document: a teacher's score, a grade; 1 and 0 where the data have none.
    pub labels: Vec<f32>,
}

/// A step of an embedding or ColBERT model: queries and documents are encoded apart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TextBatch {
    /// One row a query.
    pub queries: Tokens,
    /// The documents of all queries, in the order of `groups`.
    pub documents: Tokens,
    /// Who belongs to whom.
    pub groups: Groups,
    /// `(query, document)` that may not count as a negative: a copy of its positive, or another known positive.
    pub masked: Vec<(usize, usize)>,
}

/// The texts of a step, for those who want to read them with another model. Without prompts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchTexts {
    /// One a query.
    pub queries: Vec<String>,
    /// In the order of [`Groups`].
    pub documents: Vec<String>,
}

/// A step of a reranker: query and document are one text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PairBatch {
    /// One row a pair, in the order of `groups`.
    pub pairs: Tokens,
    /// Who belongs to whom. Pointwise data have groups of one.
    pub groups: Groups,
}

/// A step of distillation from vectors of tokens.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenBatch {
    /// One row a text.
    pub texts: Tokens,
    /// `[rows, width, dim]`, row-major: the teacher's unit vectors of the tokens that count, zeros for others.
    pub teacher: Vec<f32>,
    /// Columns of `teacher`.
    pub dim: usize,
}

/// A step of distillation from vectors: the teacher's vector of each text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VectorBatch {
    /// One row a text.
    pub texts: Tokens,
    /// `[rows, dim]`, row-major, unit rows; several teachers' vectors side by side, scaled together.
    pub teacher: Vec<f32>,
    /// Columns of `teacher`.
    pub dim: usize,
}
