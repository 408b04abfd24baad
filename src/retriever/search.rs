//! Searching by text, and saying why.

use std::time::Instant;

use rayon::prelude::*;

use super::places::{NOWHERE, Places};
use super::{Answer, AnswerReport, Error, Found, Retriever, TokenMatch};
use crate::corpus::Document;
use crate::index::Snapshot;
use crate::search::{Explainer, SearchOptions, SearchOutcome, search_dense, search_tokens};
use crate::types::{DocId, EncodedTokens, Hit, normalize};
use lateen_index_format::StoredDocument;

impl Retriever {
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
        let snapshot = self.snapshot();
        if let Some(filter) = &options.filter {
            // Its bitmaps are made once, not once by each thread.
            snapshot.segments().iter().try_for_each(|segment| filter.select(segment).map(drop))?;
        }
        let alone = SearchOptions { threads: 1, ..options.clone() };
        queries.par_iter().map(|query| self.search_in(&snapshot, query, &alone)).collect()
    }

    fn search_by_vector(
        &self,
        snapshot: &Snapshot,
        query: &str,
        options: &SearchOptions,
    ) -> Result<Answer, Error> {
        let start = Instant::now();
        let mut vectors = self.model.encode_queries_dense(&[query])?;
        let mut vector = vectors.pop().ok_or(Error::EmptyQuery)?;
        if !normalize(&mut vector) {
            return Err(Error::EmptyQuery);
        }
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
        Ok(Found { rank, id, score: hit.score.get(), document, matches })
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
