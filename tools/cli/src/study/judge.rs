//! A late-interaction model as a judge.

use crate::exit::usage;
use lateen::encode::cache::{CachedModel, CachedModelError};
use lateen::kernel::{Isa, QueryF32};
use lateen::rerank::{Judge, RerankError};

/// Less than any score of unit vectors.
const WORST: f32 = -1e30;

/// Scores by exact MaxSim in single precision, from the texts alone.
#[derive(Debug)]
pub struct MaxSimJudge {
    model: CachedModel,
    name: String,
}

impl MaxSimJudge {
    pub fn new(model: CachedModel) -> anyhow::Result<Self> {
        if model.model().token_dim().is_none() {
            return usage(format!("the model {} makes no token vectors to judge by", model.model().name()));
        }
        let name = format!("exact MaxSim of {}", model.model().name());
        Ok(Self { model, name })
    }
}

impl Judge for MaxSimJudge {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self, query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
        let query = self.model.encode_query_tokens(query).map_err(|error| self.refused(error))?;
        let packed = QueryF32::pack(Isa::detect(), query.matrix.view());
        let documents = self.model.encode_document_tokens(documents).map_err(|error| self.refused(error))?;
        // A document without tokens comes last, with a number that a run can hold.
        let score = |rows: &[f32]| packed.maxsim(rows).max(WORST);
        Ok(documents.iter().map(|document| score(document.matrix.view().as_slice())).collect())
    }
}

impl MaxSimJudge {
    fn refused(&self, error: CachedModelError) -> RerankError {
        match error {
            CachedModelError::Model(error) => RerankError::Model(error),
            other => RerankError::Failed { judge: self.name.clone(), source: Box::new(other) },
        }
    }
}
