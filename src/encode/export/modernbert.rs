//! ModernBERT (Warner et al., arXiv:2412.13663): an encoder with rotary positions, layers of which most see only what is
//! near, gated linear units (Shazeer, arXiv:2002.05202) and normalisation in front of each part.
//!
//! ```text
//! input_ids ─ table ─ norm ─┬ norm ─ attention ─ + ─┬ norm ─ Wi ─ GELU(a)·b ─ Wo ─ + ─ … ─ norm
//!                           └─────────────────────┘ └──────────────────────────────┘
//! ```

use serde::Deserialize;

use super::ExportError;
use super::activation::Activation;
use super::attention::{Heads, Parts, Rotary, attend};
use super::config::ConfigFile;
use super::family::{Family, labels};
use super::net::{Net, Sight};
use super::rope::{self, RopeSettings};

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
struct RopeOfKinds {
    full_attention: Option<RopeSettings>,
    sliding_attention: Option<RopeSettings>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    #[serde(default = "gelu")]
    hidden_activation: String,
    #[serde(default = "epsilon")]
    norm_eps: f32,
    #[serde(default)]
    norm_bias: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default = "window")]
    local_attention: usize,
    #[serde(default = "every")]
    global_attn_every_n_layers: usize,
    layer_types: Option<Vec<String>>,
    global_rope_theta: Option<f64>,
    local_rope_theta: Option<f64>,
    #[serde(default)]
    rope_parameters: RopeOfKinds,
    #[serde(default = "cls")]
    classifier_pooling: String,
    #[serde(default)]
    classifier_bias: bool,
    #[serde(default = "gelu")]
    classifier_activation: String,
}

fn gelu() -> String {
    "gelu".into()
}

fn cls() -> String {
    "cls".into()
}

fn epsilon() -> f32 {
    1e-5
}

fn window() -> usize {
    128
}

fn every() -> usize {
    3
}

/// A ModernBERT encoder.
#[derive(Debug)]
pub(super) struct ModernBert {
    config: Config,
    activation: Activation,
    classifier_activation: Activation,
    /// Whether each layer sees only what is near.
    near: Vec<bool>,
    /// Frequencies of layers that see all, and of those that do not.
    frequencies: [Vec<f32>; 2],
    averages: bool,
}

impl ModernBert {
    pub(super) fn read(file: &ConfigFile) -> Result<Self, ExportError> {
        let config: Config = file.read()?;
        file.hidden("hidden_size", config.hidden_size)?;
        file.heads("num_attention_heads", config.num_attention_heads, config.hidden_size)?;
        file.width("intermediate_size", config.intermediate_size)?;
        file.layers("num_hidden_layers", config.num_hidden_layers)?;
        file.vocabulary("vocab_size", config.vocab_size)?;
        file.positions("max_position_embeddings", config.max_position_embeddings)?;
        file.epsilon("norm_eps", config.norm_eps)?;
        file.width("local_attention", config.local_attention)?;
        let width = config.hidden_size / config.num_attention_heads;
        if !width.is_multiple_of(2) {
            let expected = "heads of an even width are expected";
            return Err(file.refusal("num_attention_heads", config.num_attention_heads, expected));
        }
        let kinds = &config.rope_parameters;
        let one = |field, settings: &Option<RopeSettings>, older: Option<f64>, usual| {
            let settings = settings.clone().unwrap_or_default();
            let theta = settings.rope_theta.or(older).unwrap_or(usual);
            rope::frequencies(file, (field, theta), &settings, width)
        };
        let frequencies = [
            one("global_rope_theta", &kinds.full_attention, config.global_rope_theta, 160_000.0)?,
            one("local_rope_theta", &kinds.sliding_attention, config.local_rope_theta, 10_000.0)?,
        ];
        let averages = match config.classifier_pooling.as_str() {
            "cls" => false,
            "mean" => true,
            other => {
                return Err(file.refusal("classifier_pooling", other, "\"cls\" and \"mean\" can be written"));
            }
        };
        Ok(Self {
            activation: Activation::read(file, "hidden_activation", &config.hidden_activation)?,
            classifier_activation: Activation::read(
                file,
                "classifier_activation",
                &config.classifier_activation,
            )?,
            near: near(file, &config)?,
            frequencies,
            averages,
            config,
        })
    }

    fn heads(&self) -> Heads {
        Heads::equal(self.config.num_attention_heads, self.config.hidden_size)
    }

