//! Searching by text, and saying why.

use std::time::Instant;

use rayon::prelude::*;

use super::hybrid::{HYBRID_DEPTH, SearchBy, fuse_outcomes};
use super::places::{NOWHERE, Places};
use super::{Answer, AnswerReport, Error, Found, Retriever, TokenMatch};
use crate::corpus::Document;
use crate::index::{IndexError, Snapshot};
use crate::lexical::{Analyzer, TermCounter};
use crate::search::{
    Explainer, Fusion, SearchError, SearchOptions, SearchOutcome, search_dense, search_tokens, search_words,
};
use crate::types::{DocId, EncodedTokens, Hit, normalize};
use lateen_index_format::StoredDocument;

impl Retriever {
    /// Finds the best documents for `query` by its meaning, its words, or both.
    ///
    /// Under [`SearchBy::Both`] each of the two searches looks for [`HYBRID_DEPTH`] documents, or `k` if that is more; the scores of the
    /// answer are those of the fusion. Matching words come with hits by late interaction alone.
    ///
    /// # Errors
    /// As [`Retriever::search`]; [`Error`] if the index keeps no words and they are asked for, or weights are not one for each of the
    /// two rankings.
    pub fn search_by(&self, by: &SearchBy, query: &str, options: &SearchOptions) -> Result<Answer, Error> {
        self.search_one(&self.snapshot(), (by, query), options)
    }

    fn search_one(
        &self,
        snapshot: &Snapshot,
        (by, query): (&SearchBy, &str),
        options: &SearchOptions,
    ) -> Result<Answer, Error> {
        match by {
            SearchBy::Vectors => self.search_in(snapshot, query, options),
            SearchBy::Words => {
                let start = Instant::now();
                let terms = terms_of(snapshot, query)?;
                let encode_nanos = nanos(start);
                let outcome = search_words(snapshot, &terms, options)?;
                let answer = self.answer(snapshot, outcome, encode_nanos, None)?;
                with_words(snapshot, answer, &terms)
            }
            SearchBy::Both(fusion) => self.search_both(snapshot, (query, fusion), options),
        }
    }

    fn search_both(
        &self,
        snapshot: &Snapshot,
        (query, fusion): (&str, &Fusion),
        options: &SearchOptions,
    ) -> Result<Answer, Error> {
        let deep = SearchOptions { k: options.k.max(HYBRID_DEPTH), ..options.clone() };
        let start = Instant::now();
        let terms = terms_of(snapshot, query)?;
        let cut_nanos = nanos(start);
        let (vectors, encode_nanos) = self.outcome_of_vectors(snapshot, query, &deep)?;
        let words = search_words(snapshot, &terms, &deep)?;
        let outcome = fuse_outcomes(snapshot, [vectors, words], fusion, options.k)?;
        let answer = self.answer(snapshot, outcome, cut_nanos + encode_nanos, None)?;
        with_words(snapshot, answer, &terms)
    }

    /// What late interaction finds, or dense vectors where the index keeps no others, and the time that encoding took.
    fn outcome_of_vectors(
        &self,
        snapshot: &Snapshot,
        query: &str,
        options: &SearchOptions,
    ) -> Result<(SearchOutcome, u64), Error> {
        if query.trim().is_empty() {
            return Err(Error::EmptyQuery);
        }
        let start = Instant::now();
        if snapshot.settings().token_dim == 0 {
            let vector = self.encode_query(query)?;
            let encode_nanos = nanos(start);
            return Ok((search_dense(snapshot, &vector, options)?, encode_nanos));
        }
        let encoded = self.model.encode_query_tokens(query)?;
        let encode_nanos = nanos(start);
        if encoded.matrix.view().is_empty() {
            return Err(Error::EmptyQuery);
        }
        Ok((search_tokens(snapshot, encoded.matrix.view(), options)?, encode_nanos))
    }

    fn encode_query(&self, query: &str) -> Result<Vec<f32>, Error> {
        let mut vectors = self.model.encode_queries_dense(&[query])?;
        let mut vector = vectors.pop().ok_or(Error::EmptyQuery)?;
        if normalize(&mut vector) { Ok(vector) } else { Err(Error::EmptyQuery) }
    }

    /// Finds the best documents for `query`, with their texts and matching words.
    ///
    /// By late interaction where the index keeps token vectors, by dense vectors otherwise.
    /// Cost: one run of the model over the query, the search, and reading `k` texts.
    ///
    /// # Errors
    /// [`Error::EmptyQuery`] if the query has no token that the model knows; [`Error`] if the model
    /// fails or a file of the index is damaged.
    pub fn search(&self, query: &str, options: &SearchOptions) -> Result<Answer, Error> {
        self.search_in(&self.snapshot(), query, options)
    }

    fn search_in(&self, snapshot: &Snapshot, query: &str, options: &SearchOptions) -> Result<Answer, Error> {
        if query.trim().is_empty() {
            return Err(Error::EmptyQuery);
        }
        if snapshot.settings().token_dim == 0 {
            return self.search_by_vector(snapshot, query, options);
        }
        let start = Instant::now();
        let encoded = self.model.encode_query_tokens(query)?;
        let encode_nanos = nanos(start);
        if encoded.matrix.view().is_empty() {
            return Err(Error::EmptyQuery);
        }
        let outcome = search_tokens(snapshot, encoded.matrix.view(), options)?;
        let explainer = Explainer::new(snapshot, encoded.matrix.view(), options.isa)?;
        self.answer(snapshot, outcome, encode_nanos, Some((&encoded, explainer)))
    }

