//! Decoders: Llama (Touvron et al., arXiv:2302.13971), Mistral (Jiang et al., arXiv:2310.06825), Qwen2
//! (arXiv:2407.10671) and Qwen3 (arXiv:2505.09388), as encoders of texts and judges of pairs.
//!
//! ```text
//! input_ids ─ table ─┬ norm ─ attention ─ + ─┬ norm ─ silu(gate)·up ─ down ─ + ─ … ─ norm
//!                    └────────────────────┘  └──────────────────────────────┘
//! ```
//!
//! A token sees itself and those before it. Texts may be padded on either side: positions turn queries against keys, so
//! only distances count, and padding is never seen.

use serde::Deserialize;

use super::activation::Activation;
use super::attention::{Heads, Rotary, attend_split, split};
use super::config::ConfigFile;
use super::family::{Family, labels};
use super::graph::int;
use super::net::{Net, Sight};
use super::rope::{self, RopeSettings};
use super::{ExportError, Pooling};

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Config {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    #[serde(default = "silu")]
    hidden_act: String,
    #[serde(default = "epsilon")]
    rms_norm_eps: f32,
    rope_theta: Option<f64>,
    rope_scaling: Option<RopeSettings>,
    rope_parameters: Option<RopeSettings>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    use_sliding_window: bool,
    sliding_window: Option<usize>,
    #[serde(default)]
    max_window_layers: usize,
    layer_types: Option<Vec<String>>,
    pad_token_id: Option<i64>,
    is_causal: Option<bool>,
    use_bidirectional_attention: Option<bool>,
}

fn silu() -> String {
    "silu".into()
}

fn epsilon() -> f32 {
    1e-6
}

/// What differs between the families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Traits {
    name: &'static str,
    /// Biases of queries, keys and values; of the attention's output; of the gated unit.
    biases: [bool; 3],
    /// Queries and keys are normalised head by head.
    norms: bool,
}

fn traits(config: &Config) -> Traits {
    let (attention, gated) = (config.attention_bias, config.mlp_bias);
    match config.model_type.as_str() {
        "qwen2" => Traits { name: "Qwen2", biases: [true, false, false], norms: false },
        "qwen3" => Traits { name: "Qwen3", biases: [attention, attention, false], norms: true },
        "mistral" => Traits { name: "Mistral", biases: [false; 3], norms: false },
        _ => Traits { name: "Llama", biases: [attention, attention, gated], norms: false },
    }
}

/// A decoder.
#[derive(Debug)]
pub(super) struct Decoder {
    config: Config,
    traits: Traits,
    heads: Heads,
    activation: Activation,
    frequencies: Vec<f32>,
    sight: Vec<Sight>,
}

impl Decoder {
    pub(super) fn read(file: &ConfigFile) -> Result<Self, ExportError> {
        let config: Config = file.read()?;
        file.hidden("hidden_size", config.hidden_size)?;
        file.width("intermediate_size", config.intermediate_size)?;
        file.layers("num_hidden_layers", config.num_hidden_layers)?;
        file.vocabulary("vocab_size", config.vocab_size)?;
        file.positions("max_position_embeddings", config.max_position_embeddings)?;
        file.epsilon("rms_norm_eps", config.rms_norm_eps)?;
        if config.is_causal == Some(false) || config.use_bidirectional_attention == Some(true) {
            let expected = "attention to earlier tokens only can be written";
            return Err(file.refusal("is_causal", false, expected));
        }
        let heads = heads(file, &config)?;
        let rope = config.rope_parameters.clone().or(config.rope_scaling.clone()).unwrap_or_default();
        let theta = rope.rope_theta.or(config.rope_theta).unwrap_or(10_000.0);
        Ok(Self {
            traits: traits(&config),
            heads,
            activation: Activation::read(file, "hidden_act", &config.hidden_act)?,
            frequencies: rope::frequencies(file, ("rope_theta", theta), &rope, heads.width)?,
            sight: sight(file, &config)?,
            config,
        })
    }

    fn norm(&self, net: &mut Net<'_>, name: &str, input: &str) -> Result<String, ExportError> {
        net.rms_norm(name, input, self.config.hidden_size, self.config.rms_norm_eps)
    }

    fn attention(
        &self,
        net: &mut Net<'_>,
        name: &str,
        input: &str,
        (rotary, bias): (&Rotary, &str),
    ) -> Result<String, ExportError> {
        let Heads { count, shared, width } = self.heads;
        let (hidden, [biased, output_biased, _]) = (self.config.hidden_size, self.traits.biases);
        let query = net.linear(&format!("{name}.q_proj"), input, [hidden, count * width], biased)?;
        let key = net.linear(&format!("{name}.k_proj"), input, [hidden, shared * width], biased)?;
        let value = net.linear(&format!("{name}.v_proj"), input, [hidden, shared * width], biased)?;
        let mut query = split(&mut net.graph, &query, count, width);
        let mut key = split(&mut net.graph, &key, shared, width);
        if self.traits.norms {
            let epsilon = self.config.rms_norm_eps;
            query = net.rms_norm(&format!("{name}.q_norm"), &query, width, epsilon)?;
            key = net.rms_norm(&format!("{name}.k_norm"), &key, width, epsilon)?;
        }
        let context = attend_split(&mut net.graph, [query, key, value], self.heads, Some(rotary), bias);
        net.linear(&format!("{name}.o_proj"), &context, [count * width, hidden], output_biased)
    }

