//! What other ways of storing the same documents would cost and keep.
//!
//! ```text
//! documents, queries ─┬─ in full precision ─ scan ─▶ true rankings
//!                     └─ coded, pooled, projected ─ scan ─▶ bytes a document, and how much of the rankings is left
//! ```
//!
//! Everything is built in memory from the vectors handed over; nothing is read from or written to an index. Both sides
//! are scanned: what is measured is what the storage loses, not what the plan of a search does.

mod variant;

use std::collections::HashSet;

use self::variant::{Data, Ranked, rank};
use super::SearchError;
use crate::eval::{Interval, Z_95};
use crate::format::TokenStorage;
use crate::kernel::Isa;
use crate::types::{DocId, EncodedTokens, TokenMatrixBuf};

/// A way of storing token vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variant {
    /// How each vector is stored.
    pub storage: TokenStorage,
    /// How many tokens of a document share a vector, on average.
    pub pooling: usize,
    /// Dimensions; fewer than the vectors have are had by principal components.
    pub dim: usize,
}

/// What a variant costs and keeps.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Advice {
    /// Which one.
    pub variant: Variant,
    /// Bytes of the index without texts, over its documents.
    pub bytes_per_document: f64,
    /// Stored vectors over documents.
    pub vectors_per_document: f64,
    /// The share of the true 10 best that are among the variant's 10 best, over the queries.
    pub recall_10: Interval,
    /// The same of 100.
    pub recall_100: Interval,
    /// How well the order is kept: the share of the true best `d` among the variant's best `d`, averaged over
    /// `d = 1..=10` (average overlap; Webber, Moffat & Zobel, TOIS 2010) and over the queries.
    pub overlap_10: f64,
}

/// What is compared.
#[derive(Debug, Clone)]
pub struct AdviseOptions {
    /// Ways of storing a vector. Default: all, codes first.
    pub storages: Vec<TokenStorage>,
    /// Pooling factors, each with every storage. Default 1 to 4.
    pub poolings: Vec<usize>,
    /// Dimensions below those of the vectors, each with every storage that is a code, not pooled. Larger ones are left
    /// out. Default 96, 64 and 48.
    pub dims: Vec<usize>,
    /// Clustering and rotations follow from it. Default 42.
    pub seed: u64,
    /// Instruction set of the kernels. Default: the best this machine has.
    pub isa: Isa,
}

impl Default for AdviseOptions {
    fn default() -> Self {
        Self {
            storages: vec![
                TokenStorage::Residual1,
                TokenStorage::ResidualTernary,
                TokenStorage::Residual2,
                TokenStorage::Residual4,
                TokenStorage::F16,
            ],
            poolings: vec![1, 2, 3, 4],
            dims: vec![96, 64, 48],
            seed: 42,
            isa: Isa::detect(),
        }
    }
}

impl AdviseOptions {
    /// The variants for vectors of `dim` dimensions.
    #[must_use]
    pub fn variants(&self, dim: usize) -> Vec<Variant> {
        let mut variants = Vec::new();
        for &storage in self.storages.iter().filter(|&&storage| storage != TokenStorage::None) {
            variants.extend(self.poolings.iter().map(|&pooling| Variant {
                storage,
                pooling: pooling.max(1),
                dim,
            }));
            let fewer = self.dims.iter().filter(|&&fewer| fewer > 0 && fewer < dim);
            if storage.code_width().is_some() {
                variants.extend(fewer.map(|&dim| Variant { storage, pooling: 1, dim }));
            }
        }
        variants
    }
}

/// How deep rankings are compared.
const DEPTH: usize = 100;
/// How deep the order is.
const ORDERED: usize = 10;

