//! What a segment is written from: documents of the buffer, or of other segments.

use std::borrow::Cow;

use half::f16;
use half::slice::HalfFloatSliceExt;
use roaring::RoaringBitmap;

use super::buffer::{Buffer, Values};
use super::graph::RoundedRows;
use super::{IndexError, SegmentReader, WriterOptions, pooling};
use crate::format::{DenseStorage, Dtype, IndexSettings, StoredDocument, TokenStorage};
use crate::quant::{CodecOptions, ResidualCodec, TokenCodes, TokenRows};

/// The documents of a segment, part by part, in the order of their numbers.
pub(super) struct Content<'a> {
    pub(super) ids: Vec<&'a str>,
    /// Where each document's token rows end.
    pub(super) ends: Cow<'a, [u32]>,
    pub(super) content_hashes: Cow<'a, [u64]>,
    pub(super) tokens: Tokens<'a>,
    pub(super) dense: Dense<'a>,
    pub(super) stored: Stored<'a>,
    /// What is worth knowing about the build, by name.
    pub(super) notes: Vec<(&'static str, String)>,
}

/// Token vectors as they will be written.
pub(super) enum Tokens<'a> {
    None,
    /// Rows, one stretch after the other.
    Raw {
        dtype: Dtype,
        stretches: Vec<&'a [u8]>,
    },
    Coded(Coded<'a>),
}

/// Residual codes with what turns them back.
pub(super) struct Coded<'a> {
    pub(super) codec: ResidualCodec,
    /// The centroid that each token is coded with.
    pub(super) centroids: Vec<u32>,
    /// The centroid in whose list each token is; `None`: that of its codes.
    pub(super) lists: Option<Vec<u32>>,
    pub(super) scales: Vec<u8>,
    pub(super) codes: Vec<Cow<'a, [u8]>>,
}

/// Dense vectors as they will be written.
pub(super) enum Dense<'a> {
    None,
    F32(Cow<'a, [f32]>),
    F16(Vec<f16>),
    I8 { scales: Vec<f32>, codes: Vec<i8> },
}

/// Where stored documents come from.
pub(super) enum Stored<'a> {
    None,
    Buffered(&'a [StoredDocument]),
    /// Those of segments that are not deleted.
    Segments(Vec<(&'a SegmentReader, &'a RoaringBitmap)>),
}

impl Content<'_> {
    pub(super) fn documents(&self) -> u32 {
        self.ids.len() as u32
    }

    pub(super) fn token_count(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0).into()
    }
}

/// How the token vectors of a flush are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Keep {
    /// As rows.
    Raw,
    /// As codes; with these levels, if the index has codes already, so that they can be joined.
    Coded { levels: Option<[i8; 16]> },
}

impl<'a> Content<'a> {
    /// Trains a codec, if codes are kept.
    pub(super) fn of_buffer(
        buffer: &'a Buffer,
        settings: &IndexSettings,
        writer: &WriterOptions,
        keep: Keep,
    ) -> Result<Self, IndexError> {
        let mut notes = Vec::new();
        let tokens = match (settings.token_storage, keep) {
            (TokenStorage::None, _) => Tokens::None,
            (storage, Keep::Coded { levels }) if storage.code_width().is_some() => {
                let mut options = CodecOptions { levels, ..codec_options(settings, writer) };
                if buffer.rows.len() < writer.code_from_tokens {
                    options.tokens_per_centroid = early_tokens_per_centroid(options.tokens_per_centroid);
                }
                let (codec, codes) = ResidualCodec::build(&buffer.rows, &buffer.token_ids, &options)?;
                notes = training_notes(&buffer.rows, &buffer.token_ids, &codec, &codes);
                notes.insert(0, (TOKENS_PER_CENTROID, options.tokens_per_centroid.to_string()));
                Tokens::Coded(Coded::of_memory(codec, codes))
            }
            _ => match &buffer.rows.values {
                Values::F16(values) => {
                    Tokens::Raw { dtype: Dtype::F16, stretches: vec![bytemuck::cast_slice(values)] }
                }
                Values::F32(values) => {
                    Tokens::Raw { dtype: Dtype::F32, stretches: vec![bytemuck::cast_slice(values)] }
                }
            },
        };
        if settings.token_storage != TokenStorage::None {
            notes.extend(pooling::record(&writer.pooling));
        }
        Ok(Self {
            ids: buffer.ids.iter().map(String::as_str).collect(),
            ends: Cow::Borrowed(&buffer.ends),
            content_hashes: Cow::Borrowed(&buffer.content_hashes),
            tokens,
            dense: Dense::of_floats(&buffer.dense, settings),
            stored: if settings.store_documents { Stored::Buffered(&buffer.stored) } else { Stored::None },
            notes,
        })
    }
}

