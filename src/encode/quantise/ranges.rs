use super::QuantiseError;
use crate::types::TokenMatrix;

/// The least and the largest value of each component.
///
/// Take them once from many vectors (a thousand texts like those to come) and keep them: codes made with other ranges
/// cannot be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    low: Vec<f32>,
    high: Vec<f32>,
}

impl Ranges {
    /// The ranges of these vectors.
    ///
    /// # Errors
    /// [`QuantiseError::NoRows`] if there are none.
    pub fn of(rows: TokenMatrix<'_>) -> Result<Self, QuantiseError> {
        let mut all = rows.iter();
        let first = all.next().ok_or(QuantiseError::NoRows)?;
        let (mut low, mut high) = (first.to_vec(), first.to_vec());
        for row in all {
            for ((low, high), &x) in low.iter_mut().zip(&mut high).zip(row) {
                (*low, *high) = (low.min(x), high.max(x));
            }
        }
        Ok(Self { low, high })
    }

    /// Ranges that were kept: the least values and the largest, of equally many components.
    ///
    /// # Errors
    /// [`QuantiseError::Dimension`] if there are not equally many, [`QuantiseError::Range`] if one ends before it begins.
    pub fn new(low: Vec<f32>, high: Vec<f32>) -> Result<Self, QuantiseError> {
        if low.len() != high.len() || low.is_empty() {
            let (found, expected) = (high.len(), low.len().max(1));
            return Err(QuantiseError::Dimension { what: "the ends of ranges", found, expected });
        }
        for (component, (&low, &high)) in low.iter().zip(&high).enumerate() {
            if !(low.is_finite() && high.is_finite() && low <= high) {
                return Err(QuantiseError::Range { component, low, high });
            }
        }
        Ok(Self { low, high })
    }

    /// The least value of each component.
    #[must_use]
    pub fn low(&self) -> &[f32] {
        &self.low
    }

    /// The largest value of each component.
    #[must_use]
    pub fn high(&self) -> &[f32] {
        &self.high
    }

    /// The width of a code's step of a component; 1 where all vectors have one value.
    pub(super) fn step(&self, component: usize) -> f32 {
        match (self.high[component] - self.low[component]) / 255.0 {
            0.0 => 1.0,
            step => step,
        }
    }
}
