//! A linear map behind pooling, as sentence-transformers stores it: folder `2_Dense`, tensors `linear.*`.

use burn_tensor::Tensor;
use serde_json::{Value, json};

use super::params::{Declared, Start};
use super::pass::Pass;

/// `y = W·x + b`, or `tanh` of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dense {
    /// The folder in the model directory; its weights are called `folder.linear.weight` and `folder.linear.bias`.
    pub folder: String,
    /// Dimensions of what goes in.
    pub inputs: usize,
    /// Dimensions of what comes out.
    pub outputs: usize,
    /// Whether there is a `b`.
    pub bias: bool,
    /// Whether a `tanh` follows.
    pub tanh: bool,
}

impl Dense {
    /// The weights; what no checkpoint has starts at random, the bias at 0.
    #[must_use]
    pub fn declare(&self) -> Vec<Declared> {
        let name = self.name();
        let mut all =
            vec![Declared::fresh(format!("{name}.weight"), &[self.outputs, self.inputs], Start::Normal)];
        if self.bias {
            all.push(Declared::fresh(format!("{name}.bias"), &[self.outputs], Start::Zero));
        }
        all
    }

    /// `folder.linear`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.linear", self.folder)
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    #[must_use]
    pub fn apply(&self, pass: &Pass<'_>, x: Tensor<2>) -> Tensor<2> {
        let y = pass.linear(&self.name(), x);
        if self.tanh { y.tanh() } else { y }
    }

    /// `config.json` of the folder.
    #[must_use]
    pub fn config(&self) -> Value {
        let function = if self.tanh { "activation.Tanh" } else { "linear.Identity" };
        json!({
            "in_features": self.inputs,
            "out_features": self.outputs,
            "bias": self.bias,
            "activation_function": format!("torch.nn.modules.{function}"),
        })
    }
}
