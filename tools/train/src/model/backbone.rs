//! A transformer of any family that can be trained: tokens in, states of tokens out.

use burn_tensor::Tensor;

use super::bert::Bert;
use super::config::ConfigFile;
use super::decoder::Decoder;
use super::error::ModelError;
use super::modern_bert::ModernBert;
use super::params::Declared;
use super::pass::Pass;
use crate::data::Tokens;

/// One of the families, chosen by `model_type` of `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub enum Backbone {
    /// BERT, RoBERTa, XLM-R, CamemBERT.
    Bert(Bert),
    /// ModernBERT.
    ModernBert(ModernBert),
    /// Qwen2, Qwen3, Mistral.
    Decoder(Decoder),
}

impl Backbone {
    /// Takes the settings of `file`. A model with a task's head keeps the backbone under a prefix (`task`), a bare
    /// model does not.
    ///
    /// # Errors
    /// [`ModelError::Config`] for families and settings that cannot be trained.
    pub fn new(file: &ConfigFile<'_>, task: bool) -> Result<Self, ModelError> {
        let prefix = |name| if task { name } else { "" };
        match file.word("model_type") {
            "bert" => Ok(Self::Bert(Bert::new(file, prefix("bert."))?)),
            "roberta" | "xlm-roberta" | "camembert" => Ok(Self::Bert(Bert::new(file, prefix("roberta."))?)),
            "modernbert" => Ok(Self::ModernBert(ModernBert::new(file, prefix("model."))?)),
            "qwen2" | "qwen3" | "mistral" => Ok(Self::Decoder(Decoder::new(file, prefix("model."))?)),
            _ => Err(file.refuse(
                "model_type",
                "bert, roberta, xlm-roberta, camembert, modernbert, qwen2, qwen3 and mistral can be trained",
            )),
        }
    }

    /// Dimensions of a token's state.
    #[must_use]
    pub fn hidden(&self) -> usize {
        match self {
            Self::Bert(bert) => bert.hidden(),
            Self::ModernBert(bert) => bert.hidden(),
            Self::Decoder(decoder) => decoder.hidden(),
        }
    }

    /// Number of layers.
    #[must_use]
    pub fn layers(&self) -> usize {
        match self {
            Self::Bert(bert) => bert.layers(),
            Self::ModernBert(bert) => bert.layers(),
            Self::Decoder(decoder) => decoder.layers(),
        }
    }

    /// The most tokens of a text, special tokens included.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        match self {
            Self::Bert(bert) => bert.max_tokens(),
            Self::ModernBert(bert) => bert.max_tokens(),
            Self::Decoder(decoder) => decoder.max_tokens(),
        }
    }

    /// Token ids are below this.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Bert(bert) => bert.vocabulary(),
            Self::ModernBert(bert) => bert.vocabulary(),
            Self::Decoder(decoder) => decoder.vocabulary(),
        }
    }

    /// The weights.
    #[must_use]
    pub fn declare(&self) -> Vec<Declared> {
        match self {
            Self::Bert(bert) => bert.declare(),
            Self::ModernBert(bert) => bert.declare(),
            Self::Decoder(decoder) => decoder.declare(),
        }
    }

    /// The states before the first layer, `[rows · width, hidden]`.
    #[must_use]
    pub fn embed(&self, pass: &Pass<'_>, tokens: &Tokens) -> Tensor<2> {
        match self {
            Self::Bert(bert) => bert.embed(pass, tokens),
            Self::ModernBert(bert) => bert.embed(pass, tokens),
            Self::Decoder(decoder) => decoder.embed(pass, tokens),
        }
    }

    /// Layer `layer`: states to states, `[rows · width, hidden]`.
    #[must_use]
    pub fn layer(&self, pass: &Pass<'_>, layer: usize, tokens: &Tokens, states: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Bert(bert) => bert.layer(pass, layer, tokens, states),
            Self::ModernBert(bert) => bert.layer(pass, layer, tokens, states),
            Self::Decoder(decoder) => decoder.layer(pass, layer, tokens, states),
        }
    }

    /// What comes behind the last layer.
    #[must_use]
    pub fn finish(&self, pass: &Pass<'_>, states: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Bert(_) => states,
            Self::ModernBert(bert) => bert.finish(pass, states),
            Self::Decoder(decoder) => decoder.finish(pass, states),
        }
    }

    /// The last states, `[rows, width, hidden]`.
    ///
    /// # Errors
    /// [`ModelError::TokenId`], [`ModelError::TooLong`], [`ModelError::EmptyRow`] for tokens of another model.
    pub fn states(&self, pass: &Pass<'_>, tokens: &Tokens) -> Result<Tensor<3>, ModelError> {
        self.check(tokens)?;
        let mut states = self.embed(pass, tokens);
        for layer in 0..self.layers() {
            states = self.layer(pass, layer, tokens, states);
        }
        Ok(self.finish(pass, states).reshape([tokens.rows, tokens.width, self.hidden()]))
    }

    /// Whether `tokens` are such as the model can read.
    ///
    /// # Errors
    /// As [`Self::states`].
    pub fn check(&self, tokens: &Tokens) -> Result<(), ModelError> {
        if tokens.width > self.max_tokens() {
            return Err(ModelError::TooLong { found: tokens.width, limit: self.max_tokens() });
        }
        let vocabulary = self.vocabulary();
        if let Some(id) = tokens.ids.iter().find(|id| **id as usize >= vocabulary) {
            return Err(ModelError::TokenId { id: *id, vocabulary });
        }
        let empty = tokens.mask.chunks(tokens.width.max(1)).position(|row| row.iter().all(|mask| *mask == 0));
        match empty.or((tokens.width == 0 && tokens.rows > 0).then_some(0)) {
            Some(row) => Err(ModelError::EmptyRow { row }),
            None => Ok(()),
        }
    }
}
