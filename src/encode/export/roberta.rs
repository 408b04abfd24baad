//! RoBERTa (Liu et al., arXiv:1907.11692), XLM-R (Conneau et al., arXiv:1911.02116) and CamemBERT: BERT's layers with
//! positions that are counted past the padding's id, and no segments.

use super::ExportError;
use super::bert::BertConfig;
use super::config::ConfigFile;
use super::family::{Family, labels};
use super::graph::int;
use super::messages::DataType;
use super::net::Net;
use super::post_norm::{BERT_NAMES, PostNorm};

/// A RoBERTa encoder.
#[derive(Debug)]
pub(super) struct Roberta {
    config: BertConfig,
    layers: PostNorm,
    padding: usize,
}

impl Roberta {
    pub(super) fn read(file: &ConfigFile) -> Result<Self, ExportError> {
        let (config, layers) = BertConfig::read(file)?;
        let padding = config.pad_token_id.unwrap_or(1);
        // Two positions at least are needed after the padding's own.
        if padding.saturating_add(3) > config.max_position_embeddings {
            let expected = "less than max_position_embeddings by 3 is expected";
            return Err(file.refusal("pad_token_id", padding, expected));
        }
        Ok(Self { config, layers, padding })
    }

    /// `padding + (how many tokens so far are no padding)`, and `padding` itself for padding.
    fn positions(&self, net: &mut Net<'_>) -> String {
        let graph = &mut net.graph;
        let padding = graph.constant_i64(&[], &[self.padding as i64]);
        let padded = graph.node("Equal", &["input_ids", &padding], vec![]);
        let text = graph.node("Not", &[&padded], vec![]);
        let text = graph.cast(&text, DataType::Int64);
        let axis = graph.constant_i64(&[], &[1]);
        let count = graph.node("CumSum", &[&text, &axis], vec![]);
        let count = graph.node("Mul", &[&count, &text], vec![]);
        graph.node("Add", &[&count, &padding], vec![])
    }

    fn embeddings(&self, net: &mut Net<'_>) -> Result<String, ExportError> {
        let (config, size) = (&self.config, self.config.hidden_size);
        net.graph.scope("embeddings");
        let words = net.embedding("embeddings.word_embeddings", "input_ids", [config.vocab_size, size])?;
        let positions = self.positions(net);
        let rows = [config.max_position_embeddings, size];
        let positions = net.embedding("embeddings.position_embeddings", &positions, rows)?;
        // All texts are of the first segment.
        let name = "embeddings.token_type_embeddings.weight";
        let types = net.checkpoint.expect(name, &[config.type_vocab_size, size])?;
        let types = net.graph.stored(&types, &[config.type_vocab_size, size]);
        let zero = net.graph.constant_i64(&[], &[0]);
        let kind = net.graph.node("Gather", &[&types, &zero], vec![int("axis", 0)]);
        let sum = net.add(&words, &kind);
        let sum = net.add(&sum, &positions);
        net.layer_norm("embeddings.LayerNorm", &sum, size, config.layer_norm_eps, true)
    }
}

impl Family for Roberta {
    fn name(&self) -> &'static str {
        "RoBERTa"
    }

    fn prefix(&self) -> &'static str {
        "roberta."
    }

    fn hidden_size(&self) -> usize {
        self.config.hidden_size
    }

    fn layers(&self) -> usize {
        self.config.num_hidden_layers
    }

    fn max_tokens(&self) -> usize {
        self.config.max_position_embeddings - self.padding - 1
    }

    fn encode(&self, net: &mut Net<'_>) -> Result<String, ExportError> {
        let embedded = self.embeddings(net)?;
        self.layers.encode(net, &BERT_NAMES, embedded)
    }

    fn classify(&self, net: &mut Net<'_>, hidden: &str) -> Result<(String, usize), ExportError> {
        let (size, labels) = (self.config.hidden_size, labels(net, "classifier.out_proj.weight"));
        let first = net.first_token(hidden);
        let pooled = net.linear("classifier.dense", &first, [size, size], true)?;
        let pooled = net.graph.node("Tanh", &[&pooled], vec![]);
        Ok((net.linear("classifier.out_proj", &pooled, [size, labels], true)?, labels))
    }
}