/// Stores `documents` in every variant and compares its rankings with those of the vectors in full.
///
/// * `documents`: rows of length 1, with vocabulary ids if they have any: without them centroids follow the vectors
///   alone, and codes are a little worse.
/// * `queries`: `[query_tokens, dim]` each.
/// * `progress` is told after each variant how many are done, and of how many, and says whether to go on; `Ok(None)` if
///   not.
/// * Returns the variants by ascending bytes.
/// * Cost: a build and `queries` scans for each variant; memory: the documents, twice.
///
/// # Errors
/// [`SearchError::EmptyQuery`] without queries, [`SearchError::Projection`] if a dimension cannot be had from so few
/// rows, or what building an index and searching it run into.
///
/// ```
/// use lateen::format::TokenStorage;
/// use lateen::search::{AdviseOptions, advise};
/// use lateen::types::{EncodedTokens, TokenMatrixBuf};
/// let matrix = |row: [f32; 2]| TokenMatrixBuf::new(row.to_vec(), 2);
/// let document = |row| Ok(EncodedTokens { matrix: matrix(row)?, token_ids: Vec::new(), spans: Vec::new() });
/// let documents = [document([1.0, 0.0]), document([0.0, 1.0])];
/// let documents = documents.into_iter().collect::<Result<Vec<_>, lateen::types::MatrixError>>()?;
/// let options = AdviseOptions { storages: vec![TokenStorage::F16], poolings: vec![1], ..AdviseOptions::default() };
/// let advice = advise(&documents, &[matrix([0.6, 0.8])?], &options, &mut |_, _| true)?;
/// assert!(advice.is_some_and(|advice| advice[0].recall_10.mean == 1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn advise(
    documents: &[EncodedTokens],
    queries: &[TokenMatrixBuf],
    options: &AdviseOptions,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Option<Vec<Advice>>, SearchError> {
    let Some(first) = queries.first() else { return Err(SearchError::EmptyQuery) };
    let dim = first.view().dim();
    let mut variants = options.variants(dim);
    let total = variants.len() + 1;
    // By dimension, all of them first, so that each projection is made once.
    variants.sort_by_key(|variant| std::cmp::Reverse(variant.dim));
    let data = Data::new(documents, queries);
    let full = Variant { storage: TokenStorage::F32, pooling: 1, dim };
    let truth = rank(&data, full, options, DEPTH)?;
    let mut advice = Vec::with_capacity(variants.len());
    let mut moments = None;
    for variants in variants.chunk_by(|a, b| a.dim == b.dim) {
        let fewer = variants[0].dim;
        let projected;
        let data = if fewer == dim {
            &data
        } else {
            let moments = match &mut moments {
                Some(moments) => moments,
                none => none.insert(data.moments(dim)?),
            };
            projected = data.projected(moments, fewer)?;
            &projected
        };
        for &variant in variants {
            if !progress(advice.len() + 1, total) {
                return Ok(None);
            }
            advice.push(judge(variant, &rank(data, variant, options, DEPTH)?, &truth));
        }
    }
    advice.sort_by(|a, b| a.bytes_per_document.total_cmp(&b.bytes_per_document));
    progress(total, total);
    Ok(Some(advice))
}

/// Holds the rankings of a variant against the true ones.
fn judge(variant: Variant, ranked: &Ranked, truth: &Ranked) -> Advice {
    let all = Interval { mean: 1.0, lower: 1.0, upper: 1.0 };
    let recall = |k: usize| {
        let pairs = ranked.rankings.iter().zip(&truth.rankings);
        let shares: Vec<f64> = pairs.filter_map(|(found, truth)| overlap(found, truth, k)).collect();
        Interval::of_shares(&shares, k, Z_95).unwrap_or(all)
    };
    Advice {
        variant,
        bytes_per_document: ranked.bytes_per_document,
        vectors_per_document: ranked.vectors_per_document,
        recall_10: recall(10),
        recall_100: recall(100),
        overlap_10: (1..=ORDERED).map(|depth| recall(depth).mean).sum::<f64>() / ORDERED as f64,
    }
}

/// The smallest variant that keeps `recall` of the true 10 best and needs no other model: all dimensions.
///
/// `advice` is by ascending bytes, as [`advise`] gives it; the lower end of the interval is what has to reach `recall`.
#[must_use]
pub fn recommend(advice: &[Advice], dim: usize, recall: f64) -> Option<&Advice> {
    advice.iter().find(|advice| advice.variant.dim == dim && advice.recall_10.lower >= recall)
}

/// The share of the best `k` of `truth` that are among the best `k` found.
fn overlap(found: &[DocId], truth: &[DocId], k: usize) -> Option<f64> {
    let truth: HashSet<&DocId> = truth.iter().take(k).collect();
    let met = found.iter().take(k).filter(|doc| truth.contains(doc)).count();
    (!truth.is_empty()).then(|| met as f64 / truth.len() as f64)
}

#[cfg(test)]
mod tests;
