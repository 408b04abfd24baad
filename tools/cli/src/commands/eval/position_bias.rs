use super::study;
use crate::exit::{Outcome, usage};
use crate::output::Output;
use crate::study::{BoundarySpec, CollectionSpec, Study, SystemSpec, Thirds};
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  lateen eval position-bias docs/studies/position-bias.toml
  lateen eval position-bias squad-v2.0 --queries 10000
  lateen eval position-bias dev-v2.0.json --dense models/minilm --late models/colbert --judge models/judge
  lateen eval position-bias collections/cmrc2018 --split dev --analyzer cjk-bigrams";

/// Measure whether systems mind where in a document its answer stands
///
/// Questions are put into buckets by the character at which their answer begins, and each bucket is measured by itself: recall and
/// nDCG, and the Position Sensitivity Index, 1 - min / max of the buckets' nDCG@10. Dense models are also asked how alike the vectors
/// of texts and of their thirds are.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PositionBias {
    /// A study (.toml), a file in SQuAD's form (v1.1, v2.0, CMRC, DRCD), FineWeb-PosQ (JSON or Parquet), a folder of such files, or a BEIR folder whose queries have answer_start
    data: PathBuf,
    /// Which judgements of a BEIR folder, or which Parquet files of another [default: test, else dev, else the first]
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// How BM25 reads texts: english, cjk-bigrams or jieba
    #[arg(long, value_name = "NAME", default_value = "english")]
    analyzer: String,
    /// A model with one vector a text: a directory, a name on the hub (from its cache), or `bundled`, the static one inside
    /// this program
    #[arg(long, value_name = "DIR", default_value = "bundled")]
    dense: String,
    /// A late-interaction model: the same, or `nano`
    #[arg(long, value_name = "DIR", default_value = "bundled")]
    late: String,
    /// A cross-encoder for the best 100 of BM25; without one the late-interaction model judges by exact MaxSim
    #[arg(long, value_name = "DIR")]
    judge: Option<String>,
    /// So many questions, drawn at random
    #[arg(long, value_name = "N")]
    queries: Option<usize>,
    /// Where results go
    #[arg(long, short, value_name = "DIR", default_value = "position-bias")]
    out: PathBuf,
}

impl PositionBias {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        if self.data.extension().is_some_and(|extension| extension == "toml") {
            return study::run_file(output, &self.data);
        }
        let study = self.study()?;
        let command = format!("lateen eval position-bias {}", self.data.display());
        let settings = serde_json::to_string_pretty(&study)?;
        study::run(output, &study, (&command, &settings))
    }

    /// The four stages: words, one vector, a vector per token, a judge.
    fn study(&self) -> anyhow::Result<Study> {
        let name = self.data.file_stem().and_then(|stem| stem.to_str()).unwrap_or("questions");
        let judge = match &self.judge {
            Some(judge) => judge.clone(),
            None => format!("late:{}", self.late),
        };
        let systems = serde_json::json!([
            {"name": "BM25", "kind": "bm25", "analyzer": self.analyzer},
            {"name": "dense", "kind": "dense", "model": self.dense},
            {"name": "late interaction", "kind": "late-interaction", "model": self.late, "recall": "exact"},
            {"name": "reranked", "kind": "reranked", "of": ["BM25"], "judge": judge, "top": 100},
        ]);
        let systems: Vec<SystemSpec> = match serde_json::from_value(systems) {
            Ok(systems) => systems,
            Err(error) => return usage(format!("--analyzer: {error}")),
        };
        let collection = CollectionSpec {
            name: name
                .chars()
                .map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' })
                .collect(),
            path: self.data.clone(),
            written: self.data.display().to_string(),
            format: None,
            split: self.split.clone(),
            queries: self.queries,
            boundary: BoundarySpec::Later,
            unique_answers: false,
        };
        let study = Study::of(&self.out, vec![collection], systems, Some(Thirds::default()));
        study.check()?;
        if !self.data.exists() {
            return usage(format!("{}: there is no such file or folder", self.data.display()));
        }
        Ok(study)
    }
}
