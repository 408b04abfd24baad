//! Several kinds of vectors of one text at once.

use super::EncodeError;
use super::m3::{TextVectors, Wanted};
use super::model::{Encoder, Model};
use super::side::Side;

impl Model {
    /// Whether the model gives weights of tokens ([`SparseVector`](super::SparseVector)).
    #[must_use]
    pub fn gives_sparse(&self) -> bool {
        matches!(&self.encoder, Encoder::M3(model) if model.gives_sparse())
    }

    /// All that the model gives for each query, in the order of `texts`; one pass where it gives several kinds.
    ///
    /// # Errors
    /// [`EncodeError::Runtime`] if the runtime fails.
    pub fn encode_queries_all(&self, texts: &[&str]) -> Result<Vec<TextVectors>, EncodeError> {
        self.all(texts, Side::Query)
    }

    /// All that the model gives for each document, in the order of `texts`.
    ///
    /// # Errors
    /// As [`Model::encode_queries_all`].
    pub fn encode_documents_all(&self, texts: &[&str]) -> Result<Vec<TextVectors>, EncodeError> {
        self.all(texts, Side::Document)
    }

    fn all(&self, texts: &[&str], side: Side) -> Result<Vec<TextVectors>, EncodeError> {
        if let Encoder::M3(model) = &self.encoder {
            let all = model.encode(texts, side, Wanted::ALL)?;
            for (vectors, truncated) in &all {
                let rows = vectors.tokens.as_ref().map_or(1, |tokens| tokens.matrix.view().rows());
                self.counters.add(rows, *truncated);
            }
            return Ok(all.into_iter().map(|(vectors, _)| vectors).collect());
        }
        let mut all = vec![TextVectors::default(); texts.len()];
        if self.dense_dim().is_some() {
            let dense = self.dense(texts, side == Side::Query)?;
            all.iter_mut().zip(dense).for_each(|(vectors, dense)| vectors.dense = Some(dense));
        }
        if self.token_dim().is_some() {
            let tokens = match side {
                Side::Query => {
                    texts.iter().map(|text| self.encode_query_tokens(text)).collect::<Result<_, _>>()?
                }
                Side::Document => self.encode_document_tokens(texts)?,
            };
            all.iter_mut().zip(tokens).for_each(|(vectors, tokens)| vectors.tokens = Some(tokens));
        }
        Ok(all)
    }
}
