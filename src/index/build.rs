//! A segment file from its content.

use std::io::Write;
use std::path::PathBuf;

use roaring::RoaringBitmap;

use super::content::{Coded, Content, Dense, Stored, Tokens};
use super::directory::Directory;
use super::graph::build_graph;
use super::publish::Publication;
use super::words::words;
use super::{CancelToken, IndexError, SegmentReader, WriterOptions, file_name};
use crate::ann::invert;
use crate::format::{
    CodeWidth, CodecView, DenseStorage, Dtype, FileName, Flags, FormatError, IndexSettings, MatrixData,
    MetaRecord, SectionKind, SegmentRecord, SegmentWriter, StoredFieldsWriter, begin_matrix,
    write_centroid_ids, write_codec, write_content_hashes, write_external_ids, write_graph_links,
    write_inverted_lists, write_matrix, write_token_offsets,
};

/// What a segment is made by.
#[derive(Clone, Copy)]
pub(super) struct SegmentOptions<'a> {
    pub(super) number: u64,
    pub(super) settings: &'a IndexSettings,
    pub(super) writer: &'a WriterOptions,
    pub(super) cancel: &'a CancelToken,
}

/// Writes the segment, syncs it and gives it its name; the name is durable once the directory is synced.
///
/// The bytes follow from the content, the settings and the options, whatever the number of threads.
pub(super) fn build_segment(
    directory: &dyn Directory,
    content: &Content<'_>,
    options: SegmentOptions<'_>,
) -> Result<SegmentRecord, IndexError> {
    let name = file_name(FileName::Segment(options.number));
    let path = directory.path().join(&name);
    let file = Publication::start(directory, &name)?;
    let writer = SegmentWriter::new(file).map_err(|source| write_error(&path, source))?;
    let mut builder = Builder { writer, path, content, options };
    builder.write()?;
    let Builder { writer, path, .. } = builder;
    let (file, identity) = writer.finish().map_err(|source| write_error(&path, source))?;
    let bytes = file.finish()?;
    Ok(SegmentRecord {
        number: options.number,
        documents: content.documents(),
        tokens: content.token_count(),
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
    content: &'a Content<'a>,
    options: SegmentOptions<'a>,
}

impl<'a> Builder<'a> {
    fn write(&mut self) -> Result<(), IndexError> {
        self.meta()?;
        let content = self.content;
        match &content.tokens {
            Tokens::None => {}
            Tokens::Coded(coded) => {
                self.offsets()?;
                self.coded(coded)?;
            }
            Tokens::Raw { dtype, stretches } => {
                self.offsets()?;
                self.raw(*dtype, stretches)?;
            }
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
        self.options.cancel.check()?;
        let writer = &mut self.writer;
        let result = writer.begin(kind, flags).and_then(|()| body(writer)).and_then(|()| self.writer.end());
        result.map_err(|source| write_error(&self.path, source))
    }

    fn meta(&mut self) -> Result<(), IndexError> {
        let (content, SegmentOptions { settings, writer, .. }) = (self.content, self.options);
        let coded = matches!(content.tokens, Tokens::Coded(_));
        let width = settings.token_storage.code_width();
        let mut build = vec![("stored_fields_level", writer.stored_fields_level.to_string())];
        build.extend(content.notes.iter().cloned());
        if settings.dense_storage != DenseStorage::None {
            build.push(("graph_links", writer.graph_links.to_string()));
            build.push(("graph_ef_construction", writer.graph_ef_construction.to_string()));
        }
        let meta = MetaRecord {
            documents: content.documents(),
            tokens: content.token_count(),
            dim: settings.token_dim,
            bits: width.filter(|_| coded).map_or(0, CodeWidth::number),
            dense_dim: settings.dense_dim,
            writer: concat!("lateen ", env!("CARGO_PKG_VERSION")).to_owned(),
            settings: settings.clone(),
            build: build.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        let bytes = meta.encode().map_err(|source| write_error(&self.path, source))?;
        self.section(SectionKind::Meta, Flags::REQUIRED, |out| Ok(out.write_all(&bytes)?))
    }

    fn offsets(&mut self) -> Result<(), IndexError> {
        let ends: &[u32] = &self.content.ends;
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let lengths = starts.zip(ends).map(|(start, end)| end - start);
        self.section(SectionKind::TokenOffsets, Flags::REQUIRED, |out| write_token_offsets(out, lengths))
    }

    fn coded(&mut self, coded: &Coded<'_>) -> Result<(), IndexError> {
        let codec = &coded.codec;
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
        self.codes(coded, view.centroid_count())?;
        let listed = coded.lists.as_ref().unwrap_or(&coded.centroids);
        let lists = invert(listed, &self.content.ends, codec.centroid_count())?;
        let documents = self.content.documents();
        self.section(SectionKind::InvertedLists, Flags::REQUIRED, |out| {
            write_inverted_lists(out, documents, (0..lists.len()).map(|centroid| lists.list(centroid)))
        })
    }

    fn codes(&mut self, coded: &Coded<'_>, centroids: u32) -> Result<(), IndexError> {
        let tokens = coded.centroids.len() as u64;
        self.section(SectionKind::CentroidIds, Flags::REQUIRED, |out| {
            write_centroid_ids(out, centroids, tokens, coded.centroids.iter().copied())
        })?;
        self.section(SectionKind::Codes, Flags::REQUIRED, |out| {
            Ok(coded.codes.iter().try_for_each(|codes| out.write_all(codes))?)
        })?;
        self.section(SectionKind::Scales, Flags::REQUIRED, |out| Ok(out.write_all(&coded.scales)?))
    }

    fn raw(&mut self, dtype: Dtype, stretches: &[&[u8]]) -> Result<(), IndexError> {
        let (dim, rows) = (self.options.settings.token_dim, self.content.token_count());
        self.section(SectionKind::RawTokens, Flags::REQUIRED, |out| {
            begin_matrix(out, dtype, dim, rows)?;
            Ok(stretches.iter().try_for_each(|rows| out.write_all(rows))?)
        })
    }

    fn dense(&mut self) -> Result<(), IndexError> {
        let (dim, content) = (self.options.settings.dense_dim, self.content);
        let data = match &content.dense {
            Dense::None => return Ok(()),
            Dense::F32(values) => MatrixData::F32(values),
            Dense::F16(values) => MatrixData::F16(values),
            Dense::I8 { scales, codes } => MatrixData::I8 { scales, values: codes },
        };
        self.section(SectionKind::DenseVectors, Flags::REQUIRED, |out| write_matrix(out, dim, data))
    }

    fn graph(&mut self) -> Result<(), IndexError> {
        let SegmentOptions { settings, writer, .. } = self.options;
        if (self.content.documents() as usize) < writer.graph_min_documents.max(2) {
            return Ok(());
        }
        let dim = settings.dense_dim as usize;
        let graph = build_graph(&self.content.dense.floats(dim), dim, settings.seed, writer)?;
        // Without it the vectors are scanned.
        self.section(SectionKind::GraphLinks, Flags::OPTIONAL, |out| {
            write_graph_links(out, &graph.shape(), &graph)
        })
    }

    fn records(&mut self) -> Result<(), IndexError> {
        let content = self.content;
        self.section(SectionKind::ExternalIds, Flags::REQUIRED, |out| write_external_ids(out, &content.ids))?;
        self.section(SectionKind::ContentHashes, Flags::REQUIRED, |out| {
            write_content_hashes(out, content.content_hashes.iter().copied())
        })?;
        let level = self.options.writer.stored_fields_level;
        let (mut unreadable, cancel) = (None, self.options.cancel);
        let result = match &content.stored {
            Stored::None => Ok(()),
            Stored::Buffered(documents) => self.section(SectionKind::StoredFields, Flags::REQUIRED, |out| {
                let mut fields = StoredFieldsWriter::new(out, level)?;
                documents.iter().try_for_each(|document| fields.push(document))?;
                fields.finish().map(drop)
            }),
            Stored::Segments(sources) => self.section(SectionKind::StoredFields, Flags::REQUIRED, |out| {
                let mut fields = StoredFieldsWriter::new(out, level)?;
                copy_stored(sources, &mut fields, (&mut unreadable, cancel))?;
                fields.finish().map(drop)
            }),
        };
        unreadable.map_or(result, Err)?;
        self.words()
    }

    fn words(&mut self) -> Result<(), IndexError> {
        let SegmentOptions { settings, cancel, .. } = self.options;
        match words(self.content, settings, cancel)? {
            None => Ok(()),
            // Without it everything but a search for words works.
            Some(terms) => self.section(SectionKind::Terms, Flags::OPTIONAL, |out| terms.write(out)),
        }
    }
}

/// Copies documents; what could not be read, rather than written, goes to `unreadable`.
fn copy_stored<W: Write>(
    sources: &[(&SegmentReader, &RoaringBitmap)],
    fields: &mut StoredFieldsWriter<'_, W>,
    (unreadable, cancel): (&mut Option<IndexError>, &CancelToken),
) -> Result<(), FormatError> {
    let mut written = Ok(());
    for (reader, deleted) in sources {
        let copied = reader.each_stored(
            |document| !deleted.contains(document),
            |_, document| {
                if written.is_ok() {
                    written = fields.push(&document);
                }
                cancel.check()
            },
        );
        std::mem::replace(&mut written, Ok(()))?;
        if let Err(error) = copied {
            *unreadable = Some(error);
            return Ok(());
        }
    }
    Ok(())
}
