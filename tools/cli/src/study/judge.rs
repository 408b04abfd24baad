//! A late-interaction model as a judge.

use crate::exit::usage;
use lateen::encode::cache::{CachedModel, CachedModelError};
use lateen::kernel::{Isa, QueryF32};
use lateen::rerank::{Judge, RerankError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Less than any score of unit vectors.
const WORST: f32 = -1e30;

/// Scores by exact MaxSim in single precision, from the texts alone.
#[derive(Debug)]
pub struct MaxSimJudge {
    model: CachedModel,
    name: String,
    /// Token vectors of texts seen before; none are remembered where time is measured.
    seen: Option<Mutex<Seen>>,
}

/// Texts come again and again for different queries: so many bytes of their vectors are remembered.
const REMEMBERED: usize = 2 << 30;

#[derive(Debug, Default)]
struct Seen {
    rows: HashMap<String, Arc<Vec<f32>>>,
    bytes: usize,
}

impl MaxSimJudge {
    /// `remembers`: whether a text that comes again is encoded again.
    pub fn new(model: CachedModel, remembers: bool) -> anyhow::Result<Self> {
        if model.model().token_dim().is_none() {
            return usage(format!("the model {} makes no token vectors to judge by", model.model().name()));
        }
        let name = format!("exact MaxSim of {}", model.model().name());
        Ok(Self { model, name, seen: remembers.then(Mutex::default) })
    }
}

impl Judge for MaxSimJudge {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self, query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
        let query = self.model.encode_query_tokens(query).map_err(|error| self.refused(error))?;
        let packed = QueryF32::pack(Isa::detect(), query.matrix.view());
        let documents = self.rows(documents)?;
        // A document without tokens comes last, with a number that a run can hold.
        Ok(documents.iter().map(|rows| packed.maxsim(rows).max(WORST)).collect())
    }
}

impl MaxSimJudge {
    /// The token vectors of each text.
    fn rows(&self, texts: &[&str]) -> Result<Vec<Arc<Vec<f32>>>, RerankError> {
        let encode = |texts: &[&str]| -> Result<Vec<Arc<Vec<f32>>>, RerankError> {
            let made = self.model.encode_document_tokens(texts).map_err(|error| self.refused(error))?;
            Ok(made.into_iter().map(|tokens| Arc::new(tokens.matrix.into_vec())).collect())
        };
        let Some(seen) = &self.seen else { return encode(texts) };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<&str> = texts.iter().copied().filter(|text| !seen.rows.contains_key(*text)).collect();
        if seen.bytes > REMEMBERED {
            *seen = Seen::default();
            return encode(texts);
        }
        for (text, rows) in new.iter().zip(encode(&new)?) {
            seen.bytes += text.len() + rows.len() * size_of::<f32>();
            seen.rows.insert((*text).to_owned(), rows);
        }
        Ok(texts.iter().filter_map(|text| seen.rows.get(*text).cloned()).collect())
    }

    fn refused(&self, error: CachedModelError) -> RerankError {
        match error {
            CachedModelError::Model(error) => RerankError::Model(error),
            other => RerankError::Failed { judge: self.name.clone(), source: Box::new(other) },
        }
    }
}
