//! Section `Terms`: which words are in which document, and how often.

use std::cmp::Ordering;

use super::leb128::read_leb128;
use super::offsets::Offsets;
use super::parts::{Parts, expect, item};
use super::terms_builder::check_term;
use crate::error::FormatError;
use crate::layout::terms as fields;

/// The terms of a segment's documents by ascending bytes, each with the documents that have it.
#[derive(Debug, Clone, Copy)]
pub struct TermsView<'a> {
    lengths: &'a [u32],
    frequencies: &'a [u32],
    text_offsets: Offsets<'a>,
    text: &'a [u8],
    payload_offsets: Offsets<'a>,
    payload: &'a [u8],
    total_length: u64,
}

impl<'a> TermsView<'a> {
    /// Views a section. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError`] if its arrays have another length than the head says.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut parts = Parts::new(bytes);
        let head = parts.record(&fields::LAYOUT)?;
        let (documents, terms) = (head.u32(fields::DOCUMENTS), head.u32(fields::TERMS));
        let (text_length, payload_length) = (head.u64(fields::TEXT_LENGTH), head.u64(fields::PAYLOAD_LENGTH));
        let lengths = parts.array("the lengths of documents", documents.into())?;
        parts.padding()?;
        let width = head.u8(fields::TEXT_OFFSET_WIDTH);
        let text_offsets = Offsets::read(&mut parts, "term", terms, width, text_length)?;
        parts.padding()?;
        let width = head.u8(fields::PAYLOAD_OFFSET_WIDTH);
        let payload_offsets = Offsets::read(&mut parts, "postings", terms, width, payload_length)?;
        parts.padding()?;
        let frequencies = parts.array("the frequencies of terms", terms.into())?;
        parts.padding()?;
        let text = parts.bytes("terms", text_length, 1)?;
        parts.padding()?;
        let payload = parts.bytes("postings", payload_length, 1)?;
        parts.finish()?;
        let total_length = head.u64(fields::TOTAL_LENGTH);
        Ok(Self { lengths, frequencies, text_offsets, text, payload_offsets, payload, total_length })
    }

    /// How many documents.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.lengths.len() as u32
    }

    /// How many different terms.
    #[must_use]
    pub fn terms(&self) -> u32 {
        self.frequencies.len() as u32
    }

    /// How many terms all documents have, repetitions counted.
    #[must_use]
    pub fn total_length(&self) -> u64 {
        self.total_length
    }

    /// How many terms each document has, repetitions counted.
    #[must_use]
    pub fn lengths(&self) -> &'a [u32] {
        self.lengths
    }

    /// How many documents have each term.
    #[must_use]
    pub fn frequencies(&self) -> &'a [u32] {
        self.frequencies
    }

    /// A term by its place in the order.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such term; [`FormatError::Inconsistent`] or
    /// [`FormatError::BadTerm`] if what is stored is none.
    pub fn term(&self, term: u32) -> Result<&'a str, FormatError> {
        let bytes = self.text_offsets.slice("term", self.text, term as usize)?;
        let text = str::from_utf8(bytes).map_err(|_| FormatError::BadTerm { term, length: bytes.len() })?;
        check_term(term, text)?;
        Ok(text)
    }

    /// The bytes that [`term`](Self::term) reads: where the term stands, and the term. Whoever checks bytes before they are read
    /// checks the first, asks again, and checks the second.
    #[must_use]
    pub fn bytes_of_term(&self, term: u32) -> [&'a [u8]; 2] {
        let entries = self.text_offsets.entries(term as usize);
        [entries, self.text_offsets.slice("term", self.text, term as usize).unwrap_or(&[])]
    }

    /// The bytes that [`postings`](Self::postings) reads, but for the frequency; as [`bytes_of_term`](Self::bytes_of_term).
    #[must_use]
    pub fn bytes_of_postings(&self, term: u32) -> [&'a [u8]; 2] {
        let entries = self.payload_offsets.entries(term as usize);
        [entries, self.payload_offsets.slice("postings", self.payload, term as usize).unwrap_or(&[])]
    }

    /// The place of a term in the order, if it is there. Cost: `O(log terms)` comparisons.
    ///
    /// # Errors
    /// As [`term`](Self::term), of a term met on the way.
    pub fn find(&self, text: &str) -> Result<Option<u32>, FormatError> {
        let (mut low, mut high) = (0, self.terms());
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

    /// The documents that have a term, and how often.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such term, [`FormatError::Inconsistent`] if its offsets decrease or lie
    /// outside.
    pub fn postings(&self, term: u32) -> Result<Postings<'a>, FormatError> {
        let bytes = self.payload_offsets.slice("postings", self.payload, term as usize)?;
        let frequency = item("term", self.frequencies, term as usize)?;
        Ok(Postings { bytes, next: 0, documents: self.documents(), left: frequency, damage: None })
    }

    /// Reads everything: terms in order, postings that decode, lengths that are the sums of counts.
    ///
    /// # Errors
    /// [`FormatError`] of the first that is not so.
    pub fn check(&self) -> Result<(), FormatError> {
        let mut lengths = vec![0_u64; self.lengths.len()];
        let mut before = "";
        for term in 0..self.terms() {
            let text = self.term(term)?;
            if text <= before {
                return Err(FormatError::BadTerm { term, length: text.len() });
            }
            before = text;
            let mut postings = self.postings(term)?;
            for (document, count) in postings.by_ref() {
                lengths[document as usize] += u64::from(count);
            }
            postings.finish()?;
        }
        for (&stored, &counted) in self.lengths.iter().zip(&lengths) {
            expect("the length of a document", counted, stored.into())?;
        }
        expect("the length of all documents", lengths.iter().sum(), self.total_length)
    }
}

