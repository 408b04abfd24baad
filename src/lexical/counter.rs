//! The terms of a text with their counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use super::Analyzer;
use super::cutter::Cutter;

/// Cuts texts into terms and counts them; one analyser for many texts.
pub struct TermCounter {
    cutter: Cutter,
}

impl TermCounter {
    /// A counter for texts of `analyzer`.
    #[must_use]
    pub fn new(analyzer: Analyzer) -> Self {
        Self { cutter: Cutter::new(analyzer) }
    }

    /// The terms of `text` in ascending order, each with how often it is there.
    ///
    /// ```
    /// use lateen::lexical::{Analyzer, TermCounter};
    /// let counts = TermCounter::new(Analyzer::English).count("Sails, sailing on the sea");
    /// assert_eq!(counts, [("sail".to_owned(), 2), ("sea".to_owned(), 1)]);
    /// ```
    pub fn count(&mut self, text: &str) -> Vec<(String, u32)> {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        self.cutter.each(text, |term, _| match counts.get_mut(term) {
            Some(count) => *count = count.saturating_add(1),
            None => drop(counts.insert(term.to_owned(), 1)),
        });
        counts.into_iter().collect()
    }
}

impl TermCounter {
    /// The bytes of `text` that became one of `terms`, in order; those of bigrams overlap.
    ///
    /// ```
    /// use lateen::lexical::{Analyzer, TermCounter};
    /// let mut counter = TermCounter::new(Analyzer::English);
    /// let asked = counter.count("sail");
    /// assert_eq!(counter.places("All sails set", &asked), [4..9]);
    /// ```
    pub fn places(&mut self, text: &str, terms: &[(String, u32)]) -> Vec<Range<usize>> {
        let wanted: BTreeSet<&str> = terms.iter().map(|(term, _)| term.as_str()).collect();
        let mut places = Vec::new();
        self.cutter.each(text, |term, place| {
            if wanted.contains(term) {
                places.push(place);
            }
        });
        places
    }
}

impl fmt::Debug for TermCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TermCounter").finish_non_exhaustive()
    }
}
