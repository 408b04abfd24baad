//! All that an index answers, in a form that can be compared and recorded.

use std::collections::BTreeSet;

use lateen::format::Words;
use lateen::index::Snapshot;
use lateen::search::{PlanChoice, SearchError, SearchOptions, search_dense, search_tokens, search_words};
use lateen::types::{DocId, Hit, TokenMatrix};
use serde_json::{Value, json};

use crate::sample::Random;

/// Queries of three tokens, and vectors, by number.
pub fn token_query(dim: usize, number: u64) -> Vec<f32> {
    let mut random = Random(900 + number);
    (0..3 * dim).map(|_| random.signed()).collect()
}

pub fn dense_query(dim: usize, number: u64) -> Vec<f32> {
    let mut random = Random(700 + number);
    (0..dim).map(|_| random.signed()).collect()
}

pub const QUERIES: u64 = 2;

/// The hits of every query under every plan that the index allows, as `(query, plan, [(document, score bits)])`.
pub fn hits(snapshot: &Snapshot, k: usize) -> Result<Vec<(String, Vec<Hit>)>, SearchError> {
    let (token_dim, dense_dim) = (snapshot.settings().token_dim, snapshot.settings().dense_dim);
    let mut all = Vec::new();
    for number in 0..QUERIES {
        if token_dim > 0 {
            let rows = token_query(token_dim as usize, number);
            let query = TokenMatrix::new(&rows, token_dim as usize).expect("finite rows");
            for plan in [PlanChoice::Exact, PlanChoice::TwoStage] {
                let options = SearchOptions { plan, ..SearchOptions::top(k) };
                match search_tokens(snapshot, query, &options) {
                    Ok(found) => all.push((format!("tokens {number} {plan:?}"), found.hits)),
                    Err(SearchError::PlanNotPossible { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        if dense_dim > 0 {
            let query = dense_query(dense_dim as usize, number);
            let found = search_dense(snapshot, &query, &SearchOptions::top(k))?;
            all.push((format!("dense {number}"), found.hits));
        }
    }
    if snapshot.settings().words != Words::None {
        let found = search_words(snapshot, &every_term(snapshot)?, &SearchOptions::top(k))?;
        all.push(("words 0: every one".to_owned(), found.hits));
    }
    Ok(all)
}

/// All terms of the snapshot, once each.
fn every_term(snapshot: &Snapshot) -> Result<Vec<(String, u32)>, SearchError> {
    let mut all = BTreeSet::new();
    for segment in snapshot.segments() {
        if let Some(terms) = segment.reader().terms()? {
            for term in 0..terms.len() {
                all.insert(terms.term(term)?.to_owned());
            }
        }
    }
    Ok(all.into_iter().map(|term| (term, 1)).collect())
}

/// Every live document and every hit, with ids instead of numbers.
pub fn recorded(snapshot: &Snapshot) -> Value {
    let live = (0..snapshot.bound()).map(DocId).filter(|&doc| snapshot.is_live(doc));
    let documents: Vec<Value> = live
        .map(|doc| {
            let stored = snapshot.stored(doc).unwrap();
            json!({
                "id": snapshot.external_id(doc).unwrap(),
                "content_hash": format!("{:016x}", snapshot.content_hash(doc).unwrap()),
                "stored": stored.map(|stored| json!([stored.title, stored.text, stored.metadata])),
            })
        })
        .collect();
    let hits: Vec<Value> = hits(snapshot, snapshot.bound() as usize)
        .unwrap()
        .into_iter()
        .map(|(query, hits)| {
            let hit = |hit: &Hit| json!([snapshot.external_id(hit.doc).unwrap(), hit.score.get()]);
            json!({ "query": query, "hits": hits.iter().map(hit).collect::<Vec<_>>() })
        })
        .collect();
    json!({ "generation": snapshot.generation(), "documents": documents, "hits": hits })
}
