//! Two rankings of one query, by vectors and by words, made one.

use std::collections::HashMap;
use std::time::Instant;

use super::Error;
use crate::index::Snapshot;
use crate::search::{Fusion, Plan, Ranking, SearchError, SearchOutcome, fuse};
use crate::types::{DocId, Hit, Score};

/// How many documents each search of a hybrid one looks for, at least.
pub const HYBRID_DEPTH: usize = 100;

/// What a query is searched by.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum SearchBy {
    /// Its meaning: late interaction, or dense vectors where the index keeps no others.
    #[default]
    Vectors,
    /// Its words, by BM25.
    Words,
    /// Both; of the rankings, that of vectors comes first.
    Both(Fusion),
}

/// Fuses the hits and joins the reports.
pub(super) fn fuse_outcomes(
    snapshot: &Snapshot,
    outcomes: [SearchOutcome; 2],
    fusion: &Fusion,
    k: usize,
) -> Result<SearchOutcome, Error> {
    let start = Instant::now();
    let mut documents: HashMap<String, DocId> = HashMap::new();
    let mut rankings = Vec::with_capacity(outcomes.len());
    for outcome in &outcomes {
        let mut ranking = Ranking::with_capacity(outcome.hits.len());
        for hit in &outcome.hits {
            let id = snapshot.external_id(hit.doc).map_err(SearchError::from)?;
            documents.insert(id.to_owned(), hit.doc);
            ranking.push((id.to_owned(), hit.score.get()));
        }
        rankings.push(ranking);
    }
    let fused = fuse(&rankings, fusion, k)?;
    let hits: Vec<Hit> = fused
        .iter()
        .filter_map(|(id, score)| Some(Hit { doc: *documents.get(id)?, score: Score::saturating(*score) }))
        .collect();
    let [vectors, words] = outcomes;
    let mut report = vectors.report;
    report.join(Plan::Hybrid, fusion.to_string(), words.report);
    report.add("fuse", start, documents.len() as u64, hits.len() as u64);
    Ok(SearchOutcome { hits, report })
}
