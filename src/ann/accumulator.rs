//! Scores of documents from the lists that a query visits.

use super::AnnError;

/// Adds up centroid scores per document, over the tokens of one query after the other.
///
/// For a query token `q` let `s(c)` be the score of centroid `c`, `P` the centroids that are probed and `m` the imputed
/// score. The estimate of a document is `Σ_q max(s(c) : c ∈ P, document in the list of c; else m)`. Where the best centroid was
/// probed it is exact; with the score of the best centroid not probed for `m`, it is an upper bound of the score from centroids alone.
///
/// Call [`start_query`](Self::start_query), then for each query token [`start_token`](Self::start_token) and
/// [`add`](Self::add) or [`walk`](Self::walk) **in descending order of score**, then [`best`](Self::best).
/// Only documents that were added at least once are candidates.
///
/// Cost: O(1) for each added posting, O(1) to start, O(touched + n log n) for the best. 8 bytes a document, reused for
/// any number of queries.
///
/// ```
/// let mut scores = lateen::ann::Accumulator::new(10);
/// scores.start_query();
/// scores.start_token(0.3);
/// scores.walk([2, 4], 0.9, |_| true)?;
/// scores.walk([1, 4], 0.5, |_| true)?;
/// scores.start_token(0.5);
/// scores.walk([0, 4], 0.75, |document| document != 0)?;
/// assert_eq!(scores.best(2), [(4, 1.65), (2, 1.4)]);
/// # Ok::<(), lateen::ann::AnnError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Accumulator {
    documents: Vec<Slot>,
    touched: Vec<u32>,
    /// Numbers the tokens of all queries; 0 is before the first.
    token: u32,
    /// The number of the last token of the query before.
    query_start: u32,
    imputed: f32,
    /// The sum of the imputed scores.
    base: f32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// The token that added to this document last.
    token: u32,
    /// What it has above the sum of the imputed scores.
    above: f32,
}

impl Accumulator {
    /// Scratch for documents `0..documents`.
    #[must_use]
    pub fn new(documents: usize) -> Self {
        Self {
            documents: vec![Slot::default(); documents],
            touched: Vec::new(),
            token: 0,
            query_start: 0,
            imputed: 0.0,
            base: 0.0,
        }
    }

    /// How many documents there is room for.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// How many documents the query has reached.
    #[must_use]
    pub fn touched(&self) -> usize {
        self.touched.len()
    }

    /// Forgets the query before.
    pub fn start_query(&mut self) {
        self.touched.clear();
        self.query_start = self.token;
        (self.imputed, self.base) = (0.0, 0.0);
    }

    /// Starts the next query token; documents that its lists do not hold get `imputed`.
    pub fn start_token(&mut self, imputed: f32) {
        if self.token == u32::MAX {
            self.renumber();
        }
        self.token += 1;
        self.imputed = imputed;
        self.base += imputed;
    }

    /// Starts numbering again: documents of this query count as touched by token 1.
    fn renumber(&mut self) {
        self.documents.iter_mut().for_each(|slot| {
            *slot = if slot.token > self.query_start { Slot { token: 1, ..*slot } } else { Slot::default() };
        });
        (self.query_start, self.token) = (0, 1);
    }

    /// Gives `document` the score of a centroid, unless this query token has given it one before.
    ///
    /// # Errors
    /// [`AnnError::DocumentOutOfRange`] if there is no such document.
    #[inline]
    pub fn add(&mut self, document: u32, score: f32) -> Result<(), AnnError> {
        let documents = self.documents.len();
        let Some(slot) = self.documents.get_mut(document as usize) else {
            return Err(AnnError::DocumentOutOfRange { document, documents });
        };
        if slot.token == self.token {
            return Ok(());
        }
        if slot.token <= self.query_start {
            slot.above = 0.0;
            self.touched.push(document);
        }
        slot.token = self.token;
        slot.above += score - self.imputed;
        Ok(())
    }

    /// Adds all documents of a list that pass `filter`.
    ///
    /// # Errors
    /// [`AnnError::DocumentOutOfRange`] at the first document that does not exist; those before it are added.
    #[inline]
    pub fn walk(
        &mut self,
        list: impl IntoIterator<Item = u32>,
        score: f32,
        filter: impl Fn(u32) -> bool,
    ) -> Result<(), AnnError> {
        list.into_iter()
            .filter(|&document| filter(document))
            .try_for_each(|document| self.add(document, score))
    }

