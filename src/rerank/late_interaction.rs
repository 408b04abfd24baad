//! A late-interaction model as a judge.

use std::ops::Range;

use rayon::prelude::*;

use super::{Judge, RerankError};
use crate::encode::{
    Activation, DocumentScores, EncodeError, Model, WindowScore, Windows, overlap, readable,
};
use crate::kernel::{Isa, QueryF32};

/// The score of a document without a token: less than that of any other.
const NOTHING: f32 = -1.0;

/// Scores by late interaction: `Σᵢ maxⱼ ⟨qᵢ, dⱼ⟩ / Σᵢ ‖qᵢ‖`, the mean over the query's tokens of the closest document
/// token's cosine (Khattab & Zaharia, "ColBERT", SIGIR 2020, arXiv:2004.12832; divided as bge-m3 divides).
///
/// Scores are between -1 and 1. The query is encoded once for all documents.
#[derive(Debug)]
pub struct LateInteraction {
    model: Model,
}

impl LateInteraction {
    /// A judge of `model`'s token vectors.
    ///
    /// # Errors
    /// [`RerankError::Model`] for models that give one vector a text: they do not judge.
    pub fn new(model: Model) -> Result<Self, RerankError> {
        if model.token_dim().is_none() {
            let (kind, wanted) = (model.kind().name(), "scores of pairs");
            return Err(EncodeError::Unsupported { model: model.name().to_owned(), kind, wanted }.into());
        }
        Ok(Self { model })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }
}

impl Judge for LateInteraction {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn scores(&self, query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
        let all = self.windows(query, documents, Windows::Cut)?;
        Ok(all.iter().map(|document| document.windows[0].score).collect())
    }

    fn windows(
        &self,
        query: &str,
        documents: &[&str],
        plan: Windows,
    ) -> Result<Vec<DocumentScores>, RerankError> {
        let query = self.model.encode_query_tokens(query)?;
        let query = query.matrix.view();
        let length: f32 = query.iter().map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt()).sum();
        let packed = QueryF32::pack(Isa::detect(), query);
        let ranges: Vec<Vec<Range<usize>>> = documents
            .par_iter()
            .map(|document| ranges(&self.model, document, plan))
            .collect::<Result<_, _>>()?;
        let texts: Vec<&str> = ranges
            .iter()
            .zip(documents)
            .flat_map(|(ranges, document)| ranges.iter().map(|range| &document[range.clone()]))
            .collect();
        let mut encoded = self.model.encode_document_tokens(&texts)?.into_iter();
        let mut all = Vec::with_capacity(documents.len());
        for (ranges, document) in ranges.into_iter().zip(documents) {
            let mut scores = DocumentScores::default();
            for (range, tokens) in ranges.into_iter().zip(encoded.by_ref()) {
                let rows = tokens.matrix.view();
                let known = rows.rows() > 0 && length > 0.0;
                let score = if known { packed.maxsim(rows.as_slice()) / length } else { NOTHING };
                let bytes = seen(range, &tokens.spans);
                scores.windows.push(WindowScore { bytes, score });
            }
            let end = scores.windows.last().map_or(0, |window| window.bytes.end);
            scores.cut = end < document.trim_end().len();
            all.push(scores);
        }
        Ok(all)
    }

    fn activation(&self) -> Activation {
        Activation::Cosine
    }
}

/// The bytes of each window of a document. A window begins at the token with which the one before it ends, less
/// the overlap.
pub(super) fn ranges(model: &Model, document: &str, plan: Windows) -> Result<Vec<Range<usize>>, RerankError> {
    let text = readable(document);
    if plan != Windows::All {
        return Ok(std::iter::once(0..text.len()).collect());
    }
    let (mut all, mut start) = (Vec::new(), 0);
    let end = text.trim_end().len();
    loop {
        let mut spans = model.document_spans(&text[start..])?;
        spans.retain(|span| span.1 > 0);
        let seen = spans.iter().map(|span| span.1 as usize).max().unwrap_or(0) + start;
        let next = spans.get(spans.len() - overlap(spans.len()).min(spans.len())).map(|span| span.0 as usize);
        match next {
            Some(next) if seen < end && next > 0 => {
                all.push(start..seen);
                start = text.floor_char_boundary(start + next);
            }
            // Nothing is shared where a window is too small for it.
            None if seen < end && seen > start => {
                all.push(start..seen);
                start = text.floor_char_boundary(seen);
            }
            _ => {
                all.push(start..text.len());
                return Ok(all);
            }
        }
    }
}

/// The bytes of a window that were read: up to its last token.
pub(super) fn seen(range: Range<usize>, spans: &[(u32, u32)]) -> Range<usize> {
    let last = spans.iter().map(|span| span.1 as usize).max();
    range.start..last.map_or(range.end, |last| range.start + last)
}
