//! Following a stored graph from neighbour to neighbour.

use super::allowed::Allowed;
use super::dense::similarity;
use super::{SearchError, SearchOptions};
use crate::ann::hnsw::{SearchScratch, beam_search};
use crate::index::{DenseReader, GraphReader};

/// The documents that the beam ends with, with their similarities, and how many were compared.
pub(super) fn search(
    allowed: &Allowed<'_>,
    graph: &GraphReader<'_>,
    vectors: &DenseReader<'_>,
    (query, options): (&[f32], &SearchOptions),
) -> Result<(Vec<(u32, f32)>, u64), SearchError> {
    let walk = graph.walk();
    // The search takes no errors from its distances: the first is kept, and what it spoils is thrown away.
    let mut failure = None;
    let distance = |doc| match similarity(vectors, doc, query, options.isa) {
        Ok(similarity) => -similarity,
        Err(error) => {
            failure.get_or_insert(error);
            f32::INFINITY
        }
    };
    let may_be_hit = |doc| allowed.contains(doc);
    let filter: Option<&dyn Fn(u32) -> bool> =
        if matches!(allowed, Allowed::All(_)) { None } else { Some(&may_be_hit) };
    let mut scratch = SearchScratch::new();
    let found = beam_search(&walk, options.ef_search(), distance, filter, &mut scratch);
    walk.finish()?;
    if let Some(error) = failure {
        return Err(error);
    }
    let found = found?.into_iter().map(|(doc, distance)| (doc, -distance)).collect();
    Ok((found, scratch.distances()))
}
