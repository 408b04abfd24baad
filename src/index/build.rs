//! A segment file from buffered documents.

use std::io::Write;
use std::path::PathBuf;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::buffer::{Buffer, Values};
use super::directory::Directory;
use super::graph::build_graph;
use super::publish::Publication;
use super::{IndexError, WriterOptions, file_name, pooling};
use crate::ann::invert;
use crate::format::{
    CodeWidth, CodecView, DenseStorage, FileName, Flags, FormatError, IndexSettings, MatrixData, MetaRecord,
    SectionKind, SegmentRecord, SegmentWriter, StoredFieldsWriter, TokenStorage, write_centroid_ids,
    write_codec, write_content_hashes, write_external_ids, write_graph_links, write_inverted_lists,
    write_matrix, write_token_offsets,
};
use crate::quant::{CodecOptions, ResidualCodec, TokenCodes, TokenRows};

/// What a segment is made by.
#[derive(Clone, Copy)]
pub(super) struct SegmentOptions<'a> {
    pub(super) number: u64,
    pub(super) settings: &'a IndexSettings,
    pub(super) writer: &'a WriterOptions,
}

/// Writes the segment, syncs it and gives it its name; the name is durable once the directory is synced.
///
/// The bytes follow from the buffer, the settings and the options, whatever the number of threads.
pub(super) fn build_segment(
    directory: &dyn Directory,
    buffer: &Buffer,
    options: SegmentOptions<'_>,
) -> Result<SegmentRecord, IndexError> {
    let name = file_name(FileName::Segment(options.number));
    let path = directory.path().join(&name);
    let file = Publication::start(directory, &name)?;
    let writer = SegmentWriter::new(file).map_err(|source| write_error(&path, source))?;
    let mut builder = Builder { writer, path, buffer, options };
    builder.write()?;
    let Builder { writer, path, .. } = builder;
    let (file, identity) = writer.finish().map_err(|source| write_error(&path, source))?;
    let bytes = file.finish()?;
    Ok(SegmentRecord {
        number: options.number,
        documents: buffer.len() as u32,
        tokens: buffer.rows.len() as u64,
        bytes,
        identity,
        tombstones: None,
    })
}

/// Full disks are the operating system's matter, not the format's.
fn write_error(path: &std::path::Path, source: FormatError) -> IndexError {
    let path = path.to_owned();
    match source {
        FormatError::Io(source) => IndexError::Io { action: "write", path, source },
        source => IndexError::Format { file: path, source },
    }
}

struct Builder<'a> {
    writer: SegmentWriter<Publication<'a>>,
    path: PathBuf,
    buffer: &'a Buffer,
    options: SegmentOptions<'a>,
}

impl<'a> Builder<'a> {
    fn write(&mut self) -> Result<(), IndexError> {
        self.meta()?;
        if self.options.settings.token_storage != TokenStorage::None {
            self.offsets()?;
        }
        let storage = self.options.settings.token_storage;
        match storage.code_width() {
            Some(width) => self.residual(width)?,
            None if storage == TokenStorage::None => {}
            None => self.raw()?,
        }
        if self.options.settings.dense_storage != DenseStorage::None {
            self.dense()?;
            self.graph()?;
        }
        self.records()
    }

