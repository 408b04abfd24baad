//! Several segments become one, without the documents that were deleted.
//!
//! ```text
//! coded segments ── codes as they are, centroids in use ── join ─┐
//!                                                                ├─ extend ── one codec, one set of lists
//! raw segments ──── rows ────────────────────────────────────────┘
//! ```
//!
//! Codes are copied, not made again: a token is coded once in its life, from the vector that came in, however often
//! its segment is merged ([`ResidualCodec::join`], [`ResidualCodec::extend`]). Centroids that no live token uses go.
//! Only a *retraining* decodes and codes again; it is asked for, or due when deletions have left so few tokens per
//! centroid that centroids weigh too much. Graphs are built anew; texts, hashes and dense vectors are copied.

mod coded;
mod policy;
mod rows;

use std::borrow::Cow;
use std::ops::Range;

use bytemuck::cast_slice;
use roaring::RoaringBitmap;

pub use policy::{MergeMode, MergePolicy};
pub(super) use policy::{SegmentFacts, next_merge};
pub(super) use rows::SegmentRows;

use super::build::{SegmentOptions, build_segment};
use super::content::{Content, Dense, Stored, Tokens};
use super::directory::Directory;
use super::{DenseRows, IndexError, RawRows, SegmentReader, pooling};
use crate::format::{DenseStorage, Dtype, SegmentRecord, TokenStorage};

/// A segment to merge: what is deleted of it does not come along.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) reader: &'a SegmentReader,
    pub(super) deleted: &'a RoaringBitmap,
}

/// What becomes of token vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Rows stay rows: no source is coded.
    Raw,
    /// Codes stay, rows are coded.
    Coded,
    /// Everything is coded anew.
    Retrained,
}

/// Writes the live documents of `sources` as one segment; `None` if there are none.
pub(super) fn merge(
    directory: &dyn Directory,
    sources: &[Source<'_>],
    outcome: Outcome,
    options: SegmentOptions<'_>,
) -> Result<Option<SegmentRecord>, IndexError> {
    let live = Live::of(sources);
    if live.documents() == 0 {
        return Ok(None);
    }
    let content = gather(&live, outcome, options)?;
    build_segment(directory, &content, options).map(Some)
}

/// The documents to keep: by source, stretches without gaps.
pub(super) struct Live<'a> {
    sources: Vec<(Source<'a>, Vec<Range<u32>>)>,
}

impl<'a> Live<'a> {
    fn of(sources: &[Source<'a>]) -> Self {
        let with_stretches = |&source: &Source<'a>| {
            let mut stretches = Vec::new();
            let mut start = 0;
            for gone in source.deleted.iter().chain([source.reader.documents()]) {
                if start < gone {
                    stretches.push(start..gone);
                }
                start = gone.saturating_add(1);
            }
            (source, stretches)
        };
        Self { sources: sources.iter().map(with_stretches).collect() }
    }

    fn documents(&self) -> u64 {
        self.stretches().map(|(_, stretch)| stretch.len() as u64).sum()
    }

    fn stretches(&self) -> impl Iterator<Item = (&'a SegmentReader, Range<u32>)> {
        self.sources
            .iter()
            .flat_map(|(source, stretches)| stretches.iter().map(|stretch| (source.reader, stretch.clone())))
    }
}

fn gather<'a>(
    live: &Live<'a>,
    outcome: Outcome,
    options: SegmentOptions<'_>,
) -> Result<Content<'a>, IndexError> {
    let settings = options.settings;
    let mut ids = Vec::with_capacity(live.documents() as usize);
    let mut content_hashes = Vec::with_capacity(ids.capacity());
    for (reader, stretch) in live.stretches() {
        for local in stretch {
            ids.push(reader.external_id(local)?);
            content_hashes.push(reader.content_hash(local)?);
        }
    }
    let ends = if settings.token_storage == TokenStorage::None { Vec::new() } else { token_ends(live)? };
    let (tokens, mut notes) = match (settings.token_storage, outcome) {
        (TokenStorage::None, _) => (Tokens::None, Vec::new()),
        (storage, Outcome::Coded) if storage.code_width().is_some() => coded::join(live, options)?,
        (storage, Outcome::Retrained) if storage.code_width().is_some() => {
            coded::retrain(live, options, None)?
        }
        _ => (raw(live)?, Vec::new()),
    };
    // Documents that were pooled differently are never merged: see `policy`.
    if let Some((source, _)) = live.sources.first() {
        notes.extend(pooling::record(&source.reader.pooling()));
    }
    let stored = live.sources.iter().map(|(source, _)| (source.reader, source.deleted)).collect();
    Ok(Content {
        ids,
        ends: Cow::Owned(ends),
        content_hashes: Cow::Owned(content_hashes),
        tokens,
        dense: dense(live, settings.dense_storage)?,
        stored: if settings.store_documents { Stored::Segments(stored) } else { Stored::None },
        notes,
    })
}

