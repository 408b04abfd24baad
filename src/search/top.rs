//! The best `k` of many scored documents, in the order people see.

use std::cmp::Ordering;

use crate::index::{IndexError, Snapshot};
use crate::types::Hit;

/// Keeps the best `k` of `hits`, best first, equal scores by ascending external id.
///
/// Linear in the number of hits; ids are read only where scores are equal.
pub(super) fn best(snapshot: &Snapshot, mut hits: Vec<Hit>, k: usize) -> Result<Vec<Hit>, IndexError> {
    if k == 0 {
        return Ok(Vec::new());
    }
    if hits.len() > k {
        let (_, kth, _) = hits.select_nth_unstable_by(k - 1, Hit::best_first);
        let bar = kth.score;
        hits.retain(|hit| hit.score >= bar);
    }
    let mut failure = None;
    hits.sort_unstable_by(|a, b| {
        b.score.cmp(&a.score).then_with(|| {
            by_external_id(snapshot, a, b).unwrap_or_else(|error| {
                failure.get_or_insert(error);
                a.doc.cmp(&b.doc)
            })
        })
    });
    hits.truncate(k);
    failure.map_or(Ok(hits), Err)
}

fn by_external_id(snapshot: &Snapshot, a: &Hit, b: &Hit) -> Result<Ordering, IndexError> {
    Ok(snapshot.external_id(a.doc)?.cmp(snapshot.external_id(b.doc)?))
}
