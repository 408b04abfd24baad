//! The face of everything that can judge.

use std::collections::HashMap;
use std::sync::Arc;

use super::RerankError;
use crate::encode::{Activation, DocumentScores, PairModel, WindowScore, Windows};

/// Something that says how well documents fit a query.
///
/// [`Judge::scores`] is all that a judge of one's own needs.
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

    /// The scores of the parts of each document that `plan` asks for. A judge that reads documents whole, whatever
    /// their length, need not have this.
    ///
    /// # Errors
    /// As [`Judge::scores`], and [`RerankError::Model`] if a query leaves no room to slice.
    fn windows(
        &self,
        query: &str,
        documents: &[&str],
        plan: Windows,
    ) -> Result<Vec<DocumentScores>, RerankError> {
        let _ = plan;
        let scores = self.scores(query, documents)?;
        let whole = |(score, text): (f32, &&str)| DocumentScores {
            windows: vec![WindowScore { bytes: 0..text.len(), score }],
            cut: false,
        };
        check_count(self.name(), scores.len(), documents.len())?;
        Ok(scores.into_iter().zip(documents).map(whole).collect())
    }

    /// One score per `(query, document)`, in the order given.
    ///
    /// # Errors
    /// As [`Judge::scores`].
    fn pair_scores(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>, RerankError> {
        let mut queries: Vec<(&str, Vec<usize>)> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (at, (query, _)) in pairs.iter().enumerate() {
            let group = *known.entry(query).or_insert(queries.len());
            if group == queries.len() {
                queries.push((query, Vec::new()));
            }
            queries[group].1.push(at);
        }
        let mut all = vec![0.0; pairs.len()];
        for (query, positions) in queries {
            let documents: Vec<&str> = positions.iter().map(|&at| pairs[at].1).collect();
            let scores = self.scores(query, &documents)?;
            check_count(self.name(), scores.len(), documents.len())?;
            positions.iter().zip(scores).for_each(|(&at, score)| all[at] = score);
        }
        Ok(all)
    }

    /// What turns a raw score into the one that the judge's authors show.
    fn activation(&self) -> Activation {
        Activation::Identity
    }
}

/// A judge of one's own may give another number of scores than it was asked for.
pub(super) fn check_count(judge: &str, scores: usize, documents: usize) -> Result<(), RerankError> {
    if scores == documents {
        return Ok(());
    }
    Err(RerankError::ScoreCount { judge: judge.to_owned(), scores, documents })
}

/// A judge that others use too.
impl<J: Judge + ?Sized> Judge for Arc<J> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn scores(&self, query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
        (**self).scores(query, documents)
    }

    fn windows(
        &self,
        query: &str,
        documents: &[&str],
        plan: Windows,
    ) -> Result<Vec<DocumentScores>, RerankError> {
        (**self).windows(query, documents, plan)
    }

    fn pair_scores(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>, RerankError> {
        (**self).pair_scores(pairs)
    }

    fn activation(&self) -> Activation {
        (**self).activation()
    }
}

fn beside<'a>(query: &'a str, documents: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    documents.iter().map(|&document| (query, document)).collect()
}

impl Judge for PairModel {
    fn name(&self) -> &str {
        Self::name(self)
    }

    fn scores(&self, query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
        Ok(self.score(&beside(query, documents))?)
    }

    fn windows(
        &self,
        query: &str,
        documents: &[&str],
        plan: Windows,
    ) -> Result<Vec<DocumentScores>, RerankError> {
        Ok(self.score_windows(&beside(query, documents), plan)?)
    }

    fn pair_scores(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>, RerankError> {
        Ok(self.score(pairs)?)
    }

    fn activation(&self) -> Activation {
        Self::activation(self)
    }
}
