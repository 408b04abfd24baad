//! The best `k` of many scored documents, in the order people see.

use std::cmp::Ordering;

use crate::index::{IndexError, Snapshot};
use crate::types::{Hit, Score};

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

/// The best `k` of a stream of hits, and those as good as the last of them: which of these stay, their ids decide.
pub(super) struct Best {
    k: usize,
    hits: Vec<Hit>,
    /// What a hit has to reach.
    bar: Option<Score>,
    /// So many hits are cut.
    limit: usize,
}

impl Best {
    pub fn new(k: usize) -> Self {
        Self { k, hits: Vec::new(), bar: None, limit: 2 * k.clamp(512, 1 << 24) }
    }

    pub fn push(&mut self, hit: Hit) {
        if self.bar.is_some_and(|bar| hit.score < bar) {
            return;
        }
        self.hits.push(hit);
        if self.hits.len() >= self.limit {
            self.cut();
            // Equal hits all stay: the cost of a hit is constant nevertheless.
            self.limit = self.limit.max(2 * self.hits.len());
        }
    }

    pub fn into_hits(mut self) -> Vec<Hit> {
        self.cut();
        self.hits
    }

    fn cut(&mut self) {
        if self.k == 0 || self.hits.len() <= self.k {
            self.hits.truncate(self.k);
            return;
        }
        let (_, kth, _) = self.hits.select_nth_unstable_by(self.k - 1, Hit::best_first);
        let bar = kth.score;
        self.hits.retain(|hit| hit.score >= bar);
        self.bar = Some(bar);
    }
}

fn by_external_id(snapshot: &Snapshot, a: &Hit, b: &Hit) -> Result<Ordering, IndexError> {
    Ok(snapshot.external_id(a.doc)?.cmp(snapshot.external_id(b.doc)?))
}
