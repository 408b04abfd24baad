//! Following a stored graph from neighbour to neighbour.

use std::cell::RefCell;

use super::dense::similarity;
use super::{SearchError, SearchOptions};
use crate::ann::hnsw::{Links, SearchScratch, beam_search};
use crate::index::{DenseReader, GraphReader, IndexError, Segment};

/// The documents that the beam ends with, with their similarities, and how many were compared.
pub(super) fn search(
    segment: &Segment,
    graph: &GraphReader<'_>,
    vectors: &DenseReader<'_>,
    (query, options): (&[f32], &SearchOptions),
) -> Result<(Vec<(u32, f32)>, u64), SearchError> {
    let failure = RefCell::new(None);
    let links = StoredLinks { graph, failure: &failure };
    // The search takes no errors from its distances: the first is kept, and what it spoils is thrown away.
    let distance = |doc| {
        similarity(vectors, doc, query, options.isa).map_or_else(
            |error| {
                failure.borrow_mut().get_or_insert(error);
                f32::INFINITY
            },
            |similarity| -similarity,
        )
    };
    let is_live = |doc| segment.is_live(doc);
    let filter: Option<&dyn Fn(u32) -> bool> = if segment.tombstones().is_empty() { None } else { Some(&is_live) };
    let mut scratch = SearchScratch::new();
    let found = beam_search(&links, options.ef_search(), distance, filter, &mut scratch);
    if let Some(error) = failure.into_inner() {
        return Err(error);
    }
    let found = found?.into_iter().map(|(doc, distance)| (doc, -distance)).collect();
    Ok((found, scratch.distances()))
}

/// A graph in a mapped file whose blocks may turn out to be damaged on the way.
struct StoredLinks<'a> {
    graph: &'a GraphReader<'a>,
    failure: &'a RefCell<Option<SearchError>>,
}

impl Links for StoredLinks<'_> {
    fn len(&self) -> usize {
        self.graph.documents() as usize
    }

    fn entry(&self) -> Option<u32> {
        (self.graph.documents() > 0).then(|| self.graph.entry())
    }

    fn max_level(&self) -> usize {
        self.graph.max_level() as usize
    }

    fn links(&self, level: usize, node: u32) -> &[u32] {
        let links: Result<&[u32], IndexError> = self.graph.links(level as u32, node);
        links.unwrap_or_else(|error| {
            self.failure.borrow_mut().get_or_insert(error.into());
            &[]
        })
    }
}
