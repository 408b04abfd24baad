//! Negatives that a guide takes for positives.
//!
//! A candidate that a guide model finds nearer to the query than the query's own positive is left out of the contrast
//! (Solatorio, "GISTEmbed", arXiv:2402.16829). The model itself, as it is, can be the guide.
//!
//! Relatives: copies and known positives are masked by the data side already;
//! [`info_nce`](super::info_nce()) and [`triplet_softmax`](super::triplet_softmax) take the list.

use crate::data::Groups;

/// Pairs `(query, document)` whose guide score exceeds that of the query's positive minus `margin`.
///
/// * `guide`: `[queries, documents]`, row-major, larger is nearer. NaN scores mask nothing.
/// * `margin`: 0 masks what is nearer than the positive; above 0 masks more.
#[must_use]
pub fn false_negatives(guide: &[f32], groups: &Groups, margin: f32) -> Vec<(usize, usize)> {
    let documents = guide.len() / groups.ranges.len().max(1);
    let rows = guide.chunks(documents.max(1)).zip(&groups.ranges).enumerate();
    rows.flat_map(|(query, (row, own))| {
        let limit = row[own.start] - margin;
        let nearer = move |(document, score): (usize, &f32)| {
            (document != own.start && *score > limit).then_some((query, document))
        };
        row.iter().enumerate().filter_map(nearer)
    })
    .collect()
}
