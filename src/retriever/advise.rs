//! What other settings would cost and keep, on a sample of an index's own documents.

use super::search::full_text;
use super::{Error, Retriever};
use crate::format::QuerySource;
use crate::index::Snapshot;
use crate::quant::SplitMix64;
use crate::search::{Advice, AdviseOptions, PseudoQueries, StoredTokens, advise};
use crate::types::{DocId, EncodedTokens, TokenMatrixBuf};

/// What [`Retriever::advise`] looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct AdviseSample {
    /// Documents, at most. Default 2000.
    pub documents: usize,
    /// How queries are made of them where none are given.
    pub queries: PseudoQueries,
}

impl Default for AdviseSample {
    fn default() -> Self {
        Self { documents: 2000, queries: PseudoQueries::default() }
    }
}

/// Where the vectors came from that everything was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorSource {
    /// The model encoded the stored texts again: full precision.
    Model,
    /// The index keeps no texts: its own vectors, which are as exact as it stores them. Whatever is stored as exactly
    /// seems to lose nothing.
    Index,
}

/// Advice, and what it rests on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AdviceReport {
    /// The variants, by ascending bytes.
    pub advice: Vec<Advice>,
    /// Dimensions of the vectors.
    pub dim: usize,
    /// Documents looked at.
    pub documents: usize,
    /// Queries asked.
    pub queries: usize,
    /// Where the queries came from.
    pub query_source: QuerySource,
    /// Where the vectors came from.
    pub vector_source: VectorSource,
}

impl Retriever {
    /// Stores a sample of the documents in other ways, in memory, and measures what is left of their rankings.
    ///
    /// * `queries`: the user's; if there are none, some are made of the sample.
    /// * `progress` is told how many variants are done, and of how many, and says whether to go on; `Ok(None)` if not.
    /// * Cost: encoding the sample where texts are stored, and see [`advise`].
    ///
    /// # Errors
    /// [`Error::NotMade`] if the index has no token vectors; otherwise as [`advise`], or if the model fails.
    pub fn advise(
        &self,
        queries: &[&str],
        sample: &AdviseSample,
        options: &AdviseOptions,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Option<AdviceReport>, Error> {
        let snapshot = self.snapshot();
        let dim = snapshot.settings().token_dim as usize;
        if dim == 0 {
            return Err(Error::NotMade { model: self.model.name().to_owned(), what: "token vectors" });
        }
        let (documents, vector_source) = self.sampled(&snapshot, sample)?;
        let mut given = Vec::new();
        for query in queries {
            given.push(self.model.encode_query_tokens(query)?.matrix);
        }
        given.retain(|query| !query.view().is_empty());
        let (queries, query_source) = match given.is_empty() {
            true => (made(&documents, &sample.queries), QuerySource::Sampled),
            false => (given, QuerySource::Given),
        };
        let Some(advice) = advise(&documents, &queries, options, progress)? else { return Ok(None) };
        let (documents, queries) = (documents.len(), queries.len());
        Ok(Some(AdviceReport { advice, dim, documents, queries, query_source, vector_source }))
    }

    /// Vectors of some documents: by the model if their texts are there, else as the index has them.
    fn sampled(
        &self,
        snapshot: &Snapshot,
        sample: &AdviseSample,
    ) -> Result<(Vec<EncodedTokens>, VectorSource), Error> {
        let live = usize::try_from(snapshot.documents()).unwrap_or(usize::MAX);
        let chosen = SplitMix64::stream(sample.queries.seed, 0).distinct(sample.documents, live);
        let mut live = (0..snapshot.bound()).map(DocId).filter(|&doc| snapshot.is_live(doc));
        let mut before = 0;
        let chosen = chosen.into_iter().filter_map(|number| {
            let doc = live.nth(number - before);
            before = number + 1;
            doc
        });
        let chosen: Vec<DocId> = chosen.collect();
        if snapshot.settings().store_documents {
            let mut texts = Vec::with_capacity(chosen.len());
            for doc in chosen {
                texts.extend(snapshot.stored(doc)?.as_ref().map(full_text));
            }
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            return Ok((self.model.encode_document_tokens(&texts)?, VectorSource::Model));
        }
        let mut documents = Vec::with_capacity(chosen.len());
        for doc in chosen {
            let (at, local) = snapshot.segment_of(doc)?;
            let segment = &snapshot.segments()[at];
            let matrix =
                StoredTokens::of(segment, snapshot.settings().token_dim as usize)?.document(local)?;
            documents.push(EncodedTokens { matrix, token_ids: Vec::new(), spans: Vec::new() });
        }
        Ok((documents, VectorSource::Index))
    }
}

/// Queries of evenly spread documents.
fn made(documents: &[EncodedTokens], sample: &PseudoQueries) -> Vec<TokenMatrixBuf> {
    let step = documents.len().div_ceil(sample.count.max(1)).max(1);
    let spread = documents.iter().enumerate().step_by(step);
    spread.filter_map(|(number, document)| sample.query_of(document.matrix.view(), number as u64)).collect()
}