/// Tokens coded by a codec of few tokens get finer centroids: they keep their codes when the index has grown.
pub(super) fn early_tokens_per_centroid(tokens_per_centroid: usize) -> usize {
    (tokens_per_centroid / 4).max(1)
}

pub(super) fn codec_options(settings: &IndexSettings, writer: &WriterOptions) -> CodecOptions {
    let options = settings.token_storage.code_width().map(CodecOptions::with_width).unwrap_or_default();
    CodecOptions { tokens_per_centroid: writer.tokens_per_centroid, seed: settings.seed, ..options }
}

/// What the metadata tells of a codec that was trained on `rows`.
pub(super) fn training_notes(
    rows: &dyn TokenRows,
    token_ids: &[u32],
    codec: &ResidualCodec,
    codes: &TokenCodes,
) -> Vec<(&'static str, String)> {
    let by = if token_ids.is_empty() { "vectors" } else { "vocabulary" };
    let residual = codec.mean_residual(rows, &codes.centroids);
    vec![("clustering", by.to_owned()), (RESIDUAL, format!("{residual:.6}"))]
}

/// The note of how many tokens share a centroid, on average.
pub(super) const TOKENS_PER_CENTROID: &str = "tokens_per_centroid";
/// The note of the mean of `|row − centroid|²` at training.
pub(super) const RESIDUAL: &str = "residual";
/// The note of how much farther rows that came later were from the codec's centroids, relative to training.
pub(super) const DRIFT: &str = "drift";

/// The note that tokens are in the lists of the centroids nearest to them, not of those they are coded with.
pub(super) const LISTS: (&str, &str) = ("lists", "nearest");

/// Whether [`LISTS`] was noted.
pub(super) fn lists_nearest(reader: &SegmentReader) -> bool {
    reader.meta().build.iter().any(|(name, value)| (name.as_str(), value.as_str()) == LISTS)
}

/// A number among the notes of a build.
pub(super) fn note(reader: &SegmentReader, name: &str) -> Option<f64> {
    let (_, value) = reader.meta().build.iter().find(|(found, _)| found == name)?;
    value.parse().ok().filter(|value: &f64| value.is_finite())
}

impl<'a> Coded<'a> {
    pub(super) fn of_memory(codec: ResidualCodec, codes: TokenCodes) -> Self {
        let TokenCodes { codes, scales, centroids } = codes;
        Self { codec, centroids, lists: None, scales, codes: vec![Cow::Owned(codes)] }
    }
}

impl<'a> Dense<'a> {
    fn of_floats(values: &'a [f32], settings: &IndexSettings) -> Self {
        match settings.dense_storage {
            DenseStorage::None => Self::None,
            DenseStorage::F32 => Self::F32(Cow::Borrowed(values)),
            DenseStorage::F16 => {
                let mut halves = vec![f16::ZERO; values.len()];
                halves.convert_from_f32_slice(values);
                Self::F16(halves)
            }
            DenseStorage::I8 => {
                let dim = settings.dense_dim as usize;
                let mut rounded = RoundedRows::with_capacity(values.len() / dim, dim);
                values.chunks_exact(dim).for_each(|row| rounded.push(row));
                Self::I8 { scales: rounded.scales, codes: rounded.codes }
            }
        }
    }

    /// The vectors as the graph compares them.
    pub(super) fn floats(&self, dim: usize) -> Cow<'_, [f32]> {
        match self {
            Self::None => Cow::Borrowed(&[]),
            Self::F32(values) => Cow::Borrowed(values),
            Self::F16(values) => Cow::Owned(values.to_f32_vec()),
            Self::I8 { scales, codes } => {
                let rows = codes.chunks_exact(dim.max(1)).zip(scales);
                Cow::Owned(
                    rows.flat_map(|(row, scale)| row.iter().map(move |&x| scale * f32::from(x))).collect(),
                )
            }
        }
    }
}
