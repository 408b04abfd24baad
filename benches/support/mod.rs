//! What several benches need: judgements, tables, the machine's name.

#![allow(dead_code, reason = "every bench uses a part of it")]

pub mod encoded;
pub mod machine;

use std::collections::HashSet;
use std::path::Path;

use lateen::corpus::{Queries, ReadOptions};
use lateen::eval::beir::Collection;
use lateen::eval::{Measure, Metric, Qrels, Run, evaluate};

/// The judgements of one collection.
pub struct Quality {
    qrels: Qrels,
}

impl From<Qrels> for Quality {
    fn from(qrels: Qrels) -> Self {
        Self { qrels }
    }
}

impl Quality {
    pub fn open(collection: &Path, split: &str) -> anyhow::Result<Self> {
        Ok(Self { qrels: Collection::open(collection)?.qrels(split)? })
    }

    /// The queries that are judged, in the order of their file.
    pub fn judged_queries(&self, collection: &Path) -> anyhow::Result<Vec<(String, String)>> {
        let judged: HashSet<&str> = self.qrels.queries().collect();
        let all = Queries::open(Collection::open(collection)?.queries, ReadOptions::default())?.read_all()?;
        Ok(all.into_iter().filter(|(id, _)| judged.contains(id.as_str())).collect())
    }

    /// nDCG@10 and Recall@100 of `(query, [(document, score)])`.
    pub fn measure(&self, found: Vec<Ranking>) -> anyhow::Result<[Option<f64>; 2]> {
        let mut run = Run::new();
        for (query, hits) in found {
            run.insert_ranked(query, hits)?;
        }
        let report = evaluate(&run, &self.qrels, &METRICS);
        Ok(METRICS.map(|metric| report.mean(metric)))
    }
}

/// A query's id and its documents, best first.
pub type Ranking = (String, Vec<(String, f32)>);

const METRICS: [Metric; 2] = [Metric::at(Measure::Ndcg, 10), Metric::at(Measure::Recall, 100)];

/// Prints the named columns of `rows` as a Markdown table.
pub fn print_table(rows: &[serde_json::Value], columns: &[&str]) {
    println!(
        "| {} |
|{}",
        columns.join(" | "),
        "---|".repeat(columns.len())
    );
    for row in rows {
        let cells = columns.iter().map(|&column| match &row[column] {
            serde_json::Value::Number(number) => format!("{:.4}", number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => text.clone(),
            _ => "–".to_owned(),
        });
        println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}
