use serde::{Deserialize, Serialize};

/// What turns a raw score into the one a model was trained to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Activation {
    /// The raw score.
    Identity,
    /// `1 / (1 + e^-x)`: between 0 and 1.
    Sigmoid,
    /// `(1 + x) / 2`, within 0 and 1: cosines and their means.
    Cosine,
}

impl Activation {
    /// Applies the activation. It never changes an order.
    #[must_use]
    pub fn apply(self, score: f32) -> f32 {
        match self {
            Self::Identity => score,
            Self::Sigmoid => 1.0 / (1.0 + (-score).exp()),
            Self::Cosine => score.midpoint(1.0).clamp(0.0, 1.0),
        }
    }
}