    fn norm(&self, net: &mut Net<'_>, name: &str, input: &str) -> Result<String, ExportError> {
        let config = &self.config;
        net.layer_norm(name, input, config.hidden_size, config.norm_eps, config.norm_bias)
    }

    fn layer(
        &self,
        net: &mut Net<'_>,
        layer: usize,
        hidden: &str,
        (rotary, bias): (&Rotary, &str),
    ) -> Result<String, ExportError> {
        let config = &self.config;
        let name = |part: &str| format!("layers.{layer}.{part}");
        net.graph.scope(format!("layers.{layer}"));
        // The embeddings are normalised already.
        let input = match layer {
            0 => hidden.to_owned(),
            _ => self.norm(net, &name("attn_norm"), hidden)?,
        };
        let size = config.hidden_size;
        let all = net.linear(&name("attn.Wqkv"), &input, [size, 3 * size], config.attention_bias)?;
        let mut part = |at: usize| net.graph.slice(&all, -1, (at * size) as i64, ((at + 1) * size) as i64);
        let parts = Parts { query: part(0), key: part(1), value: part(2) };
        let context = attend(net, &parts, self.heads(), Some(rotary), bias);
        let output = net.linear(&name("attn.Wo"), &context, [size, size], config.attention_bias)?;
        let hidden = net.add(hidden, &output);

        let input = self.norm(net, &name("mlp_norm"), &hidden)?;
        let inner = config.intermediate_size;
        let both = net.linear(&name("mlp.Wi"), &input, [size, 2 * inner], config.mlp_bias)?;
        let wide = net.graph.slice(&both, -1, 0, inner as i64);
        let gate = net.graph.slice(&both, -1, inner as i64, 2 * inner as i64);
        let wide = net.activation(self.activation, &wide);
        let gated = net.graph.node("Mul", &[&wide, &gate], vec![]);
        let output = net.linear(&name("mlp.Wo"), &gated, [inner, size], config.mlp_bias)?;
        Ok(net.add(&hidden, &output))
    }
}

fn near(file: &ConfigFile, config: &Config) -> Result<Vec<bool>, ExportError> {
    let Some(types) = &config.layer_types else {
        let every = config.global_attn_every_n_layers;
        if every == 0 {
            return Err(file.refusal("global_attn_every_n_layers", every, "at least 1 is expected"));
        }
        return Ok((0..config.num_hidden_layers).map(|layer| !layer.is_multiple_of(every)).collect());
    };
    file.layer_types(types, config.num_hidden_layers)
}

impl Family for ModernBert {
    fn name(&self) -> &'static str {
        "ModernBERT"
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

    fn encode(&self, net: &mut Net<'_>) -> Result<String, ExportError> {
        let config = &self.config;
        net.graph.scope("embeddings");
        let table = [config.vocab_size, config.hidden_size];
        let embedded = net.embedding("embeddings.tok_embeddings", "input_ids", table)?;
        let mut hidden = self.norm(net, "embeddings.norm", &embedded)?;
        net.graph.scope("encoder");
        let axes = self.heads().axes();
        let all = net.sight(Sight::All, axes);
        let near = net.sight(Sight::Near(config.local_attention / 2), axes);
        let [all_rotary, near_rotary] = [0, 1].map(|kind| {
            Rotary::new(net, ["global_frequencies", "local_frequencies"][kind], &self.frequencies[kind])
        });
        for (layer, &is_near) in self.near.iter().enumerate() {
            let sees = if is_near { (&near_rotary, near.as_str()) } else { (&all_rotary, all.as_str()) };
            hidden = self.layer(net, layer, &hidden, sees)?;
        }
        self.norm(net, "final_norm", &hidden)
    }

    fn classify(&self, net: &mut Net<'_>, hidden: &str) -> Result<(String, usize), ExportError> {
        let (size, labels) = (self.config.hidden_size, labels(net, "classifier.weight"));
        let pooled = if self.averages { net.mean(hidden) } else { net.first_token(hidden) };
        let pooled = net.linear("head.dense", &pooled, [size, size], self.config.classifier_bias)?;
        let pooled = net.activation(self.classifier_activation, &pooled);
        let pooled = self.norm(net, "head.norm", &pooled)?;
        Ok((net.linear("classifier", &pooled, [size, labels], true)?, labels))
    }
}
