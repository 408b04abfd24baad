//! Where in its text a row of a document comes from.

use super::Error;
use crate::encode::Model;
use crate::index::{Snapshot, pool_document};
use crate::quant::Pooling;
use crate::search::RowMatch;
use crate::types::{DocId, EncodedTokens, TokenMatrixBuf};

/// A mark, or a place that is not known.
pub(super) const NOWHERE: (u32, u32) = (0, 0);

/// How far, as a cosine, a pooled row may be from what was stored of it: codes of 1 bit are seldom farther from their row.
/// Beyond, the tokens were pooled in another way than when they were written.
const AGREE: f32 = 0.25;

/// The places behind the rows of one document.
pub(super) enum Places {
    /// The text is not stored.
    Unknown,
    /// Row by row.
    Rows(Vec<(u32, u32)>),
    /// Several tokens share a row.
    Pooled(Box<Pooled>),
}

/// The document's tokens, encoded and pooled again.
pub(super) struct Pooled {
    tokens: EncodedTokens,
    means: TokenMatrixBuf,
    pooling: Pooling,
}

impl Places {
    /// The places of `text`, of the document `doc`. Cost: its tokenisation; for pooled documents its encoding.
    pub(super) fn of(model: &Model, text: &str, (snapshot, doc): (&Snapshot, DocId)) -> Result<Self, Error> {
        let (segment, local) = snapshot.segment_of(doc)?;
        let reader = snapshot.segments()[segment].reader();
        let options = reader.pooling();
        if options.factor <= 1 {
            return Ok(Self::Rows(model.document_spans(text)?));
        }
        let Some(mut tokens) = model.encode_document_tokens(&[text])?.pop() else {
            return Ok(Self::Unknown);
        };
        tokens.matrix.normalize_rows();
        let (means, pooling) = pool_document(tokens.matrix.clone(), snapshot.settings(), &options)?;
        if pooling.len() != reader.token_count(local)? {
            return Ok(Self::Unknown);
        }
        Ok(Self::Pooled(Box::new(Pooled { tokens, means, pooling })))
    }

    /// All the places that share the document's row `row`.
    pub(super) fn of_row(&self, row: usize) -> Vec<(u32, u32)> {
        match self {
            Self::Unknown => Vec::new(),
            Self::Rows(spans) => spans.get(row).copied().into_iter().collect(),
            Self::Pooled(pooled) => {
                let members = pooled.pooling.clusters().iter().zip(&pooled.tokens.spans);
                members.filter(|(cluster, _)| **cluster as usize == row).map(|(_, span)| *span).collect()
            }
        }
    }

    /// The place of the token that answers the query's row `query`.
    pub(super) fn of_match(&self, query: &[f32], found: &RowMatch) -> (u32, u32) {
        match self {
            Self::Unknown => NOWHERE,
            Self::Rows(spans) => spans.get(found.document_row).copied().unwrap_or(NOWHERE),
            Self::Pooled(pooled) => pooled.of_match(query, found),
        }
    }
}

impl Pooled {
    /// Of the tokens that share the row, the one closest to the query's.
    fn of_match(&self, query: &[f32], found: &RowMatch) -> (u32, u32) {
        let similarity = cosine(query, self.means.view().row(found.document_row));
        if (similarity - found.similarity).abs() > AGREE {
            return NOWHERE;
        }
        let rows = self.pooling.clusters().iter().zip(self.tokens.matrix.view().iter()).enumerate();
        let members = rows.filter(|(_, (cluster, _))| **cluster as usize == found.document_row);
        let best = members.fold((f32::NEG_INFINITY, None), |best, (row, (_, vector))| {
            let similarity = cosine(query, vector);
            if similarity > best.0 { (similarity, Some(row)) } else { best }
        });
        best.1.and_then(|row| self.tokens.spans.get(row)).copied().unwrap_or(NOWHERE)
    }
}

/// `⟨a, b⟩ / |a|`, for `b` of length 1; 0 if `a` is zero.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let norm = a.iter().map(|x| x * x).sum::<f32>().sqrt();
    let product: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    if norm > 0.0 { product / norm } else { 0.0 }
}
