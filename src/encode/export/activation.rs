use super::ExportError;
use super::config::ConfigFile;
use super::graph::GraphBuilder;

/// What a layer does to each number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Activation {
    /// `x · (1 + erf(x / √2)) / 2` (Hendrycks & Gimpel, arXiv:1606.08415).
    Gelu,
    /// Its tanh form.
    GeluTanh,
    Relu,
    /// `x · σ(x)` (Elfwing et al., arXiv:1702.03118).
    Silu,
}

impl Activation {
    /// The activation of transformers' name, in field `field`.
    pub(super) fn read(file: &ConfigFile, field: &'static str, name: &str) -> Result<Self, ExportError> {
        match name {
            "gelu" => Ok(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Ok(Self::GeluTanh),
            "relu" => Ok(Self::Relu),
            "silu" | "swish" => Ok(Self::Silu),
            _ => {
                let expected =
                    "\"gelu\", \"gelu_new\", \"gelu_pytorch_tanh\", \"relu\" and \"silu\" can be written";
                Err(file.refusal(field, name, expected))
            }
        }
    }

    /// Adds the nodes.
    pub(super) fn apply(self, graph: &mut GraphBuilder, input: &str) -> String {
        let inner = match self {
            Self::Relu => return graph.node("Relu", &[input], vec![]),
            Self::Silu => {
                let gate = graph.node("Sigmoid", &[input], vec![]);
                return graph.node("Mul", &[input, &gate], vec![]);
            }
            Self::GeluTanh => {
                let square = graph.node("Mul", &[input, input], vec![]);
                let cube = graph.node("Mul", &[&square, input], vec![]);
                let factor = graph.scalar(0.044_715);
                let cube = graph.node("Mul", &[&cube, &factor], vec![]);
                let sum = graph.node("Add", &[input, &cube], vec![]);
                let scale = graph.scalar(std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2);
                let scaled = graph.node("Mul", &[&sum, &scale], vec![]);
                graph.node("Tanh", &[&scaled], vec![])
            }
            Self::Gelu => {
                let root = graph.scalar(std::f32::consts::SQRT_2);
                let scaled = graph.node("Div", &[input, &root], vec![]);
                graph.node("Erf", &[&scaled], vec![])
            }
        };
        let one = graph.scalar(1.0);
        let sum = graph.node("Add", &[&inner, &one], vec![]);
        let product = graph.node("Mul", &[input, &sum], vec![]);
        let half = graph.scalar(0.5);
        graph.node("Mul", &[&product, &half], vec![])
    }
}