/// Yields `(document, count)`: ascending, distinct document numbers below the number of documents, counts from 1. At the first byte
/// that does not decode it ends; [`finish`](Self::finish) tells that from postings that were complete.
#[derive(Debug, Clone)]
pub struct Postings<'a> {
    bytes: &'a [u8],
    /// The smallest document that may follow.
    next: u64,
    documents: u32,
    /// How many documents are to come.
    left: u32,
    damage: Option<Damage>,
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Number,
    Document(u64),
}

impl Postings<'_> {
    /// How many bytes they take.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all that was yielded is sound so far; ask at the end.
    ///
    /// # Errors
    /// [`FormatError`] if the postings ended because they do not decode, or if there are fewer or more than the term's frequency.
    pub fn finish(&self) -> Result<(), FormatError> {
        match self.damage {
            None => expect("the postings after the last", 0, u64::from(self.left) + self.bytes.len() as u64),
            Some(Damage::Number) => Err(FormatError::Inconsistent {
                what: "the length of a number in postings",
                expected: 5,
                found: self.bytes.len() as u64,
            }),
            Some(Damage::Document(index)) => {
                Err(FormatError::OutOfRange { what: "document", index, len: self.documents.into() })
            }
        }
    }

    fn stop(&mut self, damage: Damage) -> Option<(u32, u32)> {
        self.damage = Some(damage);
        self.left = 0;
        None
    }
}

impl Iterator for Postings<'_> {
    type Item = (u32, u32);

    #[inline]
    fn next(&mut self) -> Option<(u32, u32)> {
        if self.left == 0 {
            return None;
        }
        let Some((gap, rest)) = read_leb128(self.bytes) else { return self.stop(Damage::Number) };
        // A gap leaves room for the bit that says whether a count follows.
        let document = self.next + u64::from(gap >> 1);
        if document >= u64::from(self.documents) {
            return self.stop(Damage::Document(document));
        }
        let (count, rest) = if gap & 1 == 1 {
            (1, rest)
        } else {
            match read_leb128(rest).and_then(|(more, rest)| Some((more.checked_add(2)?, rest))) {
                Some(read) => read,
                None => return self.stop(Damage::Number),
            }
        };
        self.bytes = rest;
        self.next = document + 1;
        self.left -= 1;
        Some((document as u32, count))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left as usize))
    }
}

impl std::iter::FusedIterator for Postings<'_> {}
