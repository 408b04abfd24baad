//! Following a stored graph from neighbour to neighbour.

use std::cell::RefCell;

use super::allowed::Allowed;
use super::compare::Comparison;
use super::{SearchError, SearchOptions};
use crate::ann::hnsw::{Distances, SearchScratch, beam_search};
use crate::index::{GraphReader, IndexError};

thread_local! {
    /// Marks and lists, kept from one search of a thread to the next: making them would take a third of the time.
    /// Two bytes for each document of the largest segment searched.
    static SCRATCH: RefCell<SearchScratch> = RefCell::new(SearchScratch::new());
}

/// The search takes no errors from its distances: the first is kept, and what it spoils is thrown away.
struct Query<'a, 'b> {
    comparison: &'b mut Comparison<'a>,
    failure: Option<IndexError>,
}

impl Distances for &mut Query<'_, '_> {
    #[inline]
    fn measure(&mut self, documents: &[u32], out: &mut [f32]) {
        match self.comparison.similarities(documents, out) {
            Ok(()) => out.iter_mut().for_each(|out| *out = -*out),
            Err(error) => {
                self.failure.get_or_insert(error);
                out.fill(f32::INFINITY);
            }
        }
    }
}

/// The documents that the beam ends with, with their similarities, and how many were compared.
pub(super) fn search(
    allowed: &Allowed<'_>,
    graph: &GraphReader<'_>,
    comparison: &mut Comparison<'_>,
    options: &SearchOptions,
) -> Result<(Vec<(u32, f32)>, u64), SearchError> {
    let walk = graph.walk();
    let mut query = Query { comparison, failure: None };
    let may_be_hit = |doc| allowed.contains(doc);
    let filter: Option<&dyn Fn(u32) -> bool> =
        if matches!(allowed, Allowed::All(_)) { None } else { Some(&may_be_hit) };
    let (found, examined) = SCRATCH.with_borrow_mut(|scratch| {
        let found = beam_search(&walk, options.ef_search(), &mut query, filter, scratch);
        (found, scratch.distances())
    });
    walk.finish()?;
    if let Some(error) = query.failure {
        return Err(error.into());
    }
    let found = found?.into_iter().map(|(doc, distance)| (doc, -distance)).collect();
    Ok((found, examined))
}