    /// [`Retriever::search`] for many queries in one snapshot, in parallel over queries on the current thread pool, each on
    /// one thread. A query in flight holds 128 bytes per centroid of the largest segment and 8 per document of it.
    ///
    /// # Errors
    /// The first error of any query.
    pub fn search_batch(&self, queries: &[&str], options: &SearchOptions) -> Result<Vec<Answer>, Error> {
        self.search_batch_by(&SearchBy::Vectors, queries, options)
    }

    /// [`Retriever::search_by`] for many queries, as [`Retriever::search_batch`] does it.
    ///
    /// # Errors
    /// The first error of any query.
    pub fn search_batch_by(
        &self,
        by: &SearchBy,
        queries: &[&str],
        options: &SearchOptions,
    ) -> Result<Vec<Answer>, Error> {
        let snapshot = self.snapshot();
        if let Some(filter) = &options.filter {
            // Its bitmaps are made once, not once by each thread.
            snapshot.segments().iter().try_for_each(|segment| filter.select(segment).map(drop))?;
        }
        let alone = SearchOptions { threads: 1, ..options.clone() };
        queries.par_iter().map(|query| self.search_one(&snapshot, (by, query), &alone)).collect()
    }

    fn search_by_vector(
        &self,
        snapshot: &Snapshot,
        query: &str,
        options: &SearchOptions,
    ) -> Result<Answer, Error> {
        let start = Instant::now();
        let vector = self.encode_query(query)?;
        let encode_nanos = nanos(start);
        let outcome = search_dense(snapshot, &vector, options)?;
        self.answer(snapshot, outcome, encode_nanos, None)
    }

    fn answer(
        &self,
        snapshot: &Snapshot,
        outcome: SearchOutcome,
        encode_nanos: u64,
        mut query: Option<(&EncodedTokens, Explainer<'_>)>,
    ) -> Result<Answer, Error> {
        let start = Instant::now();
        let hits = outcome.hits.iter().zip(1..).map(|(hit, rank)| {
            let query = query.as_mut().map(|(tokens, explainer)| (*tokens, explainer));
            self.found(snapshot, hit, rank, query)
        });
        let hits = hits.collect::<Result<Vec<Found>, Error>>()?;
        let report = AnswerReport {
            encode_nanos,
            search: outcome.report,
            fetch_nanos: nanos(start),
            runtime: self.model.runtime().clone(),
        };
        Ok(Answer { hits, report })
    }

    fn found(
        &self,
        snapshot: &Snapshot,
        hit: &Hit,
        rank: usize,
        query: Option<(&EncodedTokens, &mut Explainer<'_>)>,
    ) -> Result<Found, Error> {
        let document = snapshot.stored(hit.doc)?;
        let matches = match (query, &document) {
            (Some(query), Some(stored)) => self.matches(hit.doc, Some(stored), query)?,
            _ => Vec::new(),
        };
        let id = snapshot.external_id(hit.doc)?.to_owned();
        Ok(Found { rank, id, score: hit.score.get(), document, matches, words: Vec::new() })
    }

    /// Pairs rows of the query with rows of the document, and rows with places in their texts.
    pub(super) fn matches(
        &self,
        doc: DocId,
        stored: Option<&StoredDocument>,
        (query, explainer): (&EncodedTokens, &mut Explainer<'_>),
    ) -> Result<Vec<TokenMatch>, Error> {
        let rows = explainer.explain(doc)?;
        let places = match stored {
            Some(stored) => Places::of(&self.model, &full_text(stored), (explainer.snapshot(), doc))?,
            None => Places::Unknown,
        };
        let matches = rows.into_iter().map(|row| TokenMatch {
            query_span: query.spans.get(row.query_row).copied().unwrap_or(NOWHERE),
            document_span: places.of_match(query.matrix.view().row(row.query_row), &row),
            contribution: row.contribution,
            similarity: row.similarity,
        });
        Ok(matches.collect())
    }
}

/// What cuts texts into words as those of the documents were cut.
fn counter(snapshot: &Snapshot) -> Result<TermCounter, Error> {
    let analyzer = Analyzer::of(snapshot.settings().words).map_err(IndexError::Words)?;
    Ok(TermCounter::new(analyzer.ok_or(SearchError::NotStored { what: "words; create it with them" })?))
}

fn terms_of(snapshot: &Snapshot, query: &str) -> Result<Vec<(String, u32)>, Error> {
    Ok(counter(snapshot)?.count(query))
}

/// Finds the words of the query in the texts of the hits.
fn with_words(snapshot: &Snapshot, mut answer: Answer, terms: &[(String, u32)]) -> Result<Answer, Error> {
    let mut counter = counter(snapshot)?;
    for hit in &mut answer.hits {
        let Some(stored) = &hit.document else { continue };
        let places = counter.places(&full_text(stored), terms);
        hit.words = places.into_iter().map(|place| (place.start as u32, place.end as u32)).collect();
    }
    Ok(answer)
}

/// The text that was encoded, from what was stored of it.
pub(super) fn full_text(stored: &StoredDocument) -> String {
    let document = Document {
        id: String::new(),
        title: stored.title.clone(),
        text: stored.text.clone(),
        metadata: serde_json::Map::new(),
    };
    document.full_text().into_owned()
}

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
