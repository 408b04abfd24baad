//! What a ranking is worth: against the judgements, and against exact scores.

use std::path::Path;

use anyhow::ensure;
use half::f16;
use lateen::eval::{Measure, Metric, Qrels, Run, evaluate};
use lateen::kernel::{Isa, QueryF32};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::collection::{Collection, lines, npy};
use crate::measure::{recall, rounded};

/// Judgements, and the best documents of each query.
pub struct Quality {
    qrels: Option<Qrels>,
    query_ids: Vec<String>,
    ids: Vec<String>,
    truth: Vec<Vec<u32>>,
}

impl Quality {
    /// `truth`: the best documents of the queries, best first.
    pub fn new(folder: &Path, truth: Vec<Vec<u32>>) -> anyhow::Result<Self> {
        let qrels = folder.join("qrels.tsv");
        let qrels = if qrels.is_file() { Some(Qrels::open(qrels)?) } else { None };
        let (query_ids, ids) = (lines(&folder.join("query_ids.txt"))?, lines(&folder.join("ids.txt"))?);
        ensure!(truth.len() <= query_ids.len(), "{} has fewer queries than answers", folder.display());
        Ok(Self { qrels, query_ids, ids, truth })
    }

    /// `ndcg@10` of what was found for all queries, `recall@10` and `recall@100` of the exact best.
    pub fn of(&self, found: &[Vec<u32>]) -> anyhow::Result<Value> {
        let mut report = json!({});
        if !self.truth.is_empty() {
            report["recall@10"] = recall(found, &self.truth, 10).into();
            report["recall@100"] = recall(found, &self.truth, 100).into();
        }
        if let Some(qrels) = &self.qrels {
            let metric = Metric::at(Measure::Ndcg, 10);
            let mut run = Run::new();
            for (query, documents) in self.query_ids.iter().zip(found) {
                // The rank stands for the score.
                let hits = documents.iter().enumerate();
                let hits =
                    hits.map(|(rank, &document)| (self.ids[document as usize].clone(), -(rank as f32)));
                run.insert_ranked(query.as_str(), hits.collect::<Vec<_>>())?;
            }
            report["ndcg@10"] = evaluate(&run, qrels, &[metric]).mean(metric).map(rounded).into();
        }
        Ok(report)
    }

    /// The quality of exact scores on the vectors as they are.
    pub fn of_truth(&self) -> anyhow::Result<Value> {
        self.of(&self.truth)
    }
}

/// Documents scored together.
const BATCH: usize = 512;

/// The `k` best documents of each query by exact MaxSim on the stored half-precision vectors; ties by
/// position. Kept in `file`: a scan of a large collection takes minutes.
pub fn exact(collection: &Collection, k: usize, file: &Path) -> anyhow::Result<Vec<Vec<u32>>> {
    if let Ok(text) = std::fs::read_to_string(file) {
        return Ok(serde_json::from_str(&text)?);
    }
    let mut packed: Vec<(QueryF32, Vec<(f32, u32)>)> = collection
        .queries()?
        .iter()
        .map(|query| (QueryF32::pack(Isa::detect(), query.view()), Vec::new()))
        .collect();
    let mut rows = npy(&collection.folder.join("tokens.npy"), "<f2")?.1;
    for (batch, lengths) in collection.lengths.chunks(BATCH).enumerate() {
        let tokens: u32 = lengths.iter().sum();
        let mut bytes = vec![0; tokens as usize * collection.dim * 2];
        std::io::Read::read_exact(&mut rows, &mut bytes)?;
        let halves: Vec<f16> = bytes.as_chunks().0.iter().map(|x| f16::from_le_bytes(*x)).collect();
        packed.par_iter_mut().for_each(|(query, best)| {
            let mut at = 0;
            for (position, &length) in lengths.iter().enumerate() {
                let end = at + length as usize * collection.dim;
                best.push((query.maxsim_f16(&halves[at..end]), (batch * BATCH + position) as u32));
                at = end;
            }
            best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            best.truncate(k);
        });
    }
    let truth: Vec<Vec<u32>> = packed
        .into_iter()
        .map(|(_, best)| best.into_iter().map(|(_, document)| document).collect())
        .collect();
    std::fs::write(file, serde_json::to_string(&truth)?)?;
    Ok(truth)
}
