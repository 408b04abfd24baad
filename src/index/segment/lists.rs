//! For each centroid, the documents that have a token near it.

use super::checked::{OffsetTable, Section};
use super::{IndexError, SegmentReader};
use crate::format::{InvertedListsView, SectionKind};

/// Inverted lists over the codec's centroids.
#[derive(Clone, Copy)]
pub struct ListsReader<'a> {
    section: Section<'a>,
    view: InvertedListsView<'a>,
    offsets: OffsetTable,
}

impl SegmentReader {
    /// The inverted lists; `None` unless the segment holds residual codes.
    ///
    /// # Errors
    /// [`IndexError::Format`] if the head is damaged.
    pub fn lists(&self) -> Result<Option<ListsReader<'_>>, IndexError> {
        if !self.is_coded() {
            return Ok(None);
        }
        let section = self.require(SectionKind::InvertedLists)?;
        section.touch_head()?;
        let view = InvertedListsView::new(section.bytes()).map_err(|source| section.error(source))?;
        self.expect("the documents of inverted lists", self.documents().into(), view.documents().into())?;
        let offsets = OffsetTable::new(section.bytes().len(), view.centroids(), 0);
        Ok(Some(ListsReader { section, view, offsets }))
    }
}

impl ListsReader<'_> {
    /// How many lists: as many as the codec has centroids.
    #[must_use]
    pub fn centroids(&self) -> u32 {
        self.view.centroids()
    }

    /// Hands `each` the documents near a centroid: ascending local numbers, deleted documents included.
    ///
    /// # Errors
    /// [`IndexError::Format`] if there is no such centroid or what is read is damaged, possibly after some
    /// documents were handed over.
    #[inline]
    pub fn for_each(&self, centroid: u32, each: impl FnMut(u32)) -> Result<(), IndexError> {
        self.section.touch(self.offsets.entries(centroid))?;
        let mut list = self.view.list(centroid).map_err(|source| self.section.error(source))?;
        let start = self.offsets.payload() + self.offsets.offset(self.section.bytes(), centroid);
        self.section.touch(start..start + list.size_hint().1.unwrap_or_default())?;
        list.by_ref().for_each(each);
        list.finish().map_err(|source| self.section.error(source))
    }

    /// Replaces `documents` by those near a centroid: ascending local numbers, deleted documents included.
    ///
    /// # Errors
    /// As [`ListsReader::for_each`].
    pub fn read(&self, centroid: u32, documents: &mut Vec<u32>) -> Result<(), IndexError> {
        documents.clear();
        self.section.touch(self.offsets.entries(centroid))?;
        let list = self.view.list(centroid).map_err(|source| self.section.error(source))?;
        let start = self.offsets.payload() + self.offsets.offset(self.section.bytes(), centroid);
        self.section.touch(start..start + list.size_hint().1.unwrap_or_default())?;
        list.read_into(documents).map_err(|source| self.section.error(source))
    }

    /// How many bytes a list takes: between 1 and 5 per document.
    ///
    /// # Errors
    /// As [`ListsReader::for_each`].
    pub fn bytes(&self, centroid: u32) -> Result<usize, IndexError> {
        self.section.touch(self.offsets.entries(centroid))?;
        let list = self.view.list(centroid).map_err(|source| self.section.error(source))?;
        Ok(list.size_hint().1.unwrap_or_default())
    }
}
