//! An index of terms in memory.

use std::fmt;

use lateen_index_format::{FormatError, MAX_TERM_LEN, TermsBuilder, TermsView};

use super::{Analyzer, Bm25, TermCounter};

/// Why an index of terms cannot be built or searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LexicalError {
    /// The words are cut by a dictionary that this build does not have: build with the feature of that name.
    #[error("words are cut by {words}, which this build of Lateen does not have")]
    NotBuilt {
        /// The name of the dictionary and of the feature.
        words: &'static str,
    },
    /// There are more documents or terms than an index can number: split the documents over several.
    #[error("the terms do not fit one index: {0}")]
    Terms(#[from] FormatError),
}

/// BM25 over the texts it was built of.
pub struct Bm25Index {
    /// Section `Terms` as a segment has it, in numbers of 8 bytes so that it is aligned; zeros fill up the last.
    terms: Vec<u64>,
    /// Bytes of it.
    bytes: usize,
    analyzer: Analyzer,
    ids: Vec<String>,
}

impl fmt::Debug for Bm25Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bm25Index")
            .field("len", &self.len())
            .field("analyzer", &self.analyzer)
            .finish_non_exhaustive()
    }
}

impl Bm25Index {
    /// Indexes pairs of id and text. Ids are not checked: they are handed back as they came.
    ///
    /// One thread; the same input gives the same index.
    ///
    /// # Errors
    /// [`LexicalError::Terms`] for more than 2³¹ documents.
    ///
    /// ```
    /// use lateen::lexical::{Analyzer, Bm25Index};
    ///
    /// let texts = [("a", "the moon pulls the tides"), ("b", "sails and wind")];
    /// let texts = texts.map(|(id, text)| (id.to_owned(), text.to_owned()));
    /// let index = Bm25Index::build(texts, Analyzer::English)?;
    /// assert_eq!(index.search("tide", 10)?[0].0, "a");
    /// # Ok::<(), lateen::lexical::LexicalError>(())
    /// ```
    pub fn build(
        texts: impl IntoIterator<Item = (String, String)>,
        analyzer: Analyzer,
    ) -> Result<Self, LexicalError> {
        let (mut counter, mut builder, mut ids) =
            (TermCounter::new(analyzer), TermsBuilder::new(), Vec::new());
        for (id, text) in texts {
            let document = builder.documents();
            builder.push_document()?;
            let counts = counter.count(&text).into_iter();
            for (term, count) in counts.filter(|(term, _)| (1..=MAX_TERM_LEN).contains(&term.len())) {
                builder.push(&term, document, count)?;
            }
            ids.push(id);
        }
        let mut written = Vec::new();
        builder.write(&mut written)?;
        let mut terms = vec![0_u64; written.len().div_ceil(8)];
        bytemuck::cast_slice_mut(&mut terms)[..written.len()].copy_from_slice(&written);
        Ok(Self { terms, bytes: written.len(), analyzer, ids })
    }

    /// How many documents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// What the terms, their counts and the lengths take, in bytes; ids not counted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// The ids in the order of addition.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The `k` best documents by id; see [`Bm25Index::search_positions`].
    ///
    /// # Errors
    /// As [`Bm25Index::search_positions`].
    pub fn search(&self, query: &str, k: usize) -> Result<Vec<(String, f32)>, LexicalError> {
        let hits = self.search_positions(query, k)?;
        Ok(hits.into_iter().map(|(at, score)| (self.ids[at as usize].clone(), score)).collect())
    }

