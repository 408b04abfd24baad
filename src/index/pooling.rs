//! Token pooling: documents that wait are pooled just before they become a segment.

use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::buffer::{Buffer, TokenBuffer, Values};
use super::{IndexError, SegmentReader};
use crate::format::{IndexSettings, TokenStorage};
use crate::quant::{Pooling, PoolingOptions, QuantError, TokenRows};
use crate::types::TokenMatrixBuf;

/// Documents that are pooled together: their results wait to be written.
const CHUNK: usize = 256;

/// Names of the entries in a segment's record of its build.
const FACTOR: &str = "pool_factor";
const PROTECT: &str = "pool_protect";

/// What a segment records of its pooling.
///
/// Nothing where nothing was pooled.
pub(super) fn record(options: &PoolingOptions) -> impl Iterator<Item = (&'static str, String)> {
    let entries = [(FACTOR, options.factor.to_string()), (PROTECT, options.protect.to_string())];
    entries.into_iter().filter(|_| options.factor > 1)
}

impl SegmentReader {
    /// How the tokens of its documents were pooled when it was built.
    #[must_use]
    pub fn pooling(&self) -> PoolingOptions {
        let number = |wanted: &str| {
            let (_, value) = self.meta().build.iter().find(|(name, _)| name == wanted)?;
            value.parse().ok()
        };
        let mut options = PoolingOptions::default();
        options.factor = number(FACTOR).unwrap_or(options.factor);
        options.protect = number(PROTECT).unwrap_or(options.protect);
        options
    }
}

/// Pools the tokens of one document as a writer with these options does, and says which tokens share a row.
///
/// A segment does not store which tokens became one: who wants to know pools the same tokens again.
///
/// # Errors
/// [`IndexError::Codec`] if sums of rows are not finite.
pub fn pool_document(
    mut tokens: TokenMatrixBuf,
    settings: &IndexSettings,
    options: &PoolingOptions,
) -> Result<(TokenMatrixBuf, Pooling), IndexError> {
    tokens.normalize_rows();
    let dim = tokens.view().dim();
    if settings.token_storage != TokenStorage::F32 {
        tokens = matrix(rounded(&tokens.into_vec()), dim)?;
    }
    let pooling = Pooling::of(tokens.view(), options);
    let means = pooling.means(tokens.view()).map_err(QuantError::from)?;
    Ok((means, pooling))
}

/// As the buffer keeps rows.
fn rounded(rows: &[f32]) -> Vec<f32> {
    rows.iter().map(|&x| f16::from_f32(x).to_f32()).collect()
}

fn matrix(rows: Vec<f32>, dim: usize) -> Result<TokenMatrixBuf, IndexError> {
    Ok(TokenMatrixBuf::new(rows, dim).map_err(QuantError::from)?)
}

impl Buffer {
    /// Pools the tokens of all documents that have not been pooled yet.
    pub(super) fn pool(&mut self, options: &PoolingOptions) -> Result<(), IndexError> {
        if options.factor <= 1 {
            return Ok(());
        }
        let mut start = self.pooled.checked_sub(1).map_or(0, |last| self.ends[last] as usize);
        let mut kept = start;
        while self.pooled < self.len() {
            let chunk = self.pooled..self.len().min(self.pooled + CHUNK);
            let ends = self.ends[chunk.clone()].to_vec();
            let starts = std::iter::once(start).chain(ends.iter().map(|&end| end as usize));
            let rows: Vec<Range<usize>> =
                starts.zip(&ends).map(|(start, &end)| start..end as usize).collect();
            let pooled: Vec<_> = rows
                .par_iter()
                .map(|rows| pool_rows(&self.rows, rows.clone(), options))
                .collect::<Result<_, _>>()?;
            for ((local, rows), (vectors, nearest)) in chunk.zip(rows).zip(pooled) {
                if !self.token_ids.is_empty() {
                    for (at, &row) in nearest.iter().enumerate() {
                        self.token_ids[kept + at] = self.token_ids[rows.start + row as usize];
                    }
                }
                // Never past what was read: there are no more clusters than rows.
                self.rows.overwrite(kept, vectors.view().as_slice());
                kept += nearest.len();
                self.ends[local] = kept as u32;
                (start, self.pooled) = (rows.end, local + 1);
            }
        }
        self.rows.truncate(kept);
        self.token_ids.truncate(kept);
        Ok(())
    }
}

/// The pooled rows of one document, and for each the row nearest to it.
fn pool_rows(
    buffer: &TokenBuffer,
    rows: Range<usize>,
    options: &PoolingOptions,
) -> Result<(TokenMatrixBuf, Vec<u32>), IndexError> {
    let dim = buffer.dim;
    let mut data = vec![0.0; rows.len() * dim];
    for (row, out) in rows.zip(data.chunks_exact_mut(dim)) {
        buffer.copy_row(row, out);
    }
    let tokens = matrix(data, dim)?;
    let pooling = Pooling::of(tokens.view(), options);
    let means = pooling.means(tokens.view()).map_err(QuantError::from)?;
    let nearest = pooling.representatives(tokens.view(), means.view());
    Ok((means, nearest))
}

impl TokenBuffer {
    /// Writes `values` from row `row` on.
    fn overwrite(&mut self, row: usize, values: &[f32]) {
        let range = row * self.dim..row * self.dim + values.len();
        match &mut self.values {
            Values::F32(all) => all[range].copy_from_slice(values),
            Values::F16(all) => all[range].convert_from_f32_slice(values),
        }
    }
}
