//! BERT (Devlin et al., "BERT", NAACL 2019, arXiv:1810.04805) as a graph of plain nodes.
//!
//! ```text
//! input_ids, token_type_ids ─ Gather ─ + positions ─ LayerNormalization ─┐
//!           ┌────────────────────────── × num_hidden_layers ─────────────┤
//!           │ softmax(QKᵀ/√d + mask)·V ─ dense ─ + ─ LayerNormalization  │
//!           │ dense ─ GELU ─ dense ─────────────── + ─ LayerNormalization│
//!           └───────────────────────── hidden [batch, sequence, hidden] ─┘
//! ```

use std::path::Path;

use serde::Deserialize;

use super::ExportError;
use super::checkpoint::Checkpoint;
use super::graph::{GraphBuilder, float, int, ints};

/// What is added to the attention logits of padding: `exp` of it is zero in f32.
const MASKED: f32 = -1e9;

/// The settings of `config.json` that decide the graph.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct BertConfig {
    pub(super) model_type: String,
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
}

fn two() -> usize {
    2
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
    pub(super) fn read(file: &Path) -> Result<Self, ExportError> {
        let config: Self = super::read_json(file)?;
        let refuse = |field, found: &dyn ToString, expected| {
            Err(ExportError::Config { file: file.to_owned(), field, found: found.to_string(), expected })
        };
        if config.model_type != "bert" {
            return refuse("model_type", &config.model_type, "the exporter writes \"bert\"");
        }
        if config.position_embedding_type != "absolute" {
            return refuse(
                "position_embedding_type",
                &config.position_embedding_type,
                "\"absolute\" can be written",
            );
        }
        if Activation::named(&config.hidden_act).is_none() {
            let expected = "\"gelu\", \"gelu_new\", \"gelu_pytorch_tanh\" and \"relu\" can be written";
            return refuse("hidden_act", &config.hidden_act, expected);
        }
        if config.hidden_size == 0 || config.hidden_size > crate::types::MAX_DIM {
            return refuse("hidden_size", &config.hidden_size, "1 to 8192 are possible");
        }
        if config.num_attention_heads == 0 || !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return refuse(
                "num_attention_heads",
                &config.num_attention_heads,
                "a divisor of hidden_size is expected",
            );
        }
        if config.max_position_embeddings < 2 {
            return refuse(
                "max_position_embeddings",
                &config.max_position_embeddings,
                "at least 2 are needed",
            );
        }
        if !(config.layer_norm_eps.is_finite() && config.layer_norm_eps >= 0.0) {
            return refuse("layer_norm_eps", &config.layer_norm_eps, "a small positive number is expected");
        }
        Ok(config)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Activation {
    Gelu,
    GeluTanh,
    Relu,
}

impl Activation {
    fn named(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            _ => None,
        }
    }
}

/// Writes one encoder's nodes.
pub(super) struct BertGraph<'a> {
    pub(super) graph: GraphBuilder,
    pub(super) config: &'a BertConfig,
    checkpoint: &'a Checkpoint,
    half: String,
    one: String,
}

impl<'a> BertGraph<'a> {
    /// Starts the graph with the three inputs, `[batch, sequence]` of int64 each.
    pub(super) fn new(name: &str, config: &'a BertConfig, checkpoint: &'a Checkpoint) -> Self {
        let mut graph = GraphBuilder::new(name);
        for input in ["input_ids", "attention_mask", "token_type_ids"] {
            graph.input_i64(input, &[Err("batch"), Err("sequence")]);
        }
        let (half, one) = (graph.scalar(0.5), graph.scalar(1.0));
        Self { graph, config, checkpoint, half, one }
    }

    /// Adds the encoder; returns the name of the last hidden states, `[batch, sequence, hidden]`.
    pub(super) fn encoder(&mut self) -> Result<String, ExportError> {
        let mut hidden = self.embeddings()?;
        self.graph.scope("encoder");
        let mask = self.mask_f32(&[1, 2]);
        let inverted = self.graph.node("Sub", &[&self.one, &mask], vec![]);
        let masked = self.graph.scalar(MASKED);
        let bias = self.graph.node("Mul", &[&inverted, &masked], vec![]);
        for layer in 0..self.config.num_hidden_layers {
            hidden = self.layer(&format!("encoder.layer.{layer}"), &hidden, &bias)?;
        }
        Ok(hidden)
    }

    /// The attention mask as f32, with new axes at `axes`.
    pub(super) fn mask_f32(&mut self, axes: &[i64]) -> String {
        let to_f32 = super::messages::DataType::Float as i64;
        let mask = self.graph.node("Cast", &["attention_mask"], vec![int("to", to_f32)]);
        let axes = self.graph.constant_i64(&[axes.len()], axes);
        self.graph.node("Unsqueeze", &[&mask, &axes], vec![])
    }

    fn embeddings(&mut self) -> Result<String, ExportError> {
        let config = self.config;
        let hidden = config.hidden_size;
        let table = |name: &str, rows| {
            self.checkpoint.expect(&format!("embeddings.{name}_embeddings.weight"), &[rows, hidden])
        };
        let words = table("word", config.vocab_size)?;
        let positions = table("position", config.max_position_embeddings)?;
        let types = table("token_type", config.type_vocab_size)?;
        let graph = &mut self.graph;
        graph.scope("embeddings");
        let words = graph.stored(&words, &[config.vocab_size, hidden]);
        let positions = graph.stored(&positions, &[config.max_position_embeddings, hidden]);
        let types = graph.stored(&types, &[config.type_vocab_size, hidden]);
        let words = graph.node("Gather", &[&words, "input_ids"], vec![]);
        let types = graph.node("Gather", &[&types, "token_type_ids"], vec![]);
        let shape = graph.node("Shape", &["input_ids"], vec![]);
        let zero = graph.constant_i64(&[1], &[0]);
        let one = graph.constant_i64(&[1], &[1]);
        let sequence = graph.node("Gather", &[&shape, &one], vec![]);
        let positions = graph.node("Slice", &[&positions, &zero, &sequence, &zero], vec![]);
        let sum = graph.node("Add", &[&words, &types], vec![]);
        let sum = graph.node("Add", &[&sum, &positions], vec![]);
        self.layer_norm("embeddings.LayerNorm", &sum)
    }

