//! `lateen eval`: one collection, a comparison, position bias, reranking sets.

mod against;
mod one;
mod position_bias;
mod reranking;
mod study;
mod systems;

use crate::exit::Outcome;
use crate::output::Output;
use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  lateen eval collections/scifact
  lateen eval collections/scifact --index scifact.lateen --exact --run run.trec
  lateen eval collections/scifact --index scifact.lateen --recall 0.9 --against exact
  lateen eval collections/scifact --system bm25
  lateen eval --run-file run.trec --qrels qrels.tsv
  lateen eval study.toml
  lateen eval position-bias dev-v1.1.json --dense models/minilm --late models/colbert
  lateen eval reranking t2ranking.jsonl --system bm25:cjk-bigrams --system judge:models/judge";

/// Measure how well and how fast an index answers judged queries, or compare systems on collections
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Eval {
    #[command(subcommand)]
    kind: Option<Kind>,
    #[command(flatten)]
    one: one::One,
}

#[derive(Debug, Subcommand)]
enum Kind {
    PositionBias(position_bias::PositionBias),
    Reranking(reranking::Reranking),
}

impl Eval {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        match self.kind {
            None => self.one.run(output),
            Some(Kind::PositionBias(command)) => command.run(output),
            Some(Kind::Reranking(command)) => command.run(output),
        }
    }
}
