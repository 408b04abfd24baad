//! Where texts and questions come from.

use lateen::corpus::has_sets;
use lateen::eval::position::Boundary;
use lateen::eval::{EvalError, beir};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fold {
    /// A folder in BEIR layout.
    Beir,
    /// What [`lateen::corpus::QuestionSet`] reads: SQuAD, CMRC, DRCD, FineWeb-PosQ.
    Questions,
}

impl Fold {
    /// A folder in BEIR layout is BEIR, another one that holds sets is these.
    pub fn of(path: &Path) -> Self {
        let is_other = || matches!(beir::Collection::open(path), Err(EvalError::NotBeir { .. }));
        if path.is_dir() && !(is_other() && has_sets(path)) { Self::Beir } else { Self::Questions }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundarySpec {
    #[default]
    Later,
    Both,
}

impl From<BoundarySpec> for Boundary {
    fn from(spec: BoundarySpec) -> Self {
        match spec {
            BoundarySpec::Later => Self::Later,
            BoundarySpec::Both => Self::Both,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CollectionSpec {
    pub name: String,
    /// Seen from the TOML file.
    pub path: PathBuf,
    /// The path as it was written, for reports: they are read elsewhere.
    #[serde(skip)]
    pub written: String,
    /// Folders are BEIR if they are laid out so; files, and folders of JSON files or Parquet shards, are questions.
    #[serde(default)]
    pub format: Option<Fold>,
    #[serde(default)]
    pub split: Option<String>,
    /// So many of the judged queries, drawn with the study's seed.
    #[serde(default)]
    pub queries: Option<usize>,
    /// What becomes of answers that begin where two buckets meet.
    #[serde(default)]
    pub boundary: BoundarySpec,
    /// Leave out questions whose answer occurs more than once in its text, where the collection says so.
    #[serde(default)]
    pub unique_answers: bool,
}
