//! What reranking can refuse.

use crate::encode::EncodeError;

/// Why nothing was reranked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RerankError {
    /// Nothing can be judged against nothing: give a query with a visible character.
    #[error("the query is empty")]
    EmptyQuery,
    /// The model could not be loaded or run.
    #[error(transparent)]
    Model(#[from] EncodeError),
    /// A judge of one's own broke its contract: one score per document.
    #[error("judge {judge} gave {scores} scores for {documents} documents")]
    ScoreCount {
        /// The judge's name.
        judge: String,
        /// How many it returned.
        scores: usize,
        /// How many it was asked for.
        documents: usize,
    },
    /// A judge gave a NaN: its model is damaged or overflowed.
    #[error("judge {judge} gave {id:?} a score that is not a number")]
    NotANumber {
        /// The judge's name.
        judge: String,
        /// External id of the document.
        id: String,
    },
    /// Give weights of 0 or more, not all of them 0.
    #[error("weights {weights:?} are of no use: they must be finite, not below 0, and not all 0")]
    Weights {
        /// What was given.
        weights: super::Weights,
    },
    /// A judge of one's own failed; its error says why.
    #[error("judge {judge} failed: {source}")]
    Failed {
        /// The judge's name.
        judge: String,
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