/// Where the rows of each document end, in the merged segment.
fn token_ends(live: &Live<'_>) -> Result<Vec<u32>, IndexError> {
    let mut ends: Vec<u32> = Vec::with_capacity(live.documents() as usize);
    let mut base = 0_u64;
    for (reader, stretch) in live.stretches() {
        let first = ends.len();
        let rows = rows_of(reader, stretch, &mut ends)?;
        let max = u64::from(u32::MAX);
        if base + rows.len() as u64 > max {
            return Err(IndexError::TooMany { what: "tokens", count: base + rows.len() as u64, max });
        }
        ends[first..].iter_mut().for_each(|end| *end += base as u32);
        base += rows.len() as u64;
    }
    Ok(ends)
}

/// The rows of contiguous documents, and, appended, where each document ends among them.
fn rows_of(
    reader: &SegmentReader,
    documents: Range<u32>,
    ends: &mut Vec<u32>,
) -> Result<Range<usize>, IndexError> {
    match (reader.residual()?, reader.raw()?) {
        (Some(residual), _) => residual.ends(documents, ends),
        (None, Some(raw)) => raw.ends(documents, ends),
        (None, None) => Ok(0..0),
    }
}

fn raw<'a>(live: &Live<'a>) -> Result<Tokens<'a>, IndexError> {
    let (mut dtype, mut stretches) = (Dtype::F16, Vec::new());
    for (reader, documents) in live.stretches() {
        let Some(raw) = reader.raw()? else { continue };
        match raw.tokens(raw.rows(documents)?)? {
            RawRows::F16(rows) => stretches.push(cast_slice(rows)),
            RawRows::F32(rows) => {
                dtype = Dtype::F32;
                stretches.push(cast_slice(rows));
            }
        }
    }
    Ok(Tokens::Raw { dtype, stretches })
}

fn dense<'a>(live: &Live<'a>, storage: DenseStorage) -> Result<Dense<'a>, IndexError> {
    let (mut floats, mut halves) = (Vec::new(), Vec::new());
    let (mut all_scales, mut all_codes) = (Vec::new(), Vec::new());
    if storage == DenseStorage::None {
        return Ok(Dense::None);
    }
    for (reader, documents) in live.stretches() {
        let Some(dense) = reader.dense()? else { continue };
        match dense.vectors(documents)? {
            DenseRows::F32(rows) => floats.extend_from_slice(rows),
            DenseRows::F16(rows) => halves.extend_from_slice(rows),
            DenseRows::I8 { codes, scales } => {
                all_codes.extend_from_slice(codes);
                all_scales.extend_from_slice(scales);
            }
        }
    }
    Ok(match storage {
        DenseStorage::F16 => Dense::F16(halves),
        DenseStorage::I8 => Dense::I8 { scales: all_scales, codes: all_codes },
        DenseStorage::F32 | DenseStorage::None => Dense::F32(Cow::Owned(floats)),
    })
}
