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
    Relu6,
    LeakyRelu,
    Elu,
    Gelu,
    Silu,
    Mish,
    Softplus,
    Sigmoid,
}

impl Activation {
    /// The function of a PyTorch class, with the class's default settings.
    fn named(class: &str) -> Option<Self> {
        Some(match class.rsplit('.').next()? {
            "Identity" => Self::Identity,
            "Tanh" => Self::Tanh,
            "ReLU" => Self::Relu,
            "ReLU6" => Self::Relu6,
            "LeakyReLU" => Self::LeakyRelu,
            "ELU" => Self::Elu,
            "GELU" => Self::Gelu,
            "SiLU" => Self::Silu,
            "Mish" => Self::Mish,
            "Softplus" => Self::Softplus,
            "Sigmoid" => Self::Sigmoid,
            _ => return None,
        })
    }

    fn of(self, x: f32) -> f32 {
        let sigmoid = || 1.0 / (1.0 + (-x).exp());
        // ln(1 + eˣ) without overflow.
        let softplus = || x.max(0.0) + (-x.abs()).exp().ln_1p();
        match self {
            Self::Identity => x,
            Self::Tanh => x.tanh(),
            Self::Relu => x.max(0.0),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::LeakyRelu => x.max(0.01 * x),
            Self::Elu => x.max(0.0) + x.min(0.0).exp_m1(),
            Self::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
            Self::Silu => x * sigmoid(),
            Self::Mish => x * softplus().tanh(),
            Self::Softplus => softplus(),
            Self::Sigmoid => sigmoid(),
        }
    }
}

/// The error function to 1.5·10⁻⁷ (Abramowitz & Stegun, "Handbook of Mathematical Functions", 7.1.26).
fn erf(x: f32) -> f32 {
    let size = f64::from(x.abs());
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let factors = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let sum = factors.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    (1.0 - sum * (-size * size).exp()) as f32 * x.signum()
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
        let Some(activation) = Activation::named(function) else {
            let expected =
                "Identity, Tanh, ReLU, ReLU6, LeakyReLU, ELU, GELU, SiLU, Mish, Softplus or Sigmoid";
            return Err(field("activation_function", function.to_owned(), expected));
        };
        let weights = Weights::of_module(directory)?;
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

    /// The layer in words.
    pub(super) fn describe(&self) -> String {
        let bias = if self.bias.is_some() { " with bias" } else { "" };
        let residual = if matches!(self.residual, Residual::None) { "" } else { ", plus what it is given" };
        format!("dense {} to {}{bias}, {:?}{residual}", self.inputs, self.outputs, self.activation)
    }

    /// A linear layer in a file of its own, as `weight` and maybe `bias`. Also gives the file's bytes.
    pub(super) fn linear(path: &Path) -> Result<(Self, Vec<u8>), EncodeError> {
        let weights = Weights::open(path)?;
        let (outputs, inputs, weight) = weights.matrix("weight")?;
        let bias = weights.has("bias").then(|| weights.shaped("bias", &[outputs])).transpose()?;
        let (activation, residual) = (Activation::Identity, Residual::None);
        let layer = Self { inputs, outputs, weight, bias, activation, residual };
        Ok((layer, weights.into_bytes().into_owned()))
    }

    /// Applies the layer to every row of `rows` (`[n, inputs]`), giving `[n, outputs]`.
    pub(super) fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.len() / self.inputs * self.outputs);
        for row in rows.chunks_exact(self.inputs) {
            for at in 0..self.outputs {
                let line = at * self.inputs..(at + 1) * self.inputs;
                let linear = dot(&self.weight[line.clone()], row) + self.bias.as_ref().map_or(0.0, |b| b[at]);
                let active = self.activation.of(linear);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are PyTorch's.
    #[test]
    fn activations_are_pytorchs() {
        for (name, low, high) in [
            ("torch.nn.modules.linear.Identity", -1.5, 0.7),
            ("torch.nn.modules.activation.Tanh", -0.905_148, 0.604_368),
            ("torch.nn.modules.activation.ReLU", 0.0, 0.7),
            ("torch.nn.modules.activation.ReLU6", 0.0, 0.7),
            ("torch.nn.modules.activation.LeakyReLU", -0.015, 0.7),
            ("torch.nn.modules.activation.ELU", -0.776_870, 0.7),
            ("torch.nn.modules.activation.GELU", -0.100_211, 0.530_625),
            ("torch.nn.modules.activation.SiLU", -0.273_638, 0.467_732),
            ("torch.nn.modules.activation.Mish", -0.298_100, 0.561_148),
            ("torch.nn.modules.activation.Softplus", 0.201_413, 1.103_186),
            ("torch.nn.modules.activation.Sigmoid", 0.182_426, 0.668_188),
        ] {
            let function = Activation::named(name).unwrap();
            for (x, wanted) in [(-1.5, low), (0.7, high)] {
                let found: f32 = function.of(x);
                assert!((found - wanted).abs() < 2e-5, "{name}({x}) is {found}, not {wanted}");
            }
        }
        assert_eq!(Activation::named("os.system"), None);
    }
}
