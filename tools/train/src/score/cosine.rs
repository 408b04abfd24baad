//! An encoder as a teacher.

use lateen::encode::Model;
use lateen::rerank::{Judge, RerankError};

/// Scores by the cosine of dense vectors.
#[derive(Debug)]
pub struct Cosine {
    model: Model,
}

impl Cosine {
    /// Scores with `model`, which must give dense vectors.
    #[must_use]
    pub fn new(model: Model) -> Self {
        Self { model }
    }
}

impl Judge for Cosine {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn scores(&self, query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
        let query = self.model.encode_queries_dense(&[query])?.pop().unwrap_or_default();
        let documents = self.model.encode_documents_dense(documents)?;
        Ok(documents.iter().map(|document| cosine(&query, document)).collect())
    }
}

/// 0 for a vector of zeros, which is like nothing.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum() };
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 { (dot(a, b) / norm) as f32 } else { 0.0 }
}
