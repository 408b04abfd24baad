//! An index of terms in memory.

use std::collections::BTreeMap;
use std::fmt;

use tantivy::collector::TopDocs;
use tantivy::directory::RamDirectory;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::TokenizerManager;
use tantivy::{Index, Searcher, TantivyDocument, TantivyError, Term};

use super::analyzer::Analyzer;

/// The name under which the index knows its analyser.
const ANALYZER: &str = "lateen";
/// What tantivy's writer may take before it begins to complain; it keeps all in memory here anyhow.
const WRITER_MEMORY: usize = 64 << 20;

/// Why an index of terms cannot be built or searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LexicalError {
    /// Split the documents over several indexes.
    #[error("more than {limit} documents in one lexical index")]
    TooMany {
        /// The largest number.
        limit: u32,
    },
    /// The words are cut by a dictionary that this build does not have: build with the feature of that name.
    #[error("words are cut by {words}, which this build of Lateen does not have")]
    NotBuilt {
        /// The name of the dictionary and of the feature.
        words: &'static str,
    },
    /// tantivy failed; in memory that is not to be expected.
    #[error("the term index failed: {0}")]
    Tantivy(#[from] TantivyError),
}

/// BM25 over the texts it was built of.
pub struct Bm25Index {
    searcher: Searcher,
    field: Field,
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
    /// [`LexicalError`].
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
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(ANALYZER)
            .set_index_option(IndexRecordOption::WithFreqs);
        let field = schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
        let tokenizers = TokenizerManager::new();
        tokenizers.register(ANALYZER, analyzer.tantivy());
        let mut writer = Index::builder()
            .schema(schema.build())
            .tokenizers(tokenizers)
            .single_segment_index_writer(RamDirectory::create(), WRITER_MEMORY)?;
        let mut ids = Vec::new();
        for (id, text) in texts {
            // tantivy numbers documents with 31 bits.
            if ids.len() >= i32::MAX as usize {
                return Err(LexicalError::TooMany { limit: i32::MAX as u32 });
            }
            let mut document = TantivyDocument::new();
            document.add_text(field, text);
            writer.add_document(document)?;
            ids.push(id);
        }
        let searcher = writer.finalize()?.reader()?.searcher();
        Ok(Self { searcher, field, analyzer, ids })
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
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`].
    pub fn bytes(&self) -> Result<u64, LexicalError> {
        let usage = self.searcher.space_usage().map_err(TantivyError::from)?;
        Ok(usage.total().get_bytes())
    }

    /// The ids in the order of addition.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The `k` best documents by id; see [`Bm25Index::search_positions`].
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`].
    pub fn search(&self, query: &str, k: usize) -> Result<Vec<(String, f32)>, LexicalError> {
        let hits = self.search_positions(query, k)?;
        Ok(hits.into_iter().map(|(at, score)| (self.ids[at as usize].clone(), score)).collect())
    }

    /// The `k` best documents that share a term with the query, as positions in the order of addition, best first;
    /// equal scores by ascending position. The query is plain text: no sign in it has a meaning.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`].
    pub fn search_positions(&self, query: &str, k: usize) -> Result<Vec<(u32, f32)>, LexicalError> {
        let k = k.min(self.len());
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for term in self.analyzer.terms(query) {
            *counts.entry(term).or_default() += 1;
        }
        if k == 0 || counts.is_empty() {
            return Ok(Vec::new());
        }
        let clauses = counts.into_iter().map(|(term, count)| {
            let term = Term::from_field_text(self.field, &term);
            let clause: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
            let clause = if count == 1 { clause } else { Box::new(BoostQuery::new(clause, count as f32)) };
            (Occur::Should, clause)
        });
        let query = BooleanQuery::new(clauses.collect());
        let hits = self.searcher.search(&query, &TopDocs::with_limit(k).order_by_score())?;
        // One segment, so a number within it is the position.
        Ok(hits.into_iter().map(|(score, address)| (address.doc_id, score)).collect())
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
