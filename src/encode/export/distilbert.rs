//! DistilBERT (Sanh et al., arXiv:1910.01108): BERT's layers under other names, with no segments.

use serde::Deserialize;

use super::ExportError;
use super::activation::Activation;
use super::bert::first_positions;
use super::config::ConfigFile;
use super::family::{Family, labels};
use super::net::Net;
use super::post_norm::{LayerNames, PostNorm};

/// The family's own, stated nowhere.
const EPSILON: f32 = 1e-12;

const NAMES: LayerNames = LayerNames {
    layer: "transformer.layer.",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    merged: "attention.out_lin",
    first_norm: "sa_layer_norm",
    wide: "ffn.lin1",
    narrow: "ffn.lin2",
    second_norm: "output_layer_norm",
};

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Config {
    vocab_size: usize,
    dim: usize,
    hidden_dim: usize,
    n_layers: usize,
    n_heads: usize,
    max_position_embeddings: usize,
    #[serde(default = "gelu")]
    activation: String,
}

fn gelu() -> String {
    "gelu".into()
}

/// A DistilBERT encoder.
#[derive(Debug)]
pub(super) struct DistilBert {
    config: Config,
    layers: PostNorm,
}

impl DistilBert {
    pub(super) fn read(file: &ConfigFile) -> Result<Self, ExportError> {
        let config: Config = file.read()?;
        file.hidden("dim", config.dim)?;
        file.heads("n_heads", config.n_heads, config.dim)?;
        file.width("hidden_dim", config.hidden_dim)?;
        file.layers("n_layers", config.n_layers)?;
        file.vocabulary("vocab_size", config.vocab_size)?;
        file.positions("max_position_embeddings", config.max_position_embeddings)?;
        let layers = PostNorm {
            hidden: config.dim,
            inner: config.hidden_dim,
            heads: config.n_heads,
            layers: config.n_layers,
            epsilon: EPSILON,
            activation: Activation::read(file, "activation", &config.activation)?,
        };
        Ok(Self { config, layers })
    }
}

impl Family for DistilBert {
    fn name(&self) -> &'static str {
        "DistilBERT"
    }

    fn prefix(&self) -> &'static str {
        "distilbert."
    }

    fn hidden_size(&self) -> usize {
        self.config.dim
    }

    fn layers(&self) -> usize {
        self.config.n_layers
    }

    fn max_tokens(&self) -> usize {
        self.config.max_position_embeddings
    }

    fn encode(&self, net: &mut Net<'_>) -> Result<String, ExportError> {
        let (config, size) = (&self.config, self.config.dim);
        net.graph.scope("embeddings");
        let words = net.embedding("embeddings.word_embeddings", "input_ids", [config.vocab_size, size])?;
        let rows = [config.max_position_embeddings, size];
        let positions = first_positions(net, "embeddings.position_embeddings", rows)?;
        let sum = net.add(&words, &positions);
        let embedded = net.layer_norm("embeddings.LayerNorm", &sum, size, EPSILON, true)?;
        self.layers.encode(net, &NAMES, embedded)
    }

    fn classify(&self, net: &mut Net<'_>, hidden: &str) -> Result<(String, usize), ExportError> {
        let (size, labels) = (self.config.dim, labels(net, "classifier.weight"));
        let first = net.first_token(hidden);
        let pooled = net.linear("pre_classifier", &first, [size, size], true)?;
        let pooled = net.activation(Activation::Relu, &pooled);
        Ok((net.linear("classifier", &pooled, [size, labels], true)?, labels))
    }
}
