//! Layers that add and then normalise, as in the first transformers: BERT, RoBERTa, DistilBERT.
//!
//! ```text
//! ┌───────────────────────── × layers ─────────────────────────┐
//! │ softmax(QKᵀ/√d + mask)·V ─ dense ─ + ─ LayerNormalization  │
//! │ dense ─ activation ─ dense ─────── + ─ LayerNormalization  │
//! └────────────────────── [batch, sequence, hidden] ───────────┘
//! ```

use super::ExportError;
use super::activation::Activation;
use super::attention::{Heads, Parts, attend};
use super::net::{Net, Sight};

/// What the layers have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PostNorm {
    pub(super) hidden: usize,
    pub(super) inner: usize,
    pub(super) heads: usize,
    pub(super) layers: usize,
    pub(super) epsilon: f32,
    pub(super) activation: Activation,
}

/// What a family calls the parts of a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LayerNames {
    /// Before the layer's number.
    pub(super) layer: &'static str,
    pub(super) query: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'static str,
    pub(super) merged: &'static str,
    pub(super) first_norm: &'static str,
    pub(super) wide: &'static str,
    pub(super) narrow: &'static str,
    pub(super) second_norm: &'static str,
}

/// The names of BERT and RoBERTa.
pub(super) const BERT_NAMES: LayerNames = LayerNames {
    layer: "encoder.layer.",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    merged: "attention.output.dense",
    first_norm: "attention.output.LayerNorm",
    wide: "intermediate.dense",
    narrow: "output.dense",
    second_norm: "output.LayerNorm",
};

impl PostNorm {
    /// Adds all layers.
    pub(super) fn encode(
        &self,
        net: &mut Net<'_>,
        names: &LayerNames,
        embedded: String,
    ) -> Result<String, ExportError> {
        net.graph.scope("encoder");
        let heads = Heads::equal(self.heads, self.hidden);
        let bias = net.sight(Sight::All, heads.axes());
        let mut hidden = embedded;
        for layer in 0..self.layers {
            hidden = self.layer(net, names, layer, (&hidden, &bias))?;
        }
        Ok(hidden)
    }

    fn layer(
        &self,
        net: &mut Net<'_>,
        names: &LayerNames,
        layer: usize,
        (hidden, bias): (&str, &str),
    ) -> Result<String, ExportError> {
        let name = |part: &str| format!("{}{layer}.{part}", names.layer);
        net.graph.scope(format!("{}{layer}", names.layer));
        let (square, size) = ([self.hidden, self.hidden], self.hidden);
        let parts = Parts {
            query: net.linear(&name(names.query), hidden, square, true)?,
            key: net.linear(&name(names.key), hidden, square, true)?,
            value: net.linear(&name(names.value), hidden, square, true)?,
        };
        let context = attend(net, &parts, Heads::equal(self.heads, size), None, bias);
        let output = net.linear(&name(names.merged), &context, square, true)?;
        let sum = net.add(&output, hidden);
        let hidden = net.layer_norm(&name(names.first_norm), &sum, size, self.epsilon, true)?;
        let wide = net.linear(&name(names.wide), &hidden, [size, self.inner], true)?;
        let wide = net.activation(self.activation, &wide);
        let output = net.linear(&name(names.narrow), &wide, [self.inner, size], true)?;
        let sum = net.add(&output, &hidden);
        net.layer_norm(&name(names.second_norm), &sum, size, self.epsilon, true)
    }
}
