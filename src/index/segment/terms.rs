//! The words of a segment's documents.

use std::cmp::Ordering;

use super::checked::Section;
use super::{IndexError, SegmentReader};
use crate::format::{SectionKind, TermsView};

/// Terms by ascending bytes, each with the documents that have it.
#[derive(Clone, Copy)]
pub struct TermsReader<'a> {
    section: Section<'a>,
    view: TermsView<'a>,
}

impl SegmentReader {
    /// The words of its documents; `None` if it keeps none.
    ///
    /// # Errors
    /// [`IndexError::Format`] if the head is damaged.
    pub fn terms(&self) -> Result<Option<TermsReader<'_>>, IndexError> {
        let Some(section) = self.section(SectionKind::Terms) else { return Ok(None) };
        section.touch_head()?;
        let view = TermsView::new(section.bytes()).map_err(|source| section.error(source))?;
        self.expect("the documents of terms", self.documents().into(), view.documents().into())?;
        Ok(Some(TermsReader { section, view }))
    }
}

impl<'a> TermsReader<'a> {
    /// How many terms there are.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        self.view.terms()
    }

    /// How many terms all documents have, repetitions counted, deleted documents included.
    #[must_use]
    pub fn total_length(&self) -> u64 {
        self.view.total_length()
    }

    /// How many terms each document has, repetitions counted. Cost: reads them all the first time.
    ///
    /// # Errors
    /// [`IndexError::Format`] if what is read is damaged.
    pub fn lengths(&self) -> Result<&'a [u32], IndexError> {
        self.section.touch_part(self.view.lengths())?;
        Ok(self.view.lengths())
    }

    /// A term by its place in the order.
    ///
    /// # Errors
    /// [`IndexError::Format`] if there is no such term or what is read is damaged.
    pub fn term(&self, term: u32) -> Result<&'a str, IndexError> {
        // The offsets first: what they say is only then worth reading.
        self.section.touch_part(self.view.bytes_of_term(term)[0])?;
        self.section.touch_part(self.view.bytes_of_term(term)[1])?;
        self.view.term(term).map_err(|source| self.section.error(source))
    }

    /// The place of a term in the order, if it is there. Cost: `O(log terms)` comparisons.
    ///
    /// # Errors
    /// [`IndexError::Format`] if what is read is damaged.
    pub fn find(&self, text: &str) -> Result<Option<u32>, IndexError> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.term(middle)?.cmp(text) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(Some(middle)),
            }
        }
        Ok(None)
    }

    /// How many documents have a term, deleted ones included.
    ///
    /// # Errors
    /// As [`TermsReader::term`].
    pub fn frequency(&self, term: u32) -> Result<u32, IndexError> {
        let at = term as usize;
        let one = self.view.frequencies().get(at..=at).unwrap_or_default();
        self.section.touch_part(one)?;
        // Only a term that is not there has none; asking for its postings says so.
        Ok(one.first().copied().unwrap_or_default())
    }

    /// Hands `each` the documents that have a term, ascending, and how often; deleted ones included. Returns how many.
    ///
    /// # Errors
    /// As [`TermsReader::term`], possibly after some documents were handed over.
    #[inline]
    pub fn for_each(&self, term: u32, mut each: impl FnMut(u32, u32)) -> Result<u32, IndexError> {
        let frequency = self.frequency(term)?;
        self.section.touch_part(self.view.bytes_of_postings(term)[0])?;
        self.section.touch_part(self.view.bytes_of_postings(term)[1])?;
        let mut postings = self.view.postings(term).map_err(|source| self.section.error(source))?;
        postings.by_ref().for_each(|(document, count)| each(document, count));
        postings.finish().map_err(|source| self.section.error(source))?;
        Ok(frequency)
    }
}
