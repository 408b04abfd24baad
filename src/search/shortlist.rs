//! From lists of centroids to documents worth scoring.

use super::SearchError;
use super::allowed::Allowed;
use super::first_stage::Probes;
use super::residual::Residual;
use crate::ann::Accumulator;
use crate::index::Segment;
use crate::kernel::CoarseScores;

/// Documents and the scores they are estimated to have.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Shortlist {
    pub documents: Vec<(u32, f32)>,
    /// Postings walked.
    pub postings: u64,
    /// Documents that the walk reached.
    pub reached: u64,
}

impl Shortlist {
    /// Estimates all documents again, from the centroids of all their tokens, and keeps the best `candidates`, best first, equal
    /// estimates by ascending number.
    /// Returns the number of these tokens.
    pub fn refine(
        &mut self,
        residual: &Residual<'_>,
        coarse: &CoarseScores,
        candidates: usize,
    ) -> Result<u64, SearchError> {
        let mut seen = 0;
        for (doc, estimate) in &mut self.documents {
            let tokens;
            (*estimate, tokens) = residual.estimate(coarse, *doc)?;
            seen += tokens;
        }
        let best_first = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if candidates < self.documents.len() {
            self.documents.select_nth_unstable_by(candidates, best_first);
            self.documents.truncate(candidates);
        }
        self.documents.sort_unstable_by(best_first);
        Ok(seen)
    }
}

/// Walks the lists that `probes` name and keeps at most `candidates` documents, all of them `allowed`.
pub(super) fn shortlist(
    segment: &Segment,
    allowed: &Allowed<'_>,
    probes: &[Probes],
    candidates: usize,
) -> Result<Shortlist, SearchError> {
    let lists = segment.reader().lists()?.ok_or(SearchError::NotStored { what: "inverted lists" })?;
    let mut accumulator = Accumulator::new(segment.documents() as usize);
    accumulator.start_query();
    let (mut postings, mut list) = (0, Vec::new());
    for probe in probes {
        accumulator.start_token(probe.imputed);
        for &(score, centroid) in &probe.lists {
            lists.read(centroid, &mut list)?;
            postings += list.len() as u64;
            accumulator.add_all(&list, score)?;
        }
    }
    let reached = accumulator.touched() as u64;
    // Asked once per document reached, not once per posting.
    let documents = match allowed {
        Allowed::All(_) => accumulator.largest(candidates, |_| true),
        _ => accumulator.largest(candidates, |doc| allowed.contains(doc)),
    };
    Ok(Shortlist { documents, postings, reached })
}

/// Whether one of the lists that `probes` name has the document.
pub(super) fn is_listed(segment: &Segment, probes: &[Probes], doc: u32) -> Result<bool, SearchError> {
    let lists = segment.reader().lists()?.ok_or(SearchError::NotStored { what: "inverted lists" })?;
    let mut list = Vec::new();
    for (_, centroid) in probes.iter().flat_map(|probe| &probe.lists) {
        lists.read(*centroid, &mut list)?;
        if list.binary_search(&doc).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}