    /// The `k` best documents that share a term with the query, as positions in the order of addition, best first;
    /// equal scores by ascending position. The query is plain text: no sign in it has a meaning.
    ///
    /// Cost: one addition per posting of the terms, and 4 bytes per document.
    ///
    /// # Errors
    /// None that an index built here can run into.
    pub fn search_positions(&self, query: &str, k: usize) -> Result<Vec<(u32, f32)>, LexicalError> {
        let view = TermsView::new(&bytemuck::cast_slice(&self.terms)[..self.bytes])?;
        let bm25 = Bm25::new(self.ids.len() as u64, view.total_length());
        let (lengths, mut scores) = (view.lengths(), vec![0.0_f32; self.ids.len()]);
        let mut touched: Vec<u32> = Vec::new();
        for (term, repeated) in TermCounter::new(self.analyzer).count(query) {
            let Some(number) = view.find(&term)? else { continue };
            let weight = bm25.term(view.frequencies()[number as usize].into());
            for (document, count) in view.postings(number)? {
                let score = &mut scores[document as usize];
                if *score == 0.0 {
                    touched.push(document);
                }
                *score += repeated as f32 * weight.score(count, lengths[document as usize]);
            }
        }
        let mut hits: Vec<(u32, f32)> = touched.iter().map(|&at| (at, scores[at as usize])).collect();
        let better = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if k < hits.len() {
            hits.select_nth_unstable_by(k, better);
            hits.truncate(k);
        }
        hits.sort_unstable_by(better);
        Ok(hits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[&str], analyzer: Analyzer) -> Bm25Index {
        let texts = texts.iter().enumerate().map(|(at, text)| (format!("d{at}"), (*text).to_owned()));
        Bm25Index::build(texts, analyzer).unwrap()
    }

    #[test]
    fn scores_follow_the_formula() {
        let texts = ["apple banana apple", "banana", "cherry banana fig fig fig"];
        let index = index(&texts, Analyzer::English);
        let mean = 3.0;
        let weight = |tf: f64, len: f64, n: f64| {
            (1.0 + (3.0 - n + 0.5) / (n + 0.5)).ln() * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * len / mean))
        };
        let hits = index.search("apples fig banana banana zebra", 10).unwrap();
        let expected = [
            ("d0", weight(2.0, 3.0, 1.0) + 2.0 * weight(1.0, 3.0, 3.0)),
            ("d2", weight(3.0, 5.0, 1.0) + 2.0 * weight(1.0, 5.0, 3.0)),
            ("d1", 2.0 * weight(1.0, 1.0, 3.0)),
        ];
        let mut expected = expected.map(|(id, score)| (id.to_owned(), score));
        expected.sort_by(|a, b| b.1.total_cmp(&a.1));
        assert_eq!(hits.len(), 3);
        for (hit, (id, score)) in hits.iter().zip(&expected) {
            assert_eq!(&hit.0, id);
            assert!((f64::from(hit.1) - score).abs() < 1e-5, "{id}: {} {score}", hit.1);
        }
    }

    #[test]
    fn ties_stand_in_the_order_of_addition() {
        let texts: Vec<String> =
            (0..1000).map(|at| format!("same words here {}", if at % 7 == 0 { "x" } else { "y" })).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let index = index(&texts, Analyzer::English);
        for k in [1, 10, 100, 1000, 5000] {
            let hits = index.search_positions("same x", k).unwrap();
            assert_eq!(hits.len(), k.min(1000));
            assert!(hits.windows(2).all(|pair| (pair[1].1, pair[0].0) < (pair[0].1, pair[1].0)));
            assert_eq!(hits[0].0, 0);
        }
    }

    #[test]
    fn no_query_is_an_error() {
        let texts = ["wind and sail", "", "帆船"];
        let english = index(&texts, Analyzer::English);
        for query in ["", "the", "+-\"(){}[]^~*?:\\/ AND OR NOT", "\u{0}", "zebra", "field:sai"] {
            assert_eq!(english.search(query, 10).unwrap(), [], "{query}");
        }
        assert_eq!(english.search("wind", 0).unwrap(), []);
        assert_eq!(english.search("title:sails OR", 9).unwrap()[0].0, "d0");
        assert_eq!(index(&texts, Analyzer::CjkBigrams).search("帆船是什么", 1).unwrap()[0].0, "d2");
        let none = index(&[], Analyzer::English);
        assert!(none.is_empty() && none.search("wind", 10).unwrap().is_empty());
    }
}
