//! One length for the gradient of all weights (Pascanu et al., arXiv:1211.5063).

use crate::model::Gradients;

/// The length of all gradients taken as one vector. Sums in f64, in the order of names.
#[must_use]
pub fn norm(gradients: &Gradients) -> f64 {
    let square = |values: &Vec<f32>| values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
    gradients.values().map(square).sum::<f64>().sqrt()
}

/// Shortens the gradients to length `most` if they are longer; returns the length they had.
pub fn clip(gradients: &mut Gradients, most: f64) -> f64 {
    let length = norm(gradients);
    if length > most && length.is_finite() {
        let factor = (most / (length + 1e-6)) as f32;
        gradients.values_mut().flatten().for_each(|value| *value *= factor);
    }
    length
}
