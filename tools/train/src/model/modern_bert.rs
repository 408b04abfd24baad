//! ModernBERT (Warner et al., arXiv:2412.13663): pre-norm layers, rotary positions, gated feed-forward; most layers look
//! at near tokens only.

use burn_tensor::{Tensor, activation};

use super::attention::{band_bias, join_heads};
use super::config::{Activation, ConfigFile};
use super::error::ModelError;
use super::params::Declared;
use super::pass::{Pass, activate};
use super::rope::Rope;
use crate::data::Tokens;

/// The encoder's sizes and settings.
#[derive(Debug, Clone, PartialEq)]
pub struct ModernBert {
    prefix: String,
    hidden: usize,
    inner: usize,
    layers: usize,
    heads: usize,
    vocabulary: usize,
    positions: usize,
    eps: f64,
    activation: Activation,
    /// Every so many layers one sees all tokens, beginning with the first.
    global_every: usize,
    /// The others see this many tokens to each side.
    reach: usize,
    global_theta: f64,
    local_theta: f64,
    /// Of norms, attention and feed-forward.
    biases: [bool; 3],
    /// Of embeddings, attention and feed-forward.
    dropouts: [f64; 3],
}

impl ModernBert {
    /// Takes the settings of `file`; weights' names begin with `prefix`.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn new(file: &ConfigFile<'_>, prefix: &str) -> Result<Self, ModelError> {
        let hidden = file.size("hidden_size", 8192)?;
        let heads = file.size("num_attention_heads", 1024)?;
        if !hidden.is_multiple_of(2 * heads) {
            return Err(file.refuse("num_attention_heads", "hidden_size must be an even multiple of it"));
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            hidden,
            heads,
            inner: file.size("intermediate_size", 1 << 20)?,
            layers: file.size("num_hidden_layers", 1000)?,
            vocabulary: file.size("vocab_size", 1 << 24)?,
            positions: file.size("max_position_embeddings", 1 << 20)?,
            eps: file.number("norm_eps", 1.0, 1e-5)?,
            activation: file.activation("hidden_activation")?,
            global_every: file.size_or("global_attn_every_n_layers", 1000, 3)?,
            reach: file.size_or("local_attention", 1 << 20, 128)? / 2,
            global_theta: file.theta("global_rope_theta", "rope_parameters/full_attention", 160_000.0)?,
            local_theta: file.theta("local_rope_theta", "rope_parameters/sliding_attention", 10_000.0)?,
            biases: ["norm_bias", "attention_bias", "mlp_bias"].map(|field| file.flag(field, false)),
            dropouts: [
                file.dropout("embedding_dropout", 0.0)?,
                file.dropout("attention_dropout", 0.0)?,
                file.dropout("mlp_dropout", 0.0)?,
            ],
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
        self.positions
    }

    /// Token ids are below this.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// What norms subtract.
    #[must_use]
    pub fn eps(&self) -> f64 {
        self.eps
    }

    /// Whether norms have biases.
    #[must_use]
    pub fn norm_bias(&self) -> bool {
        self.biases[0]
    }

    /// The weights.
    #[must_use]
    pub fn declare(&self) -> Vec<Declared> {
        let (prefix, hidden, inner) = (&self.prefix, self.hidden, self.inner);
        let [norm_bias, attention_bias, mlp_bias] = self.biases;
        let mut all = vec![Declared::new(
            format!("{prefix}embeddings.tok_embeddings.weight"),
            &[self.vocabulary, hidden],
        )];
        let mut add = |name: String, shape: &[usize], bias: bool| {
            all.push(Declared::new(format!("{prefix}{name}.weight"), shape));
            if bias {
                all.push(Declared::new(format!("{prefix}{name}.bias"), &shape[..1]));
            }
        };
        add("embeddings.norm".into(), &[hidden], norm_bias);
        for layer in 0..self.layers {
            let name = |part: &str| format!("layers.{layer}.{part}");
            if layer > 0 {
                add(name("attn_norm"), &[hidden], norm_bias);
            }
            add(name("attn.Wqkv"), &[3 * hidden, hidden], attention_bias);
            add(name("attn.Wo"), &[hidden, hidden], attention_bias);
            add(name("mlp_norm"), &[hidden], norm_bias);
            add(name("mlp.Wi"), &[2 * inner, hidden], mlp_bias);
            add(name("mlp.Wo"), &[hidden, inner], mlp_bias);
        }
        add("final_norm".into(), &[hidden], norm_bias);
        all
    }

