//! Rotary positions (Su et al., arXiv:2104.09864), the half-rotated form of Hugging Face's models.

use burn_tensor::Tensor;

use super::pass::Pass;

/// Cosines and sines for each position: `[1, 1, width, size]`.
#[derive(Debug, Clone)]
pub struct Rope {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Rope {
    /// Tables for `width` positions and heads of `size` numbers: angle `position · theta^(-2i/size)`.
    #[must_use]
    pub fn new(pass: &Pass<'_>, width: usize, size: usize, theta: f64) -> Self {
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for position in 0..width {
            for at in 0..size {
                let pair = (at % (size / 2)) as f64;
                // Hugging Face computes angles in single precision.
                let frequency = (1.0 / theta.powf(2.0 * pair / size as f64)) as f32;
                let angle = position as f32 * frequency;
                cos.push(angle.cos());
                sin.push(angle.sin());
            }
        }
        let shape = [1, 1, width, size];
        Self { cos: pass.constant(cos, shape), sin: pass.constant(sin, shape) }
    }

    /// Turns `x`, `[rows, heads, width, size]`.
    #[must_use]
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let (first, second) = (x.clone().narrow(3, 0, half), x.clone().narrow(3, half, half));
        x * self.cos.clone() + Tensor::cat(vec![-second, first], 3) * self.sin.clone()
    }
}
