//! One run through a model: where weights are looked up, dropout is drawn and LoRA is added.

use burn_tensor::{Bool, Device, Int, Tensor, TensorData, activation, module};

use super::config::Activation;
use super::lora;
use super::params::Params;
use crate::data::Tokens;

/// What a forward pass needs beside its input.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a> {
    params: &'a Params,
    /// Seed of the dropout masks; `None`: no dropout.
    dropout: Option<u64>,
    /// Whether operations are recorded for gradients.
    graph: bool,
}

impl<'a> Pass<'a> {
    /// A pass that records gradients, with dropout where the model has some and `seed` is given.
    ///
    /// Two passes with one seed over one batch drop the same numbers.
    #[must_use]
    pub fn training(params: &'a Params, seed: Option<u64>) -> Self {
        Self { params, dropout: seed, graph: true }
    }

    /// A pass without gradients and dropout.
    #[must_use]
    pub fn inference(params: &'a Params) -> Self {
        Self { params, dropout: None, graph: false }
    }

    /// The same pass without gradients; dropout stays.
    #[must_use]
    pub fn without_graph(self) -> Self {
        Self { graph: false, ..self }
    }

    /// The same pass with its own dropout: another part of the batch.
    #[must_use]
    pub fn part(self, part: u64) -> Self {
        Self { dropout: self.dropout.map(|seed| mix(seed ^ mix(part.wrapping_add(1)))), ..self }
    }

    /// Whether operations are recorded.
    #[must_use]
    pub fn records(&self) -> bool {
        self.graph
    }

    /// The device for inputs.
    #[must_use]
    pub fn device(&self) -> Device {
        let device = self.params.device().clone();
        if self.graph { device } else { device.inner() }
    }

    /// A weight, flat.
    ///
    /// # Panics
    /// If the model has not declared it: a mistake in the model's code, whatever the data.
    #[must_use]
    pub fn vector(&self, name: &str) -> Tensor<1> {
        let Some(parameter) = self.params.get(name) else { panic!("{name} was not declared") };
        let leaf = parameter.leaf().clone();
        if self.graph { leaf } else { leaf.inner() }
    }

    /// A weight of two axes.
    ///
    /// # Panics
    /// As [`Self::vector`].
    #[must_use]
    pub fn matrix(&self, name: &str) -> Tensor<2> {
        let shape = match self.params.get(name).map(super::params::Parameter::shape) {
            Some([rows, columns]) => [*rows, *columns],
            _ => panic!("{name} was not declared with two axes"),
        };
        self.vector(name).reshape(shape)
    }

    /// Whether there is a weight `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.params.get(name).is_some()
    }

    /// `x · Wᵀ + b` with the weights `name.weight` and, where it exists, `name.bias`; a low-rank change of the map is
    /// added where there is one.
    #[must_use]
    pub fn linear(&self, name: &str, x: Tensor<2>) -> Tensor<2> {
        let weight = self.matrix(&format!("{name}.weight")).transpose();
        let bias = format!("{name}.bias");
        let bias = self.has(&bias).then(|| self.vector(&bias));
        let [a, b] = lora::names(name);
        if !self.has(&a) {
            return module::linear(x, weight, bias);
        }
        let change = x.clone().matmul(self.matrix(&a).transpose()).matmul(self.matrix(&b).transpose());
        module::linear(x, weight, bias) + change * self.params.lora_scale()
    }

    /// Layer normalisation over the last axis (Ba et al., arXiv:1607.06450), with `name.weight` and, where it exists,
    /// `name.bias`.
    #[must_use]
    pub fn layer_norm(&self, name: &str, x: Tensor<2>, eps: f64) -> Tensor<2> {
        let bias = format!("{name}.bias");
        let bias = self.has(&bias).then(|| self.vector(&bias));
        module::layer_norm(x, self.vector(&format!("{name}.weight")), bias, eps)
    }

    /// Rows of the table `name`, `[rows, width]` ids to `[rows, width, hidden]`.
    #[must_use]
    pub fn embedding(&self, name: &str, ids: Tensor<2, Int>) -> Tensor<3> {
        module::embedding(self.matrix(name), ids)
    }

    /// Sets a share `p` of the numbers to 0 and divides the others by `1 - p`, in training only
    /// (Srivastava et al., JMLR 2014). `site` names the place in the model: each place has its own mask.
    #[must_use]
    pub fn dropout<const D: usize>(&self, site: &str, p: f64, x: Tensor<D>) -> Tensor<D> {
        let Some(seed) = self.dropout.filter(|_| p > 0.0) else { return x };
        let seed = site.bytes().fold(mix(seed), |hash, byte| mix(hash ^ u64::from(byte)));
        let shape = x.shape();
        let mask = TensorData::new(mask(seed, p, shape.num_elements()), shape);
        x * Tensor::from_data(mask, &self.device())
    }

    /// Token ids as a tensor, `[rows, width]`.
    #[must_use]
    pub fn ids(&self, ids: &[u32], rows: usize, width: usize) -> Tensor<2, Int> {
        let ids: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
        Tensor::from_data(TensorData::new(ids, [rows, width]), &self.device())
    }

    /// Numbers as a tensor.
    #[must_use]
    pub fn constant<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &self.device())
    }

    /// True where `mask` is 0, `[rows, width]`.
    #[must_use]
    pub fn padding(&self, tokens: &Tokens) -> Tensor<2, Bool> {
        let padding: Vec<bool> = tokens.mask.iter().map(|mask| *mask == 0).collect();
        Tensor::from_data(TensorData::new(padding, [tokens.rows, tokens.width]), &self.device())
    }
}

/// Applies `activation` to every number.
#[must_use]
pub fn activate<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    match activation {
        Activation::Gelu => activation::gelu(x),
        Activation::GeluTanh => activation::gelu_approximate(x),
        Activation::Relu => activation::relu(x),
        Activation::Silu => activation::silu(x),
    }
}

/// SplitMix64's output function (Steele et al., OOPSLA 2014).
fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `length` numbers, 0 with probability `p` (to 16 bits) and `1 / (1 - p)` otherwise.
fn mask(seed: u64, p: f64, length: usize) -> Vec<f32> {
    let (threshold, keep) = ((p * 65536.0).round() as u64, (1.0 / (1.0 - p)) as f32);
    let mut out = Vec::with_capacity(length + 3);
    for block in 0..length.div_ceil(4) as u64 {
        let bits = mix(seed.wrapping_add(block.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        out.extend([0, 16, 32, 48].map(|at| if (bits >> at) & 0xffff < threshold { 0.0 } else { keep }));
    }
    out.truncate(length);
    out
}
