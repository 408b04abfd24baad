//! Section `StoredFields`: the documents themselves, in compressed blocks.

use std::ops::Range;

use super::parts::{Parts, at_most, expect};
use crate::error::FormatError;
use crate::layout::{
    stored_block as entry_fields, stored_document as document_fields, stored_foot as fields,
};
use crate::record::RecordRef;

pub(super) const DOCUMENT_HEAD_LEN: usize = document_fields::LAYOUT.len;
pub(super) const FOOT_LEN: usize = fields::LAYOUT.len;
const ENTRY_LEN: usize = entry_fields::LAYOUT.len;

/// The most a block of several documents decompresses to.
const MAX_BLOCK_LEN: u64 = 64 << 20;

/// The most a block of one document decompresses to.
pub(super) const MAX_DOCUMENT_LEN: u64 = 1 << 30;

/// The most zstd can make of a byte: four bytes are the shortest block, 128 KiB the longest it stands for.
const MAX_RATIO: u64 = 32 * 1024;

/// What the user gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct StoredDocument {
    /// May be empty.
    pub title: String,
    /// May be empty.
    pub text: String,
    /// A JSON object, or empty. Not read by this crate.
    pub metadata: String,
}

/// The documents of a segment: zstd blocks of about 64 KiB; a larger document has its own.
#[derive(Debug, Clone, Copy)]
pub struct StoredFieldsView<'a> {
    payload: &'a [u8],
    entries: &'a [u8],
    documents: u32,
    blocks: u32,
}

/// Where a block lies and what it holds.
struct Place<'a> {
    compressed: &'a [u8],
    raw_length: u64,
    documents: Range<u32>,
}

impl<'a> StoredFieldsView<'a> {
    /// Views a section. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError`] if its parts have another length than the foot says.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let Some((body, foot)) = bytes.split_last_chunk::<FOOT_LEN>() else {
            let (needed, have) = (FOOT_LEN as u64, bytes.len() as u64);
            return Err(FormatError::Truncated { what: fields::LAYOUT.title, needed, have });
        };
        let foot = RecordRef::new(&fields::LAYOUT, foot)?;
        let (documents, blocks) = (foot.u32(fields::DOCUMENTS), foot.u32(fields::BLOCKS));
        at_most("the number of stored blocks", documents.into(), blocks.into())?;
        expect("whether there are stored blocks", (documents > 0).into(), (blocks > 0).into())?;
        let mut parts = Parts::new(body);
        let payload = parts.bytes("stored fields", foot.u64(fields::PAYLOAD_LENGTH), 1)?;
        parts.padding()?;
        let entries = parts.bytes("the table of stored blocks", blocks.into(), ENTRY_LEN)?;
        parts.finish()?;
        let view = Self { payload, entries, documents, blocks };
        if blocks > 0 {
            let first = view.entry(0)?;
            expect("the first stored document", 0, first.u32(entry_fields::FIRST_DOCUMENT).into())?;
            expect("the offset of the first stored block", 0, first.u64(entry_fields::OFFSET))?;
        }
        Ok(view)
    }

    /// How many documents.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.documents
    }

    /// How many blocks.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// One document. Cost: decompresses its block; to read many in order, go by [`block`](Self::block).
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such document; otherwise as [`block`](Self::block) and
    /// [`StoredBlock::get`].
    pub fn get(&self, document: u32) -> Result<StoredDocument, FormatError> {
        self.block(self.block_of(document)?)?.get(document)
    }

    /// The block that holds a document. Cost: `O(log blocks)`.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such document.
    pub fn block_of(&self, document: u32) -> Result<u32, FormatError> {
        if document >= self.documents {
            let (index, len) = (document.into(), self.documents.into());
            return Err(FormatError::OutOfRange { what: "document", index, len });
        }
        // The last block that starts at or before it; a table out of order gives some block or other, which
        // `StoredBlock::get` finds not to hold the document.
        let (mut low, mut high) = (0, self.blocks);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.entry(middle)?.u32(entry_fields::FIRST_DOCUMENT) <= document {
                true => low = middle,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// Decompresses a block. Memory: what it decompresses to, which is at most 64 MiB for several documents
    /// and 1 GiB for one.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such block, [`FormatError::TooLarge`] if it claims more than
    /// the format allows or its bytes can hold, [`FormatError::Compression`] if it does not decompress,
    /// [`FormatError::Inconsistent`] if what comes out are not its documents.
    pub fn block(&self, block: u32) -> Result<StoredBlock, FormatError> {
        let place = self.place(block)?;
        let what = "a block of stored fields";
        let declared = zstd::zstd_safe::get_frame_content_size(place.compressed).ok().flatten();
        expect("the declared length of a stored block", place.raw_length, declared.unwrap_or(u64::MAX))?;
        let raw = zstd::bulk::decompress(place.compressed, place.raw_length as usize)
            .map_err(|source| FormatError::Compression { what, source })?;
        expect("the length of a stored block", place.raw_length, raw.len() as u64)?;
        StoredBlock::new(raw, place.documents)
    }

    /// Decompresses every block and reads every document.
    ///
    /// # Errors
    /// [`FormatError`] of the first that is not sound.
    pub fn check(&self) -> Result<(), FormatError> {
        let mut next = 0;
        for block in 0..self.blocks {
            let block = self.block(block)?;
            expect("the first document of a stored block", next, block.documents().start.into())?;
            next = block.documents().end.into();
            block.documents().try_for_each(|document| block.get(document).map(drop))?;
        }
        Ok(())
    }

    fn entry(&self, block: u32) -> Result<RecordRef<'a>, FormatError> {
        let start = block as usize * ENTRY_LEN;
        RecordRef::new(&entry_fields::LAYOUT, self.entries.get(start..).unwrap_or_default())
    }

    fn place(&self, block: u32) -> Result<Place<'a>, FormatError> {
        if block >= self.blocks {
            let (index, len) = (block.into(), self.blocks.into());
            return Err(FormatError::OutOfRange { what: "stored block", index, len });
        }
        let entry = self.entry(block)?;
        let (next_first, end) = match block + 1 < self.blocks {
            false => (self.documents, self.payload.len() as u64),
            true => {
                let next = self.entry(block + 1)?;
                (next.u32(entry_fields::FIRST_DOCUMENT), next.u64(entry_fields::OFFSET))
            }
        };
        let (first, start) = (entry.u32(entry_fields::FIRST_DOCUMENT), entry.u64(entry_fields::OFFSET));
        if first >= next_first || next_first > self.documents {
            let (expected, found) = (u64::from(first) + 1, next_first.into());
            let what = "the first document after a stored block";
            return Err(FormatError::Inconsistent { what, expected, found });
        }
        if start > end || end > self.payload.len() as u64 {
            let what = "the end of a stored block";
            return Err(FormatError::Inconsistent { what, expected: start, found: end });
        }
        let compressed = &self.payload[start as usize..end as usize];
        let raw_length = u64::from(entry.u32(entry_fields::RAW_LENGTH));
        let limit = if next_first - first == 1 { MAX_DOCUMENT_LEN } else { MAX_BLOCK_LEN };
        let limit = limit.min(compressed.len() as u64 * MAX_RATIO);
        at_most("the decompressed length of a stored block", limit, raw_length)?;
        Ok(Place { compressed, raw_length, documents: first..next_first })
    }
}

