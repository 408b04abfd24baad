//! What scores the texts of a reranking set.

use super::config::{AnalyzerSpec, Kind, SystemSpec};
use super::judge::MaxSimJudge;
use super::ranker::Models;
use crate::exit::usage;
use lateen::corpus::RerankingSample;
use lateen::encode::cache::CachedModel;
use lateen::lexical::Bm25Index;
use lateen::rerank::Judge;
use lateen::types::normalize;
use std::sync::Arc;

/// Documents that a judge sees at once.
const BATCH: usize = 32;

/// A system that gives every text of a query a score.
pub enum Scorer {
    /// BM25 over the texts of all queries together: counts of terms need a collection.
    Words {
        index: Bm25Index,
        firsts: Vec<u32>,
    },
    /// Cosine.
    Dense(CachedModel),
    Judge(Arc<dyn Judge>),
}

impl Scorer {
    /// `bm25`, `bm25:ANALYZER`, `dense:MODEL`, `late:MODEL` or `judge:MODEL`.
    pub fn of(name: &str, samples: &[RerankingSample], models: &mut Models) -> anyhow::Result<Self> {
        let (kind, model) = name.split_once(':').unwrap_or((name, ""));
        if model.is_empty() && kind != "bm25" {
            return usage(format!("--system {name}: write {kind}:MODEL"));
        }
        let mut spec = SystemSpec::named(name, Kind::Bm25);
        match kind {
            "bm25" => {
                let analyzer = if model.is_empty() { "english" } else { model };
                spec.analyzer = match serde_json::from_value::<AnalyzerSpec>(analyzer.into()) {
                    Ok(analyzer) => Some(analyzer),
                    Err(error) => return usage(format!("--system {name}: {error}")),
                };
                Self::words(&spec, samples)
            }
            "dense" => Ok(Self::Dense(models.load(model, &spec)?)),
            "late" => Ok(Self::Judge(Arc::new(MaxSimJudge::new(models.load(model, &spec)?, true)?))),
            "judge" => {
                spec.judge = Some(model.to_owned());
                Ok(Self::Judge(models.judge(&spec)?.0))
            }
            _ => usage(format!("--system {name}: there are bm25, dense, late and judge")),
        }
    }

    fn words(spec: &SystemSpec, samples: &[RerankingSample]) -> anyhow::Result<Self> {
        let mut firsts = Vec::with_capacity(samples.len());
        let mut texts = Vec::new();
        for sample in samples {
            firsts.push(texts.len() as u32);
            for text in sample.positive.iter().chain(&sample.negative) {
                texts.push((texts.len().to_string(), text.clone()));
            }
        }
        Ok(Self::Words { index: Bm25Index::build(texts, spec.analyzer()?)?, firsts })
    }

    /// The scores of `texts`, those of sample number `sample`, in order.
    pub fn scores(&self, sample: usize, query: &str, texts: &[&str]) -> anyhow::Result<Vec<f32>> {
        match self {
            Self::Words { index, firsts } => {
                let first = firsts[sample] as usize;
                let mut scores = vec![0.0; texts.len()];
                for (at, score) in index.search_positions(query, index.len())? {
                    if let Some(own) = (at as usize).checked_sub(first).and_then(|at| scores.get_mut(at)) {
                        *own = score;
                    }
                }
                Ok(scores)
            }
            Self::Dense(model) => {
                let mut query = model.encode_queries_dense(&[query])?.pop().unwrap_or_default();
                normalize(&mut query);
                let cosine = |mut text: Vec<f32>| {
                    normalize(&mut text);
                    query.iter().zip(&text).map(|(a, b)| a * b).sum()
                };
                Ok(model.encode_documents_dense(texts)?.into_iter().map(cosine).collect())
            }
            Self::Judge(judge) => {
                let mut scores = Vec::with_capacity(texts.len());
                for batch in texts.chunks(BATCH) {
                    scores.extend(judge.scores(query, batch)?);
                }
                Ok(scores)
            }
        }
    }
}
