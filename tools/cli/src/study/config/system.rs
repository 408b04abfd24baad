//! What is compared.

use crate::exit::usage;
use lateen::encode::RuntimeChoice;
use lateen::format::TokenStorage;
use lateen::lexical::Analyzer;
use lateen::search::{Fusion, Recall};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Bm25,
    Dense,
    LateInteraction,
    Fused,
    Reranked,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnalyzerSpec {
    #[default]
    English,
    CjkBigrams,
    Jieba,
}

/// What answers queries. Which fields a kind takes, [`SystemSpec::check`] says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemSpec {
    pub name: String,
    pub kind: Kind,
    /// BM25's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzer: Option<AnalyzerSpec>,
    /// A directory, seen from the TOML file, a model's name on the hub, from its cache, or `bundled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `1`, `ternary`, `2`, `4`, `16`, `32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<String>,
    /// A share, or `exact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<String>,
    /// Tokens that share a vector, on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<usize>,
    /// The systems that are fused, or the one that is reranked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<String>,
    /// `rrf` or `weighted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f32>>,
    /// Of reciprocal ranks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<f32>,
    /// A cross-encoder's directory or name, or `late:` and a late-interaction model's, which scores by exact MaxSim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// How many candidates are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// `auto`, `onnxruntime` or `rten`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
}

/// Before the model of a judge that scores by MaxSim.
pub const LATE: &str = "late:";

impl SystemSpec {
    /// A system with nothing but a name and a kind.
    pub fn named(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            analyzer: None,
            model: None,
            bits: None,
            recall: None,
            pool: None,
            of: Vec::new(),
            by: None,
            weights: None,
            constant: None,
            judge: None,
            top: None,
            runtime: None,
        }
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        let there = [
            ("analyzer", self.analyzer.is_some()),
            ("model", self.model.is_some()),
            ("runtime", self.runtime.is_some()),
            ("bits", self.bits.is_some()),
            ("recall", self.recall.is_some()),
            ("pool", self.pool.is_some()),
            ("of", !self.of.is_empty()),
            ("by", self.by.is_some()),
            ("weights", self.weights.is_some()),
            ("constant", self.constant.is_some()),
            ("judge", self.judge.is_some()),
            ("top", self.top.is_some()),
        ];
        let (needed, possible): (&[&str], &[&str]) = match self.kind {
            Kind::Bm25 => (&[], &["analyzer"]),
            Kind::Dense => (&["model"], &["model", "runtime"]),
            Kind::LateInteraction => (&["model"], &["model", "runtime", "bits", "recall", "pool"]),
            Kind::Fused => (&["of"], &["of", "by", "weights", "constant"]),
            Kind::Reranked => (&["of", "judge"], &["of", "judge", "top", "runtime"]),
        };
        let refused = |problem: String| usage(format!("system {:?}: {problem}", self.name));
        for (field, is_there) in there {
            if is_there && !possible.contains(&field) {
                return refused(format!("`{field}` has no meaning for its kind"));
            }
            if !is_there && needed.contains(&field) {
                return refused(format!("`{field}` is missing"));
            }
        }
        match self.kind {
            Kind::Fused if self.of.len() < 2 => refused("`of` names fewer than two systems".to_owned()),
            Kind::Reranked if self.of.len() != 1 => refused("`of` names one system".to_owned()),
            _ => self.storage().and(self.effort()).and(self.fusion()).and(self.runtime()).map(drop),
        }
    }

    pub fn analyzer(&self) -> anyhow::Result<Analyzer> {
        match self.analyzer.unwrap_or_default() {
            AnalyzerSpec::English => Ok(Analyzer::English),
            AnalyzerSpec::CjkBigrams => Ok(Analyzer::CjkBigrams),
            #[cfg(feature = "jieba")]
            AnalyzerSpec::Jieba => Ok(Analyzer::Jieba),
            #[cfg(not(feature = "jieba"))]
            AnalyzerSpec::Jieba => usage("this build has no jieba: build it with --features jieba"),
        }
    }

    /// How token vectors are kept.
    pub fn storage(&self) -> anyhow::Result<TokenStorage> {
        Ok(match self.bits.as_deref().unwrap_or("4") {
            "1" => TokenStorage::Residual1,
            "ternary" => TokenStorage::ResidualTernary,
            "2" => TokenStorage::Residual2,
            "4" => TokenStorage::Residual4,
            "16" => TokenStorage::F16,
            "32" => TokenStorage::F32,
            other => {
                return usage(format!(
                    "system {:?}: bits is {other:?}; there are 1, ternary, 2, 4, 16 and 32",
                    self.name
                ));
            }
        })
    }

    /// How much of the exact answer is to be found; `None` scores every document.
    pub fn effort(&self) -> anyhow::Result<Option<Recall>> {
        match self.recall.as_deref() {
            None => Ok(Some(Recall::default())),
            Some("exact") => Ok(None),
            Some(share) => match share.parse() {
                Ok(recall) => Ok(Some(recall)),
                Err(error) => usage(format!("system {:?}: recall: {error}", self.name)),
            },
        }
    }

    pub fn fusion(&self) -> anyhow::Result<Fusion> {
        let weights = self.weights.clone();
        match self.by.as_deref().unwrap_or("rrf") {
            "rrf" => Ok(Fusion::ReciprocalRank { constant: self.constant.unwrap_or(60.0), weights }),
            "weighted" => {
                Ok(Fusion::Weighted { weights: weights.unwrap_or_else(|| vec![1.0; self.of.len()]) })
            }
            other => usage(format!("system {:?}: by is {other:?}; there are rrf and weighted", self.name)),
        }
    }

    pub fn runtime(&self) -> anyhow::Result<RuntimeChoice> {
        Ok(match self.runtime.as_deref().unwrap_or("auto") {
            "auto" => RuntimeChoice::Auto,
            "onnxruntime" => RuntimeChoice::OnnxRuntime,
            "rten" => RuntimeChoice::Rten,
            other => {
                let problem = format!("runtime is {other:?}; there are auto, onnxruntime and rten");
                return usage(format!("system {:?}: {problem}", self.name));
            }
        })
    }
}
