//! Search for words, by BM25.

use std::time::Instant;

use super::allowed::Allowed;
use super::top::{self, Best};
use super::{Plan, SearchError, SearchOptions, SearchOutcome, SearchReport};
use crate::index::{Segment, Snapshot, TermsReader};
use crate::lexical::{Bm25, TermWeight};
use crate::types::{Hit, Score};

/// Finds the documents with the largest BM25 of the `terms` of a query: each with how often the query has it, as
/// [`TermCounter`](crate::lexical::TermCounter) cuts and counts them by the analyser of the index's settings.
///
/// * Only documents with at least one of the terms are hits, so that fewer than `k` may come back. Scores are 0 or more and mean
///   something only beside each other; larger is better.
/// * All documents count in the frequencies of terms, those too that are deleted and not yet merged away, or that the filter leaves out.
/// * Of `options`, `k` and the filter matter: the scores are exact, whatever recall is asked for.
/// * Cost: one addition per posting of the terms, and 4 bytes per document of the largest segment.
///
/// # Errors
/// [`SearchError::NotStored`] if the index keeps no words, or what reading a segment runs into.
pub fn search_words(
    snapshot: &Snapshot,
    terms: &[(String, u32)],
    options: &SearchOptions,
) -> Result<SearchOutcome, SearchError> {
    let mut report = SearchReport::begin(snapshot, options);
    report.kernel = "none";
    let start = Instant::now();
    let mut segments = Vec::with_capacity(snapshot.segments().len());
    for segment in snapshot.segments() {
        let words = segment.reader().terms()?;
        let reader = words.ok_or(SearchError::NotStored { what: "words; create it with them" })?;
        let numbers = terms.iter().map(|(term, _)| reader.find(term)).collect::<Result<Vec<_>, _>>()?;
        segments.push(Searched { segment, reader, numbers });
    }
    let weights = weigh(&segments, terms)?;
    report.record("terms", start, terms.len() as u64, weights.iter().flatten().count() as u64);
    let mut hits = Vec::new();
    for searched in &segments {
        let allowed = Allowed::of(searched.segment, options)?;
        report.allowed += allowed.len();
        (report.plan, report.precision) = (Plan::Words, "exact lengths");
        "words are looked up".clone_into(&mut report.why);
        let start = Instant::now();
        let (found, examined) = searched.find(&weights, &allowed, options.k)?;
        report.record("postings", start, examined, found.len() as u64);
        hits.extend(found);
    }
    let start = Instant::now();
    let found = hits.len() as u64;
    let hits = top::best(snapshot, hits, options.k)?;
    report.record("select", start, found, hits.len() as u64);
    Ok(SearchOutcome { hits, report })
}

/// A segment and where it keeps the terms of the query.
struct Searched<'a> {
    segment: &'a Segment,
    reader: TermsReader<'a>,
    numbers: Vec<Option<u32>>,
}

/// What each term counts, by its frequency in all segments; `None` for one that no document has.
fn weigh(
    segments: &[Searched<'_>],
    terms: &[(String, u32)],
) -> Result<Vec<Option<(TermWeight, f32)>>, SearchError> {
    let documents = segments.iter().map(|searched| u64::from(searched.segment.documents())).sum();
    let bm25 = Bm25::new(documents, segments.iter().map(|searched| searched.reader.total_length()).sum());
    let mut weights = Vec::with_capacity(terms.len());
    for (at, (_, count)) in terms.iter().enumerate() {
        let mut frequency = 0;
        for searched in segments {
            if let Some(number) = searched.numbers[at] {
                frequency += u64::from(searched.reader.frequency(number)?);
            }
        }
        weights.push((frequency > 0).then(|| (bm25.term(frequency), *count as f32)));
    }
    Ok(weights)
}

impl Searched<'_> {
    /// The best `k` allowed documents and those as good as the last of them, and how many postings were walked.
    fn find(
        &self,
        weights: &[Option<(TermWeight, f32)>],
        allowed: &Allowed<'_>,
        k: usize,
    ) -> Result<(Vec<Hit>, u64), SearchError> {
        let lengths = self.reader.lengths()?;
        // Scores are 0 or more, and one that is not touched is below all.
        let mut scores = vec![0.0_f32; lengths.len()];
        let mut touched: Vec<u32> = Vec::new();
        let mut walked = 0;
        for (number, weight) in self.numbers.iter().zip(weights) {
            let (Some(number), Some((weight, repeated))) = (number, weight) else { continue };
            let add = |document: u32, count| {
                let score = &mut scores[document as usize];
                if *score == 0.0 {
                    touched.push(document);
                }
                *score += repeated * weight.score(count, lengths[document as usize]);
            };
            walked += u64::from(self.reader.for_each(*number, add)?);
        }
        let mut best = Best::new(k);
        for document in touched.into_iter().filter(|&document| allowed.contains(document)) {
            let score = Score::saturating(scores[document as usize]);
            best.push(Hit { doc: self.segment.doc_id(document), score });
        }
        Ok((best.into_hits(), walked))
    }
}