    /// The states before the first layer, `[rows · width, hidden]`.
    #[must_use]
    pub fn embed(&self, pass: &Pass<'_>, tokens: &Tokens) -> Tensor<2> {
        let ids = pass.ids(&tokens.ids, tokens.rows, tokens.width);
        let states = pass.embedding(&format!("{}embeddings.tok_embeddings.weight", self.prefix), ids);
        let states = states.reshape([tokens.rows * tokens.width, self.hidden]);
        let normed = pass.layer_norm(&format!("{}embeddings.norm", self.prefix), states, self.eps);
        pass.dropout("embeddings", self.dropouts[0], normed)
    }

    /// Layer `layer`: states to states, `[rows · width, hidden]`.
    #[must_use]
    pub fn layer(&self, pass: &Pass<'_>, layer: usize, tokens: &Tokens, states: Tensor<2>) -> Tensor<2> {
        let name = format!("{}layers.{layer}", self.prefix);
        let normed = match layer {
            0 => states.clone(),
            _ => pass.layer_norm(&format!("{name}.attn_norm"), states.clone(), self.eps),
        };
        let states = states + self.attention(pass, layer, tokens, normed);
        let normed = pass.layer_norm(&format!("{name}.mlp_norm"), states.clone(), self.eps);
        let wide = pass.linear(&format!("{name}.mlp.Wi"), normed);
        let (input, gate) = (wide.clone().narrow(1, 0, self.inner), wide.narrow(1, self.inner, self.inner));
        let wide = activate(self.activation, input) * gate;
        let wide = pass.dropout(&format!("{name}.mlp"), self.dropouts[2], wide);
        states + pass.linear(&format!("{name}.mlp.Wo"), wide)
    }

    /// The norm behind the last layer.
    #[must_use]
    pub fn finish(&self, pass: &Pass<'_>, states: Tensor<2>) -> Tensor<2> {
        pass.layer_norm(&format!("{}final_norm", self.prefix), states, self.eps)
    }

    fn attention(&self, pass: &Pass<'_>, layer: usize, tokens: &Tokens, states: Tensor<2>) -> Tensor<2> {
        let name = format!("{}layers.{layer}.attn", self.prefix);
        let (rows, width, size) = (tokens.rows, tokens.width, self.hidden / self.heads);
        let all = pass.linear(&format!("{name}.Wqkv"), states);
        let part = |at: usize| {
            let flat = all.clone().narrow(1, at * self.hidden, self.hidden);
            flat.reshape([rows, width, self.heads, size]).swap_dims(1, 2)
        };
        let global = layer.is_multiple_of(self.global_every);
        let theta = if global { self.global_theta } else { self.local_theta };
        let rope = Rope::new(pass, width, size, theta);
        let (query, key) = (rope.apply(part(0)) / (size as f64).sqrt(), rope.apply(part(1)));
        let scores = query.matmul(key.transpose());
        let scores = scores + band_bias(pass, tokens, (!global).then_some(self.reach));
        let weights = activation::softmax(scores, 3);
        let weights = pass.dropout(&format!("{name}.probabilities"), self.dropouts[1], weights);
        let output = pass.linear(&format!("{name}.Wo"), join_heads(weights.matmul(part(2))));
        pass.dropout(&name, self.dropouts[1], output)
    }
}