    /// Adds all documents of a list.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn add_all(&mut self, list: &[u32], score: f32) -> Result<(), AnnError> {
        let (documents, above) = (self.documents.len(), score - self.imputed);
        for &document in list {
            let Some(slot) = self.documents.get_mut(document as usize) else {
                return Err(AnnError::DocumentOutOfRange { document, documents });
            };
            if slot.token <= self.query_start {
                *slot = Slot { token: self.token, above };
                self.touched.push(document);
            } else {
                // No branch: whether a document was reached before by this token is hard to foretell.
                slot.above += if slot.token == self.token { 0.0 } else { above };
                slot.token = self.token;
            }
        }
        Ok(())
    }

    /// At most `n` documents with the largest sums, best first, ties by ascending number.
    pub fn best(&mut self, n: usize) -> Vec<(u32, f32)> {
        let mut found = self.largest(n, |_| true);
        found.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found
    }

    /// The same in any order, of those that pass `filter`, which is asked once per document reached.
    pub fn largest(&mut self, n: usize, filter: impl Fn(u32) -> bool) -> Vec<(u32, f32)> {
        let sum = |document: u32| self.documents[document as usize].above + self.base;
        let passed = self.touched.iter().filter(|&&document| filter(document));
        // One number to compare: the sum, then the document, both so that larger is better.
        let mut keys: Vec<u64> =
            passed.map(|&at| u64::from(ordered(sum(at))) << 32 | u64::from(!at)).collect();
        let rest = keys.len().saturating_sub(n);
        if rest > 0 {
            keys.select_nth_unstable(rest - 1);
        }
        keys[rest..].iter().map(|&key| !(key as u32)).map(|document| (document, sum(document))).collect()
    }
}

/// The bits of a number, larger for larger numbers, as `total_cmp` has them.
fn ordered(number: f32) -> u32 {
    let bits = number.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_document_that_does_not_exist_is_refused() {
        let mut scores = Accumulator::new(2);
        scores.start_query();
        scores.start_token(0.0);
        assert_eq!(
            scores.walk([0, 2], 1.0, |_| true),
            Err(AnnError::DocumentOutOfRange { document: 2, documents: 2 })
        );
        assert_eq!(scores.best(9), [(0, 1.0)]);
        assert!(Accumulator::new(0).best(3).is_empty());
    }

    #[test]
    fn token_numbers_may_run_out() {
        let mut scores = Accumulator::new(4);
        for start in [u32::MAX, u32::MAX - 1] {
            (scores.token, scores.query_start) = (start, start);
            scores.start_query();
            scores.start_token(0.5);
            scores.add(2, 1.0).unwrap();
            scores.start_token(0.25);
            scores.add(3, 1.0).unwrap();
            scores.start_token(0.0);
            scores.add(2, 1.0).unwrap();
            assert_eq!(scores.best(4), [(2, 2.25), (3, 1.5)]);
            scores.start_query();
            assert!(scores.best(4).is_empty());
        }
    }

    type Token = (Vec<(i8, Vec<u32>)>, i8);

    fn query() -> impl Strategy<Value = Vec<Token>> {
        let list = (0i8..100, prop::collection::vec(0u32..30, 0..10));
        prop::collection::vec((prop::collection::vec(list, 0..5), -50i8..0), 0..6)
    }

    /// The formula in the documentation, document by document.
    fn naive(query: &[Token], allowed: impl Fn(u32) -> bool) -> Vec<(u32, f32)> {
        let mut found = Vec::new();
        for document in (0..30).filter(|&document| allowed(document)) {
            let mut touched = false;
            let mut sum = 0.0;
            for (lists, imputed) in query {
                let best = lists.iter().filter(|(_, list)| list.contains(&document)).map(|(s, _)| *s).max();
                touched |= best.is_some();
                sum += f32::from(best.unwrap_or(*imputed));
            }
            if touched {
                found.push((document, sum));
            }
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_formula(queries in prop::collection::vec(query(), 1..5), n in 0usize..40, even: bool) {
            let mut scores = Accumulator::new(30);
            let allowed = |document: u32| !even || document.is_multiple_of(2);
            for mut query in queries {
                scores.start_query();
                for (lists, imputed) in &mut query {
                    lists.sort_by_key(|(score, _)| -score);
                    scores.start_token(f32::from(*imputed));
                    for (score, list) in lists {
                        if even {
                            scores.walk(list.iter().copied(), f32::from(*score), allowed).unwrap();
                        } else {
                            scores.add_all(list, f32::from(*score)).unwrap();
                        }
                    }
                }
                let mut expected = naive(&query, allowed);
                prop_assert_eq!(scores.touched(), expected.len());
                expected.truncate(n);
                // Small integers: sums are exact.
                prop_assert_eq!(scores.best(n), expected);
            }
        }
    }
}
