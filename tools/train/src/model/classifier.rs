//! The heads of rerankers: one number for a pair, as Hugging Face's `…ForSequenceClassification` computes it.

use burn_tensor::Tensor;

use super::backbone::Backbone;
use super::config::Activation;
use super::params::{Declared, Start};
use super::pass::{Pass, activate};
use super::pooling::Pooling;
use crate::data::Tokens;

/// How the score is read off the states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// First token, `bert.pooler.dense`, tanh, `classifier`.
    Bert,
    /// First token, `classifier.dense`, tanh, `classifier.out_proj`.
    Roberta,
    /// First token or mean, `head.dense`, activation, `head.norm`, `classifier`.
    ModernBert {
        /// Which states count.
        pooling: Pooling,
        /// Behind `head.dense`.
        activation: Activation,
        /// Whether `head.dense` has a bias.
        bias: bool,
    },
    /// Last token, `score`, no bias: decoders.
    Score,
    /// Last token, the logit of one word less that of another: what a language model answers to a question that ends
    /// in yes or no (Qwen3-Reranker, arXiv:2506.05176).
    YesNo {
        /// Token id of the word for a match.
        yes: u32,
        /// Token id of the other.
        no: u32,
    },
}

/// A classifier with one label.
#[derive(Debug, Clone, PartialEq)]
pub struct Classifier {
    /// How the score is read off.
    pub form: Form,
    /// Share of the pooled state's numbers that training drops.
    pub dropout: f64,
}

impl Classifier {
    /// The head's weights.
    #[must_use]
    pub fn declare(&self, backbone: &Backbone) -> Vec<Declared> {
        let hidden = backbone.hidden();
        let linear = |name: &str, outputs| {
            [
                Declared::fresh(format!("{name}.weight"), &[outputs, hidden], Start::Normal),
                Declared::fresh(format!("{name}.bias"), &[outputs], Start::Zero),
            ]
        };
        match (self.form, backbone) {
            (Form::Bert, Backbone::Bert(bert)) => {
                bert.pooler().into_iter().chain(linear("classifier", 1)).collect()
            }
            (Form::ModernBert { bias, .. }, Backbone::ModernBert(bert)) => {
                let mut all = linear("head.dense", hidden)[..1 + usize::from(bias)].to_vec();
                all.push(Declared::fresh("head.norm.weight", &[hidden], Start::One));
                if bert.norm_bias() {
                    all.push(Declared::fresh("head.norm.bias", &[hidden], Start::Zero));
                }
                all.into_iter().chain(linear("classifier", 1)).collect()
            }
            (Form::YesNo { .. }, Backbone::Decoder(decoder)) if decoder.tied() => Vec::new(),
            (Form::YesNo { .. }, Backbone::Decoder(decoder)) => vec![decoder.words()],
            (Form::Score, _) => linear("score", 1)[..1].to_vec(),
            _ => linear("classifier.dense", hidden)
                .into_iter()
                .chain(linear("classifier.out_proj", 1))
                .collect(),
        }
    }

    /// `[rows, width, hidden]` to one number a row.
    #[must_use]
    pub fn apply(
        &self,
        pass: &Pass<'_>,
        backbone: &Backbone,
        states: Tensor<3>,
        tokens: &Tokens,
    ) -> Tensor<1> {
        let rows = tokens.rows;
        let pool = |pooling: Pooling| pooling.apply(pass, states, tokens);
        let logits = match (self.form, backbone) {
            (Form::Bert, _) => {
                let pooled = pass.linear("bert.pooler.dense", pool(Pooling::Cls)).tanh();
                pass.linear("classifier", pass.dropout("classifier", self.dropout, pooled))
            }
            (Form::ModernBert { pooling, activation, .. }, Backbone::ModernBert(bert)) => {
                let dense = activate(activation, pass.linear("head.dense", pool(pooling)));
                let normed = pass.layer_norm("head.norm", dense, bert.eps());
                pass.linear("classifier", pass.dropout("classifier", self.dropout, normed))
            }
            (Form::YesNo { yes, no }, Backbone::Decoder(decoder)) => {
                let words = pass.matrix(&decoder.words().name);
                let chosen = words.select(0, pass.ids(&[yes, no], 1, 2).reshape([2]));
                let logits = pool(Pooling::Last).matmul(chosen.transpose());
                logits.clone().narrow(1, 0, 1) - logits.narrow(1, 1, 1)
            }
            (Form::Score, _) => pass.linear("score", pool(Pooling::Last)),
            _ => {
                let pooled = pass.dropout("classifier", self.dropout, pool(Pooling::Cls));
                let pooled = pass.linear("classifier.dense", pooled).tanh();
                pass.linear("classifier.out_proj", pass.dropout("classifier.out", self.dropout, pooled))
            }
        };
        logits.reshape([rows])
    }
}
