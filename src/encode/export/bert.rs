//! BERT (Devlin et al., "BERT", NAACL 2019, arXiv:1810.04805).
//!
//! ```text
//! input_ids, token_type_ids ─ tables ─ + positions ─ LayerNormalization ─ PostNorm
//! ```

use serde::Deserialize;

use super::ExportError;
use super::activation::Activation;
use super::config::ConfigFile;
use super::family::{Family, labels};
use super::net::Net;
use super::post_norm::{BERT_NAMES, PostNorm};

/// The settings of `config.json` that decide the graph.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct BertConfig {
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    pub(super) max_position_embeddings: usize,
    #[serde(default = "two")]
    pub(super) type_vocab_size: usize,
    #[serde(default = "epsilon")]
    pub(super) layer_norm_eps: f32,
    #[serde(default = "gelu")]
    pub(super) hidden_act: String,
    #[serde(default = "absolute")]
    pub(super) position_embedding_type: String,
    /// Of RoBERTa: positions count from the token after it.
    #[serde(default = "one")]
    pub(super) pad_token_id: Option<usize>,
}

fn two() -> usize {
    2
}

fn one() -> Option<usize> {
    Some(1)
}

fn epsilon() -> f32 {
    1e-12
}

fn gelu() -> String {
    "gelu".into()
}

fn absolute() -> String {
    "absolute".into()
}

impl BertConfig {
    /// The settings, within bounds, and those of the layers.
    pub(super) fn read(file: &ConfigFile) -> Result<(Self, PostNorm), ExportError> {
        let config: Self = file.read()?;
        if config.position_embedding_type != "absolute" {
            let (found, expected) = (&config.position_embedding_type, "\"absolute\" can be written");
            return Err(file.refusal("position_embedding_type", found, expected));
        }
        let activation = Activation::read(file, "hidden_act", &config.hidden_act)?;
        file.hidden("hidden_size", config.hidden_size)?;
        file.heads("num_attention_heads", config.num_attention_heads, config.hidden_size)?;
        file.width("intermediate_size", config.intermediate_size)?;
        file.layers("num_hidden_layers", config.num_hidden_layers)?;
        file.vocabulary("vocab_size", config.vocab_size)?;
        file.width("type_vocab_size", config.type_vocab_size)?;
        file.positions("max_position_embeddings", config.max_position_embeddings)?;
        file.epsilon("layer_norm_eps", config.layer_norm_eps)?;
        let layers = PostNorm {
            hidden: config.hidden_size,
            inner: config.intermediate_size,
            heads: config.num_attention_heads,
            layers: config.num_hidden_layers,
            epsilon: config.layer_norm_eps,
            activation,
        };
        Ok((config, layers))
    }
}

/// A BERT encoder.
#[derive(Debug)]
pub(super) struct Bert {
    config: BertConfig,
    layers: PostNorm,
}

impl Bert {
    pub(super) fn read(file: &ConfigFile) -> Result<Self, ExportError> {
        let (config, layers) = BertConfig::read(file)?;
        Ok(Self { config, layers })
    }

    fn embeddings(&self, net: &mut Net<'_>) -> Result<String, ExportError> {
        let (config, size) = (&self.config, self.config.hidden_size);
        net.graph.scope("embeddings");
        let words = net.embedding("embeddings.word_embeddings", "input_ids", [config.vocab_size, size])?;
        let types = net.embedding(
            "embeddings.token_type_embeddings",
            "token_type_ids",
            [config.type_vocab_size, size],
        )?;
        let positions =
            first_positions(net, "embeddings.position_embeddings", [config.max_position_embeddings, size])?;
        let sum = net.add(&words, &types);
        let sum = net.add(&sum, &positions);
        net.layer_norm("embeddings.LayerNorm", &sum, size, config.layer_norm_eps, true)
    }
}

/// The first rows of a table, one for each token of the sequence: `[sequence, size]`.
pub(super) fn first_positions(
    net: &mut Net<'_>,
    name: &str,
    [rows, size]: [usize; 2],
) -> Result<String, ExportError> {
    let table = net.checkpoint.expect(&format!("{name}.weight"), &[rows, size])?;
    let graph = &mut net.graph;
    let table = graph.stored(&table, &[rows, size]);
    let shape = graph.node("Shape", &["input_ids"], vec![]);
    let (zero, one) = (graph.constant_i64(&[1], &[0]), graph.constant_i64(&[1], &[1]));
    let sequence = graph.node("Gather", &[&shape, &one], vec![]);
    Ok(graph.node("Slice", &[&table, &zero, &sequence, &zero], vec![]))
}

impl Family for Bert {
    fn name(&self) -> &'static str {
        "BERT"
    }

    fn prefix(&self) -> &'static str {
        "bert."
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

    fn inputs(&self) -> &'static [&'static str] {
        &["input_ids", "attention_mask", "token_type_ids"]
    }

    fn encode(&self, net: &mut Net<'_>) -> Result<String, ExportError> {
        let embedded = self.embeddings(net)?;
        self.layers.encode(net, &BERT_NAMES, embedded)
    }

    fn classify(&self, net: &mut Net<'_>, hidden: &str) -> Result<(String, usize), ExportError> {
        let (size, labels) = (self.config.hidden_size, labels(net, "classifier.weight"));
        let first = net.first_token(hidden);
        let pooled = net.linear("pooler.dense", &first, [size, size], true)?;
        let pooled = net.graph.node("Tanh", &[&pooled], vec![]);
        Ok((net.linear("classifier", &pooled, [size, labels], true)?, labels))
    }
}
