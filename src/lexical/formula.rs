//! What a term adds to a document's score.

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// BM25 with what is known of all documents.
///
/// ```
/// use lateen::lexical::Bm25;
/// let bm25 = Bm25::new(10, 500);
/// let rare = bm25.term(1);
/// assert!(rare.score(2, 50) > bm25.term(9).score(2, 50), "a rare term says more");
/// assert!(rare.score(2, 50) > rare.score(1, 50) && rare.score(1, 20) > rare.score(1, 50));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bm25 {
    documents: f64,
    mean_length: f64,
}

/// A term of a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermWeight {
    /// `idf · (k1 + 1)`.
    most: f64,
    mean_length: f64,
}

impl Bm25 {
    /// * `documents`: how many there are; `total_length`: how many terms they have together.
    #[must_use]
    pub fn new(documents: u64, total_length: u64) -> Self {
        let documents = documents as f64;
        // Where no document has a term, no length matters.
        Self { documents, mean_length: (total_length as f64 / documents.max(1.0)).max(f64::MIN_POSITIVE) }
    }

    /// A term that `frequency` of the documents have.
    #[must_use]
    pub fn term(&self, frequency: u64) -> TermWeight {
        let n = frequency as f64;
        let idf = (1.0 + (self.documents - n + 0.5).max(0.5) / (n + 0.5)).ln();
        TermWeight { most: idf * (K1 + 1.0), mean_length: self.mean_length }
    }
}

impl TermWeight {
    /// What the term adds to a document of `length` terms that has it `count` times; not negative.
    #[inline]
    #[must_use]
    pub fn score(&self, count: u32, length: u32) -> f32 {
        let (count, length) = (f64::from(count), f64::from(length) / self.mean_length);
        (self.most * count / (count + K1 * (1.0 - B + B * length))) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_is_that_of_the_paper() {
        // N = 7, n = 2, tf = 3, |D| = 12, mean 10.
        let found = Bm25::new(7, 70).term(2).score(3, 12);
        let idf = (1.0_f64 + 5.5 / 2.5).ln();
        let expected = idf * 3.0 * 2.2 / (3.0 + 1.2 * (0.25 + 0.75 * 1.2));
        assert!((f64::from(found) - expected).abs() < 1e-6, "{found} {expected}");
    }

    #[test]
    fn nothing_to_count_is_no_number_that_is_none() {
        assert!(Bm25::new(0, 0).term(0).score(1, 0).is_finite());
        assert!(Bm25::new(1, 0).term(u64::MAX).score(u32::MAX, u32::MAX).is_finite());
    }
}
