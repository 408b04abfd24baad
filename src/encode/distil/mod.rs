//! A transformer's token vectors, boiled down to a table.
//!
//! A static late-interaction model looks its vectors up: one per vocabulary token, whatever stands around it. It needs
//! no runtime, encodes at the speed of its tokenizer, and by MaxSim it is far better than by the mean of the same
//! vectors, since rare exact matches are not averaged away.
//!
//! ```text
//! vocabulary ─ [CLS] token [SEP] ─ model ─ context-free vectors ─┐
//! corpus ─ tokens ─┬─ contexts ─── model ─ mean in context ──────┴ mix ─ PCA ─ + identity ─ int8 ─┐
//!                  └─ counts ─ idf ─ query weights ────────────────────────────────────────────────┴ StaticTable
//! ```
//!
//! * **Two views of a token.** Alone, a token shows what it means by itself; in context, what it means in use. Both are
//!   centred and mixed. Contexts are taken only while they show a token that has not been seen often enough, so that
//!   the budget goes to the whole vocabulary instead of its most frequent part.
//! * **Identity.** A fixed random direction per token is mixed in: it lowers the similarity of different tokens and
//!   leaves that of equal ones, so that an exact match counts for more than a synonym.
//! * **Weights.** A query token counts by its inverse document frequency in the corpus, smoothed; special tokens and
//!   punctuation count nothing.
//!
//! After Model2Vec (Tulkens & van Dongen, 2024, <https://github.com/MinishLab/model2vec>), which makes dense models
//! so, and WordLlama; the late-interaction form and the identity part are this crate's.

mod error;
#[cfg(feature = "rten")]
mod onnx;
mod states;
mod table;
mod vocabulary;
mod weigh;

pub use error::DistilError;
#[cfg(feature = "rten")]
pub use onnx::OnnxStates;
pub use states::TokenStates;
pub use table::StaticTable;
pub use weigh::{Weighed, weigh};

use std::path::Path;

use states::Contexts;
use vocabulary::Vocabulary;

/// How a table is distilled.
#[derive(Debug, Clone, PartialEq)]
pub struct DistilOptions {
    /// Dimensions of a vector.
    pub dim: usize,
    /// A text is run through the model if it shows a token seen fewer times than this.
    pub contexts_per_token: u32,
    /// Tokens of a context, special ones included; longer texts are cut.
    pub max_context_tokens: usize,
    /// How many tokens are run through the model in context at most; the rest of the corpus is only counted.
    pub context_budget: u64,
    /// The share of the in-context view, in `0..=1`.
    pub context_share: f32,
    /// The share of a vector's squared length that is its token's own random direction, in `0..1`.
    pub identity_share: f32,
    /// Query weights are raised to this power: more than 1 makes frequent tokens count less still.
    pub weight_power: f32,
    /// Tokens per run of the model.
    pub batch_tokens: usize,
    /// What the table declares for queries.
    pub max_query_tokens: usize,
    /// What the table declares for documents.
    pub max_document_tokens: usize,
    /// Decides the random directions.
    pub seed: u64,
}

impl Default for DistilOptions {
    fn default() -> Self {
        Self {
            dim: 128,
            contexts_per_token: 2,
            max_context_tokens: 128,
            context_budget: 300_000,
            context_share: 0.3,
            identity_share: 0.3,
            weight_power: 1.3,
            batch_tokens: 4096,
            max_query_tokens: 64,
            max_document_tokens: 512,
            seed: 0,
        }
    }
}

/// Distils `model` into a table for the vocabulary of `tokenizer` (a `tokenizer.json`).
///
/// `corpus` gives the contexts and the counts behind the query weights, in an order that is best mixed. The same model,
/// texts and options give the same table on the same kind of processor.
///
/// * Cost: one run of the model over three tokens per vocabulary entry and over [`DistilOptions::context_budget`]
///   tokens; memory `O(vocabulary · model dimension)`, whatever the corpus.
///
/// # Errors
/// [`DistilError`].
pub fn distil(
    tokenizer: &Path,
    model: &mut dyn TokenStates,
    corpus: impl IntoIterator<Item = String>,
    options: &DistilOptions,
) -> Result<StaticTable, DistilError> {
    options.check(model.dim())?;
    let vocabulary = Vocabulary::read(tokenizer)?;
    let mut contexts = Contexts::new(&vocabulary, model.dim(), options);
    for text in corpus {
        contexts.add(model, &text)?;
    }
    contexts.finish(model)?;
    let alone = states::alone(&vocabulary, model, options)?;
    table::build(&vocabulary, &alone, &contexts, options)
}

impl DistilOptions {
    fn check(&self, model_dim: usize) -> Result<(), DistilError> {
        let refuse = |option, expected| Err(DistilError::Option { option, expected });
        match self {
            _ if self.dim == 0 || self.dim > model_dim => refuse("dim", "1 to the model's own dimensions"),
            _ if self.max_context_tokens < 3 => refuse("max_context_tokens", "at least 3"),
            _ if self.batch_tokens == 0 => refuse("batch_tokens", "at least 1"),
            _ if !(0.0..=1.0).contains(&self.context_share) => refuse("context_share", "0 to 1"),
            _ if !(0.0..1.0).contains(&self.identity_share) => refuse("identity_share", "0 to less than 1"),
            _ if !(self.weight_power.is_finite() && self.weight_power >= 0.0) => {
                refuse("weight_power", "0 or a positive number")
            }
            _ if self.max_query_tokens == 0 || self.max_document_tokens == 0 => {
                refuse("max_query_tokens and max_document_tokens", "at least 1")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