    fn gated(&self, net: &mut Net<'_>, name: &str, input: &str) -> Result<String, ExportError> {
        let (wide, [.., biased]) =
            ([self.config.hidden_size, self.config.intermediate_size], self.traits.biases);
        let gate = net.linear(&format!("{name}.gate_proj"), input, wide, biased)?;
        let gate = net.activation(self.activation, &gate);
        let up = net.linear(&format!("{name}.up_proj"), input, wide, biased)?;
        let both = net.graph.node("Mul", &[&gate, &up], vec![]);
        net.linear(&format!("{name}.down_proj"), &both, [wide[1], wide[0]], biased)
    }
}

fn heads(file: &ConfigFile, config: &Config) -> Result<Heads, ExportError> {
    let count = config.num_attention_heads;
    let usual = (config.model_type == "qwen3").then_some(128);
    let width = match config.head_dim.or(usual) {
        Some(width) => width,
        None => {
            file.heads("num_attention_heads", count, config.hidden_size)?;
            config.hidden_size / count
        }
    };
    if width == 0 || !width.is_multiple_of(2) {
        return Err(file.refusal("head_dim", width, "an even number is expected"));
    }
    file.hidden("head_dim", width)?;
    let shared = config.num_key_value_heads.unwrap_or(count);
    if count == 0 || shared == 0 || !count.is_multiple_of(shared) {
        return Err(file.refusal(
            "num_key_value_heads",
            shared,
            "a divisor of num_attention_heads is expected",
        ));
    }
    file.width("num_attention_heads", count.saturating_mul(width))?;
    Ok(Heads { count, shared, width })
}

/// What each layer sees.
fn sight(file: &ConfigFile, config: &Config) -> Result<Vec<Sight>, ExportError> {
    let layers = config.num_hidden_layers;
    let slides = match (config.model_type.as_str(), &config.layer_types) {
        ("mistral", _) => vec![config.sliding_window.is_some(); layers],
        ("llama", _) => vec![false; layers],
        (_, Some(types)) => file.layer_types(types, layers)?,
        _ => {
            (0..layers).map(|layer| config.use_sliding_window && layer >= config.max_window_layers).collect()
        }
    };
    let window = config.sliding_window;
    if slides.contains(&true) && !window.is_some_and(|window| (1..=1 << 20).contains(&window)) {
        let found = window.map_or("missing".to_owned(), |window| window.to_string());
        return Err(file.refusal("sliding_window", found, "1 to 1048576 tokens are possible"));
    }
    let just = window.map_or(Sight::Before, Sight::JustBefore);
    Ok(slides.into_iter().map(|slides| if slides { just } else { Sight::Before }).collect())
}

impl Family for Decoder {
    fn name(&self) -> &'static str {
        self.traits.name
    }

    fn prefix(&self) -> &'static str {
        "model."
    }

    fn hidden_size(&self) -> usize {
        self.config.hidden_size
    }

    fn layers(&self) -> usize {
        self.config.num_hidden_layers
    }

    fn max_tokens(&self) -> usize {
        self.config.max_position_embeddings
    }

    fn pooling(&self) -> Pooling {
        Pooling::LastToken
    }

    fn encode(&self, net: &mut Net<'_>) -> Result<String, ExportError> {
        net.graph.scope("embeddings");
        let table = [self.config.vocab_size, self.config.hidden_size];
        let mut hidden = net.embedding("embed_tokens", "input_ids", table)?;
        net.graph.scope("layers");
        let rotary = Rotary::new(net, "frequencies", &self.frequencies);
        let mut biases: Vec<(Sight, String)> = Vec::new();
        for &sight in &self.sight {
            if !biases.iter().any(|(known, _)| *known == sight) {
                let bias = net.sight(sight, self.heads.axes());
                biases.push((sight, bias));
            }
        }
        for (layer, sight) in self.sight.iter().enumerate() {
            let Some((_, bias)) = biases.iter().find(|(known, _)| known == sight) else { continue };
            let name = |part: &str| format!("layers.{layer}.{part}");
            net.graph.scope(format!("layers.{layer}"));
            let input = self.norm(net, &name("input_layernorm"), &hidden)?;
            let output = self.attention(net, &name("self_attn"), &input, (&rotary, bias))?;
            hidden = net.add(&hidden, &output);
            let input = self.norm(net, &name("post_attention_layernorm"), &hidden)?;
            let output = self.gated(net, &name("mlp"), &input)?;
            hidden = net.add(&hidden, &output);
        }
        self.norm(net, "norm", &hidden)
    }

    fn classify(&self, net: &mut Net<'_>, hidden: &str) -> Result<(String, usize), ExportError> {
        let labels = labels(net, "score.weight");
        let last = net.last_token(hidden, self.config.pad_token_id);
        Ok((net.linear("score", &last, [self.config.hidden_size, labels], false)?, labels))
    }

    fn gives_next_token(&self) -> bool {
        true
    }

    fn next_token(&self, net: &mut Net<'_>, hidden: &str) -> Result<(String, usize), ExportError> {
        let (vocabulary, size) = (self.config.vocab_size, self.config.hidden_size);
        // Models that tie both tables store one.
        let name = match net.checkpoint.find("lm_head.weight") {
            Some(_) => "lm_head.weight",
            None => "embed_tokens.weight",
        };
        let table = net.checkpoint.expect(name, &[vocabulary, size])?;
        let last = net.last_token(hidden, None);
        let logits = match net.int8.as_mut().filter(|int8| !int8.tables_only) {
            Some(int8) => int8.linear(&mut net.graph, &last, (&table, None), [size, vocabulary]),
            None => {
                let table = net.graph.stored(&table, &[vocabulary, size]);
                net.graph.node("Gemm", &[&last, &table], vec![int("transB", 1)])
            }
        };
        Ok((net.graph.unsqueeze(&logits, &[1]), vocabulary))
    }
}