    fn section(
        &mut self,
        kind: SectionKind,
        flags: Flags,
        body: impl FnOnce(&mut SegmentWriter<Publication<'a>>) -> Result<(), FormatError>,
    ) -> Result<(), IndexError> {
        let writer = &mut self.writer;
        let result = writer.begin(kind, flags).and_then(|()| body(writer)).and_then(|()| self.writer.end());
        result.map_err(|source| write_error(&self.path, source))
    }

    fn meta(&mut self) -> Result<(), IndexError> {
        let (buffer, SegmentOptions { settings, writer, .. }) = (self.buffer, self.options);
        let width = settings.token_storage.code_width();
        let mut build = vec![("stored_fields_level".to_owned(), writer.stored_fields_level.to_string())];
        if width.is_some() {
            build.push(("tokens_per_centroid".to_owned(), writer.tokens_per_centroid.to_string()));
            let by = if buffer.token_ids.is_empty() { "vectors" } else { "vocabulary" };
            build.push(("clustering".to_owned(), by.to_owned()));
        }
        if settings.token_storage != TokenStorage::None && writer.pooling.factor > 1 {
            build.extend(pooling::record(&writer.pooling));
        }
        if settings.dense_storage != DenseStorage::None {
            build.push(("graph_links".to_owned(), writer.graph_links.to_string()));
            build.push(("graph_ef_construction".to_owned(), writer.graph_ef_construction.to_string()));
        }
        let meta = MetaRecord {
            documents: buffer.len() as u32,
            tokens: buffer.rows.len() as u64,
            dim: settings.token_dim,
            bits: width.map_or(0, CodeWidth::number),
            dense_dim: settings.dense_dim,
            writer: concat!("lateen ", env!("CARGO_PKG_VERSION")).to_owned(),
            settings: settings.clone(),
            build,
        };
        let bytes = meta.encode().map_err(|source| write_error(&self.path, source))?;
        self.section(SectionKind::Meta, Flags::REQUIRED, |out| Ok(out.write_all(&bytes)?))
    }

    fn offsets(&mut self) -> Result<(), IndexError> {
        let ends = &self.buffer.ends;
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let lengths = starts.zip(ends).map(|(start, end)| end - start);
        self.section(SectionKind::TokenOffsets, Flags::REQUIRED, |out| write_token_offsets(out, lengths))
    }

    fn residual(&mut self, width: CodeWidth) -> Result<(), IndexError> {
        let buffer = self.buffer;
        let options = CodecOptions {
            tokens_per_centroid: self.options.writer.tokens_per_centroid,
            seed: self.options.settings.seed,
            ..CodecOptions::with_width(width)
        };
        let (codec, coded) = ResidualCodec::build(&buffer.rows, &buffer.token_ids, &options)?;
        let view = CodecView {
            dim: codec.dim as u32,
            width: codec.width,
            rotation_seed: codec.rotation_seed,
            levels: codec.levels,
            scale_log2_min: codec.scale_log2_min,
            scale_log2_step: codec.scale_log2_step,
            centroid_scales: &codec.centroid_scales,
            centroids: &codec.centroids,
        };
        self.section(SectionKind::Codec, Flags::REQUIRED, |out| write_codec(out, &view))?;
        self.codes(&coded, view.centroid_count())?;
        let lists = invert(&coded.centroids, &buffer.ends, codec.centroid_count())?;
        let documents = buffer.len() as u32;
        self.section(SectionKind::InvertedLists, Flags::REQUIRED, |out| {
            write_inverted_lists(out, documents, (0..lists.len()).map(|centroid| lists.list(centroid)))
        })
    }

    fn codes(&mut self, coded: &TokenCodes, centroids: u32) -> Result<(), IndexError> {
        let tokens = coded.centroids.len() as u64;
        self.section(SectionKind::CentroidIds, Flags::REQUIRED, |out| {
            write_centroid_ids(out, centroids, tokens, coded.centroids.iter().copied())
        })?;
        self.section(SectionKind::Codes, Flags::REQUIRED, |out| Ok(out.write_all(&coded.codes)?))?;
        self.section(SectionKind::Scales, Flags::REQUIRED, |out| Ok(out.write_all(&coded.scales)?))
    }

    fn raw(&mut self) -> Result<(), IndexError> {
        let rows = &self.buffer.rows;
        let data = match &rows.values {
            Values::F16(values) => MatrixData::F16(values),
            Values::F32(values) => MatrixData::F32(values),
        };
        self.section(SectionKind::RawTokens, Flags::REQUIRED, |out| write_matrix(out, rows.dim as u32, data))
    }

    fn dense(&mut self) -> Result<(), IndexError> {
        let (dim, values) = (self.options.settings.dense_dim, &self.buffer.dense);
        let mut halves = Vec::new();
        let bytes;
        let data = match self.options.settings.dense_storage {
            DenseStorage::F16 => {
                halves.resize(values.len(), f16::ZERO);
                halves.convert_from_f32_slice(values);
                MatrixData::F16(&halves)
            }
            DenseStorage::I8 => {
                bytes = to_bytes(values, dim as usize);
                MatrixData::I8 { scales: &bytes.0, values: &bytes.1 }
            }
            DenseStorage::F32 | DenseStorage::None => MatrixData::F32(values),
        };
        self.section(SectionKind::DenseVectors, Flags::REQUIRED, |out| write_matrix(out, dim, data))
    }

    fn graph(&mut self) -> Result<(), IndexError> {
        let SegmentOptions { settings, writer, .. } = self.options;
        if self.buffer.len() < writer.graph_min_documents.max(2) {
            return Ok(());
        }
        let dim = settings.dense_dim as usize;
        let graph = build_graph(&self.buffer.dense, dim, settings.seed, writer)?;
        // Without it the vectors are scanned.
        self.section(SectionKind::GraphLinks, Flags::OPTIONAL, |out| {
            write_graph_links(out, &graph.shape(), &graph)
        })
    }

    fn records(&mut self) -> Result<(), IndexError> {
        let buffer = self.buffer;
        self.section(SectionKind::ExternalIds, Flags::REQUIRED, |out| write_external_ids(out, &buffer.ids))?;
        self.section(SectionKind::ContentHashes, Flags::REQUIRED, |out| {
            write_content_hashes(out, buffer.content_hashes.iter().copied())
        })?;
        if !self.options.settings.store_documents {
            return Ok(());
        }
        let level = self.options.writer.stored_fields_level;
        self.section(SectionKind::StoredFields, Flags::REQUIRED, |out| {
            let mut fields = StoredFieldsWriter::new(out, level)?;
            buffer.stored.iter().try_for_each(|document| fields.push(document))?;
            fields.finish().map(drop)
        })
    }
}

/// Each row in units of its largest component's 127th part.
fn to_bytes(values: &[f32], dim: usize) -> (Vec<f32>, Vec<i8>) {
    let (mut scales, mut codes) = (Vec::with_capacity(values.len() / dim), Vec::with_capacity(values.len()));
    for row in values.chunks_exact(dim) {
        let largest = row.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        // Rows so small that the unit vanishes keep their direction through the smallest unit there is.
        let scale = (largest / 127.0).max(f32::MIN_POSITIVE);
        scales.push(scale);
        codes.extend(row.iter().map(|x| (x / scale).round() as i8));
    }
    (scales, codes)
}
