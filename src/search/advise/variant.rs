//! One way of storing the documents, built and searched.

use std::borrow::Cow;
use std::sync::Arc;

use rayon::prelude::*;

use super::{AdviseOptions, Variant};
use crate::encode::export::{Pca, PcaError};
use crate::format::{DenseStorage, IndexSettings, ModelIdentity};
use crate::index::{Index, IndexOptions, MemoryDirectory, NewDocument, Snapshot, WriterOptions};
use crate::quant::PoolingOptions;
use crate::search::{PlanChoice, SearchError, SearchOptions, search_tokens};
use crate::types::{DocId, EncodedTokens, TokenMatrixBuf};

/// Documents and queries in some number of dimensions.
pub(super) struct Data<'a> {
    documents: Cow<'a, [EncodedTokens]>,
    queries: Cow<'a, [TokenMatrixBuf]>,
}

/// What a variant answers, and its size.
pub(super) struct Ranked {
    /// For each query the documents, best first.
    pub rankings: Vec<Vec<DocId>>,
    pub bytes_per_document: f64,
    pub vectors_per_document: f64,
}

impl<'a> Data<'a> {
    pub(super) fn new(documents: &'a [EncodedTokens], queries: &'a [TokenMatrixBuf]) -> Self {
        Self { documents: Cow::Borrowed(documents), queries: Cow::Borrowed(queries) }
    }

    /// The sums that projections of `dim` dimensions are fitted to.
    pub(super) fn moments(&self, dim: usize) -> Result<Pca, PcaError> {
        let mut pca = Pca::new(dim);
        self.documents.iter().try_for_each(|document| pca.add(document.matrix.view()))?;
        Ok(pca)
    }

    /// The same in `dim` dimensions; documents' rows are made unit vectors again, those of queries stay shorter.
    pub(super) fn projected(&self, moments: &Pca, dim: usize) -> Result<Data<'static>, SearchError> {
        let projection = moments.fit(dim)?.projection;
        let project = |matrix: &TokenMatrixBuf| {
            let rows = matrix.view().iter().flat_map(|row| projection.apply(row)).collect();
            TokenMatrixBuf::new(rows, dim).map_err(SearchError::Query)
        };
        let document = |document: &EncodedTokens| {
            let mut matrix = project(&document.matrix)?;
            matrix.normalize_rows();
            Ok(EncodedTokens { matrix, token_ids: document.token_ids.clone(), spans: Vec::new() })
        };
        let documents: Vec<_> =
            self.documents.par_iter().map(document).collect::<Result<_, SearchError>>()?;
        let queries: Vec<_> = self.queries.par_iter().map(project).collect::<Result<_, SearchError>>()?;
        Ok(Data { documents: Cow::Owned(documents), queries: Cow::Owned(queries) })
    }
}

/// Stores the documents as `variant` says and scans them for every query.
pub(super) fn rank(
    data: &Data<'_>,
    variant: Variant,
    options: &AdviseOptions,
    depth: usize,
) -> Result<Ranked, SearchError> {
    let index = build(data, variant, options)?;
    let snapshot = index.snapshot();
    let search = SearchOptions { plan: PlanChoice::Exact, isa: options.isa, ..SearchOptions::top(depth) };
    let answer = |query: &TokenMatrixBuf| -> Result<Vec<DocId>, SearchError> {
        let outcome = search_tokens(&snapshot, query.view(), &search)?;
        Ok(outcome.hits.iter().map(|hit| hit.doc).collect())
    };
    let rankings = data.queries.par_iter().map(answer).collect::<Result<_, SearchError>>()?;
    let documents = data.documents.len().max(1) as f64;
    Ok(Ranked {
        rankings,
        bytes_per_document: bytes(&snapshot) as f64 / documents,
        vectors_per_document: snapshot.tokens() as f64 / documents,
    })
}

fn build(data: &Data<'_>, variant: Variant, options: &AdviseOptions) -> Result<Index, SearchError> {
    let settings = IndexSettings {
        token_dim: variant.dim as u32,
        token_storage: variant.storage,
        dense_dim: 0,
        dense_storage: DenseStorage::None,
        store_documents: false,
        seed: options.seed,
        ..IndexSettings::default()
    };
    let directory = Arc::new(MemoryDirectory::new());
    let index = Index::create_in(directory, &settings, &ModelIdentity::default(), IndexOptions::default())?;
    let mut writer = index.writer(WriterOptions {
        pooling: PoolingOptions::with_factor(variant.pooling),
        memory_budget_bytes: usize::MAX / 2,
        // However few the documents, they are coded as many would be.
        code_from_tokens: 0,
        ..WriterOptions::default()
    })?;
    for (number, document) in data.documents.iter().enumerate() {
        let tokens = EncodedTokens {
            matrix: document.matrix.clone(),
            token_ids: document.token_ids.clone(),
            spans: Vec::new(),
        };
        // Ids in the order of the documents: their numbers are the same in every variant.
        let id = format!("{number:08}");
        writer.add(NewDocument { id, tokens: Some(tokens), dense: None, stored: None, content_hash: 0 })?;
    }
    writer.commit()?;
    Ok(index)
}

fn bytes(snapshot: &Snapshot) -> u64 {
    snapshot.segments().iter().map(|segment| segment.reader().bytes()).sum()
}
