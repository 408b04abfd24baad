//! What belongs to a document beside its vectors: its id, its content hash, its text.

use std::cmp::Ordering;

use super::checked::{OffsetTable, Section};
use super::{IndexError, SegmentReader};
use crate::format::{
    ContentHashesView, ExternalIdsView, SectionKind, StoredBlock, StoredDocument, StoredFieldsView,
};

/// External ids whose bytes are made sure of one by one, so that a search in millions reads a few pages.
struct Ids<'a> {
    section: Section<'a>,
    view: ExternalIdsView<'a>,
    offsets: OffsetTable,
}

impl<'a> Ids<'a> {
    fn new(reader: &'a SegmentReader) -> Result<Self, IndexError> {
        let section = reader.require(SectionKind::ExternalIds)?;
        section.touch_head()?;
        let view = ExternalIdsView::new(section.bytes()).map_err(|source| section.error(source))?;
        reader.expect("the number of external ids", reader.documents().into(), view.documents().into())?;
        let order = size_of::<u32>() * view.documents() as usize;
        let offsets = OffsetTable::new(section.bytes().len(), view.documents(), order);
        Ok(Self { section, view, offsets })
    }

    fn get(&self, document: u32) -> Result<&'a str, IndexError> {
        self.section.touch(self.offsets.entries(document))?;
        let id = self.view.get(document);
        match &id {
            Ok(id) => self.section.touch_part(id.as_bytes())?,
            // The bytes are no id: because they changed, or because they were written so.
            Err(_) => self.section.touch_all()?,
        }
        id.map_err(|source| self.section.error(source))
    }

    fn find(&self, id: &str) -> Result<Option<u32>, IndexError> {
        let order = self.view.order();
        let (mut low, mut high) = (0, order.len());
        while low < high {
            let middle = low + (high - low) / 2;
            self.section.touch_part(&order[middle..=middle])?;
            match self.get(order[middle])?.cmp(id) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(Some(order[middle])),
            }
        }
        Ok(None)
    }
}

impl SegmentReader {
    /// The user's name of a document, deleted or not.
    ///
    /// # Errors
    /// [`IndexError::Format`] if there is no such document, or what is read is damaged.
    pub fn external_id(&self, local: u32) -> Result<&str, IndexError> {
        Ids::new(self)?.get(local)
    }

    /// The document of this name, deleted or not. Cost: `O(log documents)` comparisons.
    ///
    /// # Errors
    /// [`IndexError::Format`] if what is read is damaged.
    pub fn find(&self, id: &str) -> Result<Option<u32>, IndexError> {
        Ids::new(self)?.find(id)
    }

    /// The content hash given with a document.
    ///
    /// # Errors
    /// As [`SegmentReader::external_id`].
    pub fn content_hash(&self, local: u32) -> Result<u64, IndexError> {
        let section = self.require(SectionKind::ContentHashes)?;
        let view = ContentHashesView::new(section.bytes()).map_err(|source| section.error(source))?;
        self.expect("the number of content hashes", self.documents().into(), view.documents() as u64)?;
        let hash = view.get(local).map_err(|source| section.error(source))?;
        section.touch_part(&view.hashes()[local as usize..=local as usize])?;
        Ok(hash)
    }

    /// What people read of a document; `None` if the index stores no documents.
    ///
    /// Cost: decompresses the block of some 64 KiB that the document is in.
    ///
    /// # Errors
    /// As [`SegmentReader::external_id`].
    pub fn stored(&self, local: u32) -> Result<Option<StoredDocument>, IndexError> {
        if !self.settings.store_documents {
            return Ok(None);
        }
        let section = self.require(SectionKind::StoredFields)?;
        let stored = Stored::new(self, section)?;
        stored.get(local).map(Some)
    }

    /// Hands `each` all documents with their numbers, in order; none if the index stores no documents.
    ///
    /// Cost: decompresses every block once.
    ///
    /// # Errors
    /// As [`SegmentReader::external_id`], possibly after some documents were handed over.
    pub fn for_each_stored(&self, mut each: impl FnMut(u32, StoredDocument)) -> Result<(), IndexError> {
        if !self.settings.store_documents {
            return Ok(());
        }
        self.each_stored(
            |_| true,
            |number, document| {
                each(number, document);
                Ok(())
            },
        )
    }

    /// Hands over the stored documents for which `wanted` holds, in order, decompressing each block once.
    pub(in crate::index) fn each_stored(
        &self,
        wanted: impl Fn(u32) -> bool,
        mut each: impl FnMut(u32, StoredDocument) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let section = self.require(SectionKind::StoredFields)?;
        let stored = Stored::new(self, section)?;
        for number in 0..stored.view.blocks() {
            let block = stored.block(number)?;
            for document in block.documents().filter(|&document| wanted(document)) {
                each(document, block.get(document).map_err(|source| section.error(source))?)?;
            }
        }
        Ok(())
    }
}

/// The bytes of a stored block's entry in the table, and where in it the block's offset is.
const ENTRY_LEN: usize = 16;
const ENTRY_OFFSET_AT: usize = 8;
/// The bytes of the foot, which ends the section.
const FOOT_LEN: usize = 64;

/// Stored documents; blocks, then a table of them, then a foot.
struct Stored<'a> {
    section: Section<'a>,
    view: StoredFieldsView<'a>,
    /// Where the table begins.
    table: usize,
}

impl<'a> Stored<'a> {
    fn new(reader: &SegmentReader, section: Section<'a>) -> Result<Self, IndexError> {
        let view = StoredFieldsView::new(section.bytes()).map_err(|source| section.error(source))?;
        let len = section.bytes().len();
        // The view found room for the table in front of the foot.
        let table = len - FOOT_LEN - view.blocks() as usize * ENTRY_LEN;
        section.touch(table..len)?;
        reader.expect(
            "the number of stored documents",
            reader.documents().into(),
            view.documents().into(),
        )?;
        Ok(Self { section, view, table })
    }

    fn get(&self, document: u32) -> Result<StoredDocument, IndexError> {
        let error = |source| self.section.error(source);
        let block = self.view.block_of(document).map_err(error)?;
        self.block(block)?.get(document).map_err(error)
    }

    fn block(&self, block: u32) -> Result<StoredBlock, IndexError> {
        let last = block + 1 == self.view.blocks();
        let end = if last { self.table } else { self.offset(block + 1) };
        self.section.touch(self.offset(block)..end)?;
        self.view.block(block).map_err(|source| self.section.error(source))
    }

    /// Where a block begins; at most where the table does.
    fn offset(&self, block: u32) -> usize {
        let at = self.table + block as usize * ENTRY_LEN + ENTRY_OFFSET_AT;
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.section.bytes()[at..at + 8]);
        usize::try_from(u64::from_le_bytes(bytes)).map_or(self.table, |offset| offset.min(self.table))
    }
}
