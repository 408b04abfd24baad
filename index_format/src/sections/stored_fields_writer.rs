//! Writes section `StoredFields`.

use std::io::Write;

use super::parts::{PartsWriter, at_most};
use super::stored_fields::{DOCUMENT_HEAD_LEN, FOOT_LEN, MAX_DOCUMENT_LEN, StoredDocument};
use crate::error::FormatError;
use crate::layout::{
    stored_block as entry_fields, stored_document as document_fields, stored_foot as fields,
};
use crate::record::RecordBuf;

/// A block is closed before it grows past this many bytes, unless one document alone does.
const BLOCK_TARGET: usize = 64 * 1024;

/// Compresses documents into a sink, block by block. Memory: one block, and 16 bytes per block written.
///
/// ```
/// use lateen_index_format::{StoredDocument, StoredFieldsView, StoredFieldsWriter};
/// let document = StoredDocument { text: "A lateen is a triangular sail.".into(), ..Default::default() };
/// let mut section = Vec::new();
/// let mut writer = StoredFieldsWriter::new(&mut section, 3)?;
/// writer.push(&document)?;
/// writer.finish()?;
/// assert_eq!(StoredFieldsView::new(&section)?.get(0)?, document);
/// # Ok::<(), lateen_index_format::FormatError>(())
/// ```
pub struct StoredFieldsWriter<'w, W: Write> {
    out: PartsWriter<'w, W>,
    compressor: zstd::bulk::Compressor<'static>,
    /// The block being filled.
    raw: Vec<u8>,
    first_document: u32,
    documents: u32,
    entries: Vec<u8>,
    payload_length: u64,
}

impl<'w, W: Write> StoredFieldsWriter<'w, W> {
    /// Starts a section. `level` is zstd's: 1 is fast, 3 usual, 19 slow; out of range, the nearest.
    ///
    /// # Errors
    /// [`FormatError::Compression`] if zstd cannot start.
    pub fn new(out: &'w mut W, level: i32) -> Result<Self, FormatError> {
        let compressor = zstd::bulk::Compressor::new(level).map_err(compression)?;
        Ok(Self {
            out: PartsWriter::new(out),
            compressor,
            raw: Vec::new(),
            first_document: 0,
            documents: 0,
            entries: Vec::new(),
            payload_length: 0,
        })
    }

    /// Adds the next document.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] if it has more than 1 GiB or has the number `u32::MAX`, [`FormatError::Io`] if the sink refuses
    /// a block.
    pub fn push(&mut self, document: &StoredDocument) -> Result<(), FormatError> {
        let StoredDocument { title, text, metadata } = document;
        let length = DOCUMENT_HEAD_LEN + title.len() + text.len() + metadata.len();
        at_most("the length of a stored document", MAX_DOCUMENT_LEN, length as u64)?;
        at_most("the number of documents", u32::MAX.into(), u64::from(self.documents) + 1)?;
        if self.raw.len() + length > BLOCK_TARGET {
            self.flush_block()?;
        }
        // Each is below 2^30, as their sum is.
        let head = RecordBuf::<DOCUMENT_HEAD_LEN>::new(&document_fields::LAYOUT)
            .set(document_fields::TITLE_LENGTH, (title.len() as u32).to_le_bytes())
            .set(document_fields::TEXT_LENGTH, (text.len() as u32).to_le_bytes())
            .set(document_fields::METADATA_LENGTH, (metadata.len() as u32).to_le_bytes());
        self.raw.extend_from_slice(&head.into_bytes());
        for string in [title, text, metadata] {
            self.raw.extend_from_slice(string.as_bytes());
        }
        self.documents += 1;
        Ok(())
    }

    /// Writes the last block, the table and the foot; returns the number of documents.
    ///
    /// # Errors
    /// [`FormatError::Io`] if the sink refuses them.
    pub fn finish(mut self) -> Result<u32, FormatError> {
        self.flush_block()?;
        let blocks = (self.entries.len() / entry_fields::LAYOUT.len) as u32;
        let foot = RecordBuf::<FOOT_LEN>::new(&fields::LAYOUT)
            .set(fields::DOCUMENTS, self.documents.to_le_bytes())
            .set(fields::BLOCKS, blocks.to_le_bytes())
            .set(fields::PAYLOAD_LENGTH, self.payload_length.to_le_bytes());
        self.out.padding()?;
        self.out.put(&self.entries)?;
        self.out.put(&foot.into_bytes())?;
        Ok(self.documents)
    }

    fn flush_block(&mut self) -> Result<(), FormatError> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let compressed = self.compressor.compress(&self.raw).map_err(compression)?;
        let entry = RecordBuf::<16>::new(&entry_fields::LAYOUT)
            .set(entry_fields::FIRST_DOCUMENT, self.first_document.to_le_bytes())
            .set(entry_fields::RAW_LENGTH, (self.raw.len() as u32).to_le_bytes())
            .set(entry_fields::OFFSET, self.payload_length.to_le_bytes());
        self.out.put(&compressed)?;
        self.entries.extend_from_slice(&entry.into_bytes());
        self.payload_length += compressed.len() as u64;
        self.first_document = self.documents;
        self.raw.clear();
        Ok(())
    }
}

fn compression(source: std::io::Error) -> FormatError {
    FormatError::Compression { what: "a block of stored fields", source }
}
