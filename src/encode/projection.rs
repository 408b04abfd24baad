use std::path::Path;

use serde::Deserialize;

use super::EncodeError;
use super::directory::ModelDirectory;
use super::weights::Weights;
use crate::types::MAX_DIM;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activation {
    Identity,
    Tanh,
    Relu,
    Sigmoid,
}

/// One dense layer after the transformer: `y = activation(W x + b)`, plus `x` or `R x` if it has a residual.
#[derive(Debug)]
pub(super) struct Projection {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// `[outputs, inputs]`, row-major.
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    activation: Activation,
    residual: Residual,
}

#[derive(Debug)]
enum Residual {
    None,
    Plain,
    Linear(Vec<f32>),
}

#[derive(Deserialize)]
struct Config {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default)]
    activation_function: Option<String>,
    #[serde(default)]
    use_residual: bool,
}

fn yes() -> bool {
    true
}

impl Projection {
    /// A sentence-transformers `Dense` module. Also gives the bytes of its weights, for the fingerprint.
    pub(super) fn load(directory: &ModelDirectory) -> Result<(Self, Vec<u8>), EncodeError> {
        let config_path = directory.path("config.json");
        let config: Config = directory.json("config.json", "the configuration of a dense layer")?;
        let field = |field, found: String, expected| EncodeError::Field {
            path: config_path.clone(),
            field,
            found,
            expected,
        };
        for (name, size) in [("in_features", config.in_features), ("out_features", config.out_features)] {
            if size == 0 || size > MAX_DIM {
                return Err(field(name, size.to_string(), "1 to 8192"));
            }
        }
        let function = config.activation_function.as_deref().unwrap_or("torch.nn.modules.activation.Tanh");
        let activation = match function.rsplit('.').next() {
            Some("Identity") => Activation::Identity,
            Some("Tanh") => Activation::Tanh,
            Some("ReLU") => Activation::Relu,
            Some("Sigmoid") => Activation::Sigmoid,
            _ => {
                return Err(field(
                    "activation_function",
                    function.to_owned(),
                    "Identity, Tanh, ReLU or Sigmoid",
                ));
            }
        };
        let path = directory.path("model.safetensors");
        if !path.exists()
            && let Some(path) = directory.pickle()
        {
            return Err(EncodeError::Pickle { path });
        }
        let weights = Weights::open(&path)?;
        let shape = [config.out_features, config.in_features];
        let weight = weights.shaped("linear.weight", &shape)?;
        let bias = config.bias.then(|| weights.shaped("linear.bias", &shape[..1])).transpose()?;
        let residual = match (config.use_residual, shape[0] == shape[1]) {
            (false, _) => Residual::None,
            (true, true) => Residual::Plain,
            (true, false) => Residual::Linear(weights.shaped("residual.weight", &shape)?),
        };
        let (inputs, outputs) = (config.in_features, config.out_features);
        let bytes = weights.into_bytes().into_owned();
        Ok((Self { inputs, outputs, weight, bias, activation, residual }, bytes))
    }

    /// The projection of a Stanford ColBERT checkpoint, kept as `linear.weight` among its weights; none if there are no
    /// weights beside the graph. Also gives the matrix's bytes.
    pub(super) fn stanford(weights: &Path) -> Result<Option<(Self, Vec<u8>)>, EncodeError> {
        if !weights.exists() {
            return Ok(None);
        }
        let (outputs, inputs, weight) = Weights::open(weights)?.matrix("linear.weight")?;
        let bytes = weight.iter().flat_map(|x| x.to_le_bytes()).collect();
        let (activation, residual) = (Activation::Identity, Residual::None);
        Ok(Some((Self { inputs, outputs, weight, bias: None, activation, residual }, bytes)))
    }

    /// Applies the layer to every row of `rows` (`[n, inputs]`), giving `[n, outputs]`.
    pub(super) fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.len() / self.inputs * self.outputs);
        for row in rows.chunks_exact(self.inputs) {
            for at in 0..self.outputs {
                let line = at * self.inputs..(at + 1) * self.inputs;
                let linear = dot(&self.weight[line.clone()], row) + self.bias.as_ref().map_or(0.0, |b| b[at]);
                let active = match self.activation {
                    Activation::Identity => linear,
                    Activation::Tanh => linear.tanh(),
                    Activation::Relu => linear.max(0.0),
                    Activation::Sigmoid => 1.0 / (1.0 + (-linear).exp()),
                };
                out.push(match &self.residual {
                    Residual::None => active,
                    Residual::Plain => active + row[at],
                    Residual::Linear(matrix) => active + dot(&matrix[line], row),
                });
            }
        }
        out
    }
}

/// Sixteen partial sums, so that the compiler can keep them in vector registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0_f32; 16];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum::<f32>()
}
