//! Decoders of the Llama kind: Qwen2 and Qwen3 (arXiv:2407.10671, arXiv:2505.09388) and Mistral (arXiv:2310.06825). Pre-norm layers
//! with RMS norms, rotary positions, grouped-query attention and a gated feed-forward; no token looks ahead.

use burn_tensor::{Tensor, activation};

use super::attention::{causal_bias, join_heads, split_heads};
use super::config::{Activation, ConfigFile};
use super::error::ModelError;
use super::params::Declared;
use super::pass::{Pass, activate};
use super::rope::Rope;
use crate::data::Tokens;

/// The decoder's sizes and settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoder {
    prefix: String,
    hidden: usize,
    inner: usize,
    layers: usize,
    heads: usize,
    /// Heads of keys and values, each shared by `heads / groups` query heads.
    groups: usize,
    /// Numbers of a head.
    size: usize,
    vocabulary: usize,
    positions: usize,
    eps: f64,
    theta: f64,
    activation: Activation,
    dropout: f64,
    /// Qwen2's query, key and value maps have biases.
    bias: bool,
    /// Qwen3 brings each head's queries and keys to unit scale.
    head_norms: bool,
    window: Option<usize>,
    tied: bool,
}

impl Decoder {
    /// Takes the settings of `file`; weights' names begin with `prefix`.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn new(file: &ConfigFile<'_>, prefix: &str) -> Result<Self, ModelError> {
        let kind = file.word("model_type");
        let hidden = file.size("hidden_size", 1 << 16)?;
        let heads = file.size("num_attention_heads", 1024)?;
        let groups = file.size_or("num_key_value_heads", heads, heads)?;
        let size = file.size_or("head_dim", 4096, hidden / heads)?;
        if !heads.is_multiple_of(groups) {
            return Err(file.refuse("num_key_value_heads", "a divisor of num_attention_heads is expected"));
        }
        if size == 0 || !size.is_multiple_of(2) {
            return Err(file.refuse("head_dim", "an even number is expected"));
        }
        if file.flag("use_sliding_window", false) {
            return Err(file.refuse("use_sliding_window", "false can be trained"));
        }
        let window = if kind == "mistral" { file.value("sliding_window") } else { None };
        Ok(Self {
            prefix: prefix.to_owned(),
            hidden,
            heads,
            groups,
            size,
            inner: file.size("intermediate_size", 1 << 20)?,
            layers: file.size("num_hidden_layers", 1000)?,
            vocabulary: file.size("vocab_size", 1 << 24)?,
            positions: file.size_or("max_position_embeddings", 1 << 24, 4096)?,
            eps: file.number("rms_norm_eps", 1.0, 1e-6)?,
            theta: file.theta("rope_theta", "rope_parameters", 10_000.0)?,
            activation: file.activation("hidden_act")?,
            dropout: file.dropout("attention_dropout", 0.0)?,
            bias: kind == "qwen2" || file.flag("attention_bias", false),
            head_norms: kind == "qwen3",
            window: window.and_then(serde_json::Value::as_u64).map(|window| window as usize),
            tied: file.flag("tie_word_embeddings", false),
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

    /// Whether input and output words share their table.
    #[must_use]
    pub fn tied(&self) -> bool {
        self.tied
    }

    /// The table that turns states into logits of words: the input's own, where the two are tied.
    #[must_use]
    pub fn words(&self) -> Declared {
        let own = format!("{}embed_tokens.weight", self.prefix);
        let name = if self.tied { own } else { "lm_head.weight".to_owned() };
        Declared::new(name, &[self.vocabulary, self.hidden])
    }

    /// The weights.
    #[must_use]
    pub fn declare(&self) -> Vec<Declared> {
        let (prefix, hidden, size) = (&self.prefix, self.hidden, self.size);
        let mut all = vec![Declared::new(format!("{prefix}embed_tokens.weight"), &[self.vocabulary, hidden])];
        for layer in 0..self.layers {
            let name = |part: &str| format!("{prefix}layers.{layer}.{part}");
            let parts = [("q", self.heads), ("k", self.groups), ("v", self.groups)];
            for (part, heads) in parts {
                let map = name(&format!("self_attn.{part}_proj"));
                all.push(Declared::new(format!("{map}.weight"), &[heads * size, hidden]));
                if self.bias {
                    all.push(Declared::new(format!("{map}.bias"), &[heads * size]));
                }
            }
            all.push(Declared::new(name("self_attn.o_proj.weight"), &[hidden, self.heads * size]));
            if self.head_norms {
                all.push(Declared::new(name("self_attn.q_norm.weight"), &[size]));
                all.push(Declared::new(name("self_attn.k_norm.weight"), &[size]));
            }
            all.push(Declared::new(name("mlp.gate_proj.weight"), &[self.inner, hidden]));
            all.push(Declared::new(name("mlp.up_proj.weight"), &[self.inner, hidden]));
            all.push(Declared::new(name("mlp.down_proj.weight"), &[hidden, self.inner]));
            all.push(Declared::new(name("input_layernorm.weight"), &[hidden]));
            all.push(Declared::new(name("post_attention_layernorm.weight"), &[hidden]));
        }
        all.push(Declared::new(format!("{prefix}norm.weight"), &[hidden]));
        all
    }

    /// The states before the first layer, `[rows · width, hidden]`.
    #[must_use]
    pub fn embed(&self, pass: &Pass<'_>, tokens: &Tokens) -> Tensor<2> {
        let ids = pass.ids(&tokens.ids, tokens.rows, tokens.width);
        let states = pass.embedding(&format!("{}embed_tokens.weight", self.prefix), ids);
        states.reshape([tokens.rows * tokens.width, self.hidden])
    }

    /// Layer `layer`: states to states, `[rows · width, hidden]`.
    #[must_use]
    pub fn layer(&self, pass: &Pass<'_>, layer: usize, tokens: &Tokens, states: Tensor<2>) -> Tensor<2> {
        let name = format!("{}layers.{layer}", self.prefix);
        let normed = rms_norm(pass, &format!("{name}.input_layernorm"), states.clone(), self.eps);
        let states = states + self.attention(pass, &format!("{name}.self_attn"), tokens, normed);
        let normed = rms_norm(pass, &format!("{name}.post_attention_layernorm"), states.clone(), self.eps);
        let gate = activate(self.activation, pass.linear(&format!("{name}.mlp.gate_proj"), normed.clone()));
        let wide = gate * pass.linear(&format!("{name}.mlp.up_proj"), normed);
        states + pass.linear(&format!("{name}.mlp.down_proj"), wide)
    }

    /// The norm behind the last layer.
    #[must_use]
    pub fn finish(&self, pass: &Pass<'_>, states: Tensor<2>) -> Tensor<2> {
        rms_norm(pass, &format!("{}norm", self.prefix), states, self.eps)
    }

    fn attention(&self, pass: &Pass<'_>, name: &str, tokens: &Tokens, states: Tensor<2>) -> Tensor<2> {
        let (rows, width, size) = (tokens.rows, tokens.width, self.size);
        let part = |part: &str, heads: usize| {
            let mut flat = pass.linear(&format!("{name}.{part}_proj"), states.clone());
            if self.head_norms && part != "v" {
                let each = flat.reshape([rows * width * heads, size]);
                let normed = rms_norm(pass, &format!("{name}.{part}_norm"), each, self.eps);
                flat = normed.reshape([rows * width, heads * size]);
            }
            split_heads(flat, [rows, width, heads, size])
        };
        let rope = Rope::new(pass, width, size, self.theta);
        let query = rope.apply(part("q", self.heads)) / (size as f64).sqrt();
        let key = self.share(rope.apply(part("k", self.groups)));
        let value = self.share(part("v", self.groups));
        let scores = query.matmul(key.transpose()) + causal_bias(pass, tokens, self.window);
        let weights = activation::softmax(scores, 3);
        let weights = pass.dropout(&format!("{name}.probabilities"), self.dropout, weights);
        pass.linear(&format!("{name}.o_proj"), join_heads(weights.matmul(value)))
    }

    /// Gives each query head its own copy of its group's head.
    fn share(&self, x: Tensor<4>) -> Tensor<4> {
        let [rows, groups, width, size] = x.dims();
        if groups == self.heads {
            return x;
        }
        let copies = self.heads / groups;
        let wide = x.reshape([rows * groups, 1, width, size]).repeat_dim(1, copies);
        wide.reshape([rows, self.heads, width, size])
    }
}

/// `x / √(mean x² + ε) · w` over the last axis (Zhang & Sennrich, arXiv:1910.07467).
fn rms_norm(pass: &Pass<'_>, name: &str, x: Tensor<2>, eps: f64) -> Tensor<2> {
    let size = x.dims()[1];
    let scale = ((x.clone() * x.clone()).mean_dim(1) + eps).sqrt();
    x / scale * pass.vector(&format!("{name}.weight")).reshape([1, size])
}