    fn layer(&mut self, name: &str, hidden: &str, bias: &str) -> Result<String, ExportError> {
        self.graph.scope(name);
        let (size, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let context = self.attention(&format!("{name}.attention.self"), hidden, bias)?;
        let output = self.linear(&format!("{name}.attention.output.dense"), &context, size, size)?;
        let sum = self.graph.node("Add", &[&output, hidden], vec![]);
        let hidden = self.layer_norm(&format!("{name}.attention.output.LayerNorm"), &sum)?;
        let wide = self.linear(&format!("{name}.intermediate.dense"), &hidden, size, inner)?;
        let wide = self.activation(&wide);
        let output = self.linear(&format!("{name}.output.dense"), &wide, inner, size)?;
        let sum = self.graph.node("Add", &[&output, &hidden], vec![]);
        self.layer_norm(&format!("{name}.output.LayerNorm"), &sum)
    }

    fn attention(&mut self, name: &str, hidden: &str, bias: &str) -> Result<String, ExportError> {
        let size = self.config.hidden_size;
        let heads = self.config.num_attention_heads;
        let width = size / heads;
        let split = self.graph.constant_i64(&[4], &[0, 0, heads as i64, width as i64]);
        let merge = self.graph.constant_i64(&[3], &[0, 0, size as i64]);
        let mut part = |name: String, perm: &[i64]| {
            let flat = self.linear(&name, hidden, size, size)?;
            let parts = self.graph.node("Reshape", &[&flat, &split], vec![]);
            Ok::<_, ExportError>(self.graph.node("Transpose", &[&parts], vec![ints("perm", perm)]))
        };
        let query = part(format!("{name}.query"), &[0, 2, 1, 3])?;
        let key = part(format!("{name}.key"), &[0, 2, 3, 1])?;
        let value = part(format!("{name}.value"), &[0, 2, 1, 3])?;
        let graph = &mut self.graph;
        let scores = graph.node("MatMul", &[&query, &key], vec![]);
        let scale = graph.scalar((width as f32).sqrt());
        let scores = graph.node("Div", &[&scores, &scale], vec![]);
        let scores = graph.node("Add", &[&scores, bias], vec![]);
        let weights = graph.node("Softmax", &[&scores], vec![int("axis", -1)]);
        let context = graph.node("MatMul", &[&weights, &value], vec![]);
        let context = graph.node("Transpose", &[&context], vec![ints("perm", &[0, 2, 1, 3])]);
        Ok(graph.node("Reshape", &[&context, &merge], vec![]))
    }

    /// `x · Wᵀ + b` with PyTorch's `[outputs, inputs]` weights, stored turned round.
    pub(super) fn linear(
        &mut self,
        name: &str,
        input: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<String, ExportError> {
        let weight = self.checkpoint.expect(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = self.checkpoint.expect(&format!("{name}.bias"), &[outputs])?;
        let weight = self.graph.transposed(&weight, [outputs, inputs]);
        let bias = self.graph.stored(&bias, &[outputs]);
        let product = self.graph.node("MatMul", &[input, &weight], vec![]);
        Ok(self.graph.node("Add", &[&product, &bias], vec![]))
    }

    fn layer_norm(&mut self, name: &str, input: &str) -> Result<String, ExportError> {
        let size = self.config.hidden_size;
        let weight = self.checkpoint.expect(&format!("{name}.weight"), &[size])?;
        let bias = self.checkpoint.expect(&format!("{name}.bias"), &[size])?;
        let (weight, bias) = (self.graph.stored(&weight, &[size]), self.graph.stored(&bias, &[size]));
        let attributes = vec![int("axis", -1), float("epsilon", self.config.layer_norm_eps)];
        Ok(self.graph.node("LayerNormalization", &[input, &weight, &bias], attributes))
    }

    /// `GELU(x) = x · (1 + erf(x / √2)) / 2` (Hendrycks & Gimpel, arXiv:1606.08415), or its tanh form, or ReLU.
    fn activation(&mut self, input: &str) -> String {
        let activation = Activation::named(&self.config.hidden_act);
        let graph = &mut self.graph;
        let inner = match activation {
            Some(Activation::Relu) => return graph.node("Relu", &[input], vec![]),
            Some(Activation::GeluTanh) => {
                let square = graph.node("Mul", &[input, input], vec![]);
                let cube = graph.node("Mul", &[&square, input], vec![]);
                let factor = graph.scalar(0.044_715);
                let cube = graph.node("Mul", &[&cube, &factor], vec![]);
                let sum = graph.node("Add", &[input, &cube], vec![]);
                let scale = graph.scalar(std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2);
                let scaled = graph.node("Mul", &[&sum, &scale], vec![]);
                graph.node("Tanh", &[&scaled], vec![])
            }
            Some(Activation::Gelu) | None => {
                let root = graph.scalar(std::f32::consts::SQRT_2);
                let scaled = graph.node("Div", &[input, &root], vec![]);
                graph.node("Erf", &[&scaled], vec![])
            }
        };
        let sum = graph.node("Add", &[&inner, &self.one], vec![]);
        let product = graph.node("Mul", &[input, &sum], vec![]);
        graph.node("Mul", &[&product, &self.half], vec![])
    }
}
