//! BERT and RoBERTa encoders (Devlin et al., arXiv:1810.04805; Liu et al., arXiv:1907.11692), XLM-R and CamemBERT with
//! them: post-norm layers, learned positions.

use burn_tensor::{Tensor, activation};

use super::attention::{join_heads, key_bias, split_heads};
use super::config::{Activation, ConfigFile};
use super::error::ModelError;
use super::params::{Declared, Start};
use super::pass::{Pass, activate};
use crate::data::Tokens;

/// The encoder's sizes and settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Bert {
    prefix: String,
    /// RoBERTa counts positions from behind its padding id; BERT has none and counts from 0.
    position_offset: Option<usize>,
    hidden: usize,
    inner: usize,
    layers: usize,
    heads: usize,
    vocabulary: usize,
    positions: usize,
    types: usize,
    eps: f64,
    activation: Activation,
    hidden_dropout: f64,
    attention_dropout: f64,
}

impl Bert {
    /// Takes the settings of `file`; weights' names begin with `prefix`.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn new(file: &ConfigFile<'_>, prefix: &str) -> Result<Self, ModelError> {
        let hidden = file.size("hidden_size", 8192)?;
        let heads = file.size("num_attention_heads", 1024)?;
        if !hidden.is_multiple_of(heads) {
            return Err(file.refuse("num_attention_heads", "a divisor of hidden_size is expected"));
        }
        let kind = file.word("position_embedding_type");
        if !matches!(kind, "" | "absolute") {
            return Err(file.refuse("position_embedding_type", "\"absolute\" can be trained"));
        }
        let padded = file.word("model_type") != "bert";
        let padding = file.value("pad_token_id").and_then(serde_json::Value::as_u64).unwrap_or(1);
        let positions = file.size("max_position_embeddings", 1 << 20)?;
        if padded && padding as usize + 2 > positions {
            return Err(file.refuse("pad_token_id", "a number below max_position_embeddings is expected"));
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            position_offset: padded.then_some(padding as usize),
            hidden,
            heads,
            inner: file.size("intermediate_size", 1 << 20)?,
            layers: file.size("num_hidden_layers", 1000)?,
            vocabulary: file.size("vocab_size", 1 << 24)?,
            positions,
            types: file.size_or("type_vocab_size", 1024, 2)?,
            eps: file.number("layer_norm_eps", 1.0, 1e-12)?,
            activation: file.activation("hidden_act")?,
            hidden_dropout: file.dropout("hidden_dropout_prob", 0.1)?,
            attention_dropout: file.dropout("attention_probs_dropout_prob", 0.1)?,
        })
    }

    /// Dimensions of a token's state.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// Number of layers.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// The most tokens of a text.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.positions - self.position_offset.map_or(0, |offset| offset + 1)
    }

    /// Token ids are below this.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The weights.
    #[must_use]
    pub fn declare(&self) -> Vec<Declared> {
        let (prefix, hidden, inner) = (&self.prefix, self.hidden, self.inner);
        let mut all = Vec::new();
        let table = |name: &str, rows| {
            Declared::new(format!("{prefix}embeddings.{name}_embeddings.weight"), &[rows, hidden])
        };
        all.push(table("word", self.vocabulary));
        all.push(table("position", self.positions));
        all.push(table("token_type", self.types));
        let norm = |all: &mut Vec<Declared>, name: &str| {
            all.push(Declared::new(format!("{prefix}{name}.weight"), &[hidden]));
            all.push(Declared::new(format!("{prefix}{name}.bias"), &[hidden]));
        };
        norm(&mut all, "embeddings.LayerNorm");
        for layer in 0..self.layers {
            let layer = format!("encoder.layer.{layer}");
            let mut linear = |name: &str, outputs, inputs| {
                all.push(Declared::new(format!("{prefix}{layer}.{name}.weight"), &[outputs, inputs]));
                all.push(Declared::new(format!("{prefix}{layer}.{name}.bias"), &[outputs]));
            };
            for part in ["query", "key", "value"] {
                linear(&format!("attention.self.{part}"), hidden, hidden);
            }
            linear("attention.output.dense", hidden, hidden);
            linear("intermediate.dense", inner, hidden);
            linear("output.dense", hidden, inner);
            norm(&mut all, &format!("{layer}.attention.output.LayerNorm"));
            norm(&mut all, &format!("{layer}.output.LayerNorm"));
        }
        all
    }

    /// The weights of the pooler, which a classifier reads and nothing else.
    #[must_use]
    pub fn pooler(&self) -> Vec<Declared> {
        let name = format!("{}pooler.dense", self.prefix);
        vec![
            Declared::fresh(format!("{name}.weight"), &[self.hidden, self.hidden], Start::Normal),
            Declared::fresh(format!("{name}.bias"), &[self.hidden], Start::Zero),
        ]
    }

    /// The states before the first layer, `[rows · width, hidden]`.
    #[must_use]
    pub fn embed(&self, pass: &Pass<'_>, tokens: &Tokens) -> Tensor<2> {
        let (rows, width) = (tokens.rows, tokens.width);
        let name = |table: &str| format!("{}embeddings.{table}_embeddings.weight", self.prefix);
        let words = pass.embedding(&name("word"), pass.ids(&tokens.ids, rows, width));
        let positions = match self.position_offset {
            None => pass.ids(&(0..width as u32).collect::<Vec<_>>(), 1, width),
            Some(offset) => pass.ids(&positions_behind(offset, tokens), rows, width),
        };
        let positions = pass.embedding(&name("position"), positions);
        let types = if self.types == 1 || tokens.types.iter().all(|kind| *kind == 0) {
            pass.ids(&[0], 1, 1)
        } else {
            pass.ids(&tokens.types, rows, width)
        };
        let types = pass.embedding(&name("token_type"), types);
        let sum = (words + types + positions).reshape([rows * width, self.hidden]);
        let normed = pass.layer_norm(&format!("{}embeddings.LayerNorm", self.prefix), sum, self.eps);
        pass.dropout("embeddings", self.hidden_dropout, normed)
    }

    /// Layer `layer`: states to states, `[rows · width, hidden]`.
    #[must_use]
    pub fn layer(&self, pass: &Pass<'_>, layer: usize, tokens: &Tokens, states: Tensor<2>) -> Tensor<2> {
        let name = format!("{}encoder.layer.{layer}", self.prefix);
        let context = self.attention(pass, &name, tokens, states.clone());
        let output = pass.linear(&format!("{name}.attention.output.dense"), context);
        let output = pass.dropout(&format!("{name}.attention"), self.hidden_dropout, output);
        let states =
            pass.layer_norm(&format!("{name}.attention.output.LayerNorm"), output + states, self.eps);
        let wide = pass.linear(&format!("{name}.intermediate.dense"), states.clone());
        let output = pass.linear(&format!("{name}.output.dense"), activate(self.activation, wide));
        let output = pass.dropout(&format!("{name}.output"), self.hidden_dropout, output);
        pass.layer_norm(&format!("{name}.output.LayerNorm"), output + states, self.eps)
    }

    fn attention(&self, pass: &Pass<'_>, name: &str, tokens: &Tokens, states: Tensor<2>) -> Tensor<2> {
        let shape = [tokens.rows, tokens.width, self.heads, self.hidden / self.heads];
        let part = |part: &str| {
            split_heads(pass.linear(&format!("{name}.attention.self.{part}"), states.clone()), shape)
        };
        let scale = (shape[3] as f64).sqrt();
        let (query, key, value) = (part("query") / scale, part("key"), part("value"));
        let scores = query.matmul(key.transpose()) + key_bias(pass, tokens);
        let weights = activation::softmax(scores, 3);
        let weights = pass.dropout(&format!("{name}.probabilities"), self.attention_dropout, weights);
        join_heads(weights.matmul(value))
    }
}

/// RoBERTa's positions: `offset + 1, offset + 2, …` over the tokens of a row, `offset` for padding.
fn positions_behind(offset: usize, tokens: &Tokens) -> Vec<u32> {
    let mut positions = Vec::with_capacity(tokens.mask.len());
    for row in tokens.mask.chunks(tokens.width.max(1)) {
        let mut next = offset as u32;
        positions.extend(row.iter().map(|mask| {
            next += u32::from(*mask != 0);
            if *mask == 0 { offset as u32 } else { next }
        }));
    }
    positions
}
