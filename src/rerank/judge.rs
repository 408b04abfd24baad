//! The face of everything that can judge.

use super::RerankError;

/// Something that says how well documents fit a query.
///
/// ```
/// use lateen::rerank::{Judge, RerankError};
///
/// /// Prefers short documents.
/// struct Brevity;
///
/// impl Judge for Brevity {
///     fn name(&self) -> &str {
///         "brevity"
///     }
///     fn scores(&self, _query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
///         Ok(documents.iter().map(|text| -(text.len() as f32)).collect())
///     }
/// }
/// ```
pub trait Judge: Send + Sync {
    /// What reports call this judge.
    fn name(&self) -> &str;

    /// One score per document, in their order: larger is better, never NaN.
    ///
    /// # Errors
    /// [`RerankError::Model`] if a model could not be run.
    fn scores(&self, query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError>;
}