/// Some consecutive documents, decompressed.
#[derive(Debug, Clone)]
pub struct StoredBlock {
    raw: Vec<u8>,
    /// Where each document starts in `raw`, and the end.
    starts: Vec<u32>,
    first: u32,
}

impl StoredBlock {
    /// Finds the documents in `raw`, which they fill.
    fn new(raw: Vec<u8>, documents: Range<u32>) -> Result<Self, FormatError> {
        let count = u64::from(documents.end - documents.start);
        at_most("the documents of a stored block", (raw.len() / DOCUMENT_HEAD_LEN) as u64, count)?;
        let mut starts = Vec::with_capacity(count as usize + 1);
        let mut at = 0_usize;
        starts.push(0);
        for _ in documents.clone() {
            let head = RecordRef::new(&document_fields::LAYOUT, &raw[at..])?;
            let length = DOCUMENT_HEAD_LEN as u64
                + lengths(&head).into_iter().map(|length| length as u64).sum::<u64>();
            let have = (raw.len() - at) as u64;
            if length > have {
                return Err(FormatError::Truncated { what: "a stored document", needed: length, have });
            }
            at += length as usize;
            starts.push(at as u32);
        }
        expect("the end of a stored block", raw.len() as u64, at as u64)?;
        Ok(Self { raw, starts, first: documents.start })
    }

    /// Which documents it holds.
    #[must_use]
    pub fn documents(&self) -> Range<u32> {
        self.first..self.first + (self.starts.len() as u32 - 1)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if it is not in this block, [`FormatError::NotUtf8`] if it is no text.
    pub fn get(&self, document: u32) -> Result<StoredDocument, FormatError> {
        if !self.documents().contains(&document) {
            let (index, len) = (document.into(), self.documents().end.into());
            return Err(FormatError::OutOfRange { what: "document in the stored block", index, len });
        }
        let index = (document - self.first) as usize;
        let record = &self.raw[self.starts[index] as usize..self.starts[index + 1] as usize];
        let [title, text, _] = lengths(&RecordRef::new(&document_fields::LAYOUT, record)?);
        let (title, rest) = record[DOCUMENT_HEAD_LEN..].split_at(title);
        let (text, metadata) = rest.split_at(text);
        let string = |what, bytes: &[u8]| {
            str::from_utf8(bytes).map(str::to_owned).map_err(|_| FormatError::NotUtf8 { what, document })
        };
        Ok(StoredDocument {
            title: string("the title", title)?,
            text: string("the text", text)?,
            metadata: string("the metadata", metadata)?,
        })
    }
}

fn lengths(head: &RecordRef<'_>) -> [usize; 3] {
    [document_fields::TITLE_LENGTH, document_fields::TEXT_LENGTH, document_fields::METADATA_LENGTH]
        .map(|field| head.u32(field) as usize)
}
