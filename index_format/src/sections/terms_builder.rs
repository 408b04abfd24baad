//! Gathers the words of documents, and writes section `Terms`.

use std::collections::HashMap;
use std::io::Write;

use super::leb128::push_leb128;
use super::offsets;
use super::parts::{PartsWriter, at_most};
use crate::error::FormatError;
use crate::layout::terms as fields;
use crate::record::RecordBuf;

/// The longest term in bytes.
pub const MAX_TERM_LEN: usize = 512;

/// The most documents: a gap between two of them leaves a bit of 32 free.
const MAX_DOCUMENTS: u32 = 1 << 31;

/// Postings by term, coded as they come.
///
/// Memory: the terms, the bytes of their postings as they will be written, some 60 bytes a term and 4 a document.
#[derive(Debug, Default)]
pub struct TermsBuilder {
    numbers: HashMap<Box<str>, u32>,
    terms: Vec<Gathered>,
    lengths: Vec<u32>,
}

#[derive(Debug, Default)]
struct Gathered {
    postings: Vec<u8>,
    frequency: u32,
    /// The smallest document that may follow.
    next: u32,
}

impl TermsBuilder {
    /// No documents yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many documents there are.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.lengths.len() as u32
    }

    /// Appends a document; its terms follow.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] if there are 2³¹ already.
    pub fn push_document(&mut self) -> Result<(), FormatError> {
        at_most("the number of documents with terms", MAX_DOCUMENTS.into(), self.lengths.len() as u64 + 1)?;
        self.lengths.push(0);
        Ok(())
    }

    /// Notes that `document` has `term` so many times.
    ///
    /// # Errors
    /// [`FormatError::BadTerm`] if the term is empty or longer than [`MAX_TERM_LEN`]; [`FormatError::OutOfRange`] if there is no such
    /// document; [`FormatError::Inconsistent`] if it, or a later one, was named for this term already, or the count is 0;
    /// [`FormatError::TooLarge`] if there are too many terms, or a document has 2³² of them.
    pub fn push(&mut self, term: &str, document: u32, count: u32) -> Result<(), FormatError> {
        let number = match self.numbers.get(term) {
            Some(&number) => number,
            None => {
                let number = self.terms.len() as u32;
                check_term(number, term)?;
                at_most("the number of terms", u32::MAX.into(), self.terms.len() as u64 + 1)?;
                self.numbers.insert(term.into(), number);
                self.terms.push(Gathered::default());
                number
            }
        };
        let len = self.lengths.len() as u64;
        let Some(length) = self.lengths.get_mut(document as usize) else {
            return Err(FormatError::OutOfRange { what: "document", index: document.into(), len });
        };
        let gathered = &mut self.terms[number as usize];
        if document < gathered.next || count == 0 {
            let (expected, found) = (gathered.next.into(), document.into());
            return Err(FormatError::Inconsistent { what: "the next document of a term", expected, found });
        }
        let sum = u64::from(*length) + u64::from(count);
        at_most("the terms of a document", u32::MAX.into(), sum)?;
        *length = sum as u32;
        let gap = (document - gathered.next) << 1;
        push_leb128(&mut gathered.postings, gap | u32::from(count == 1));
        if count > 1 {
            push_leb128(&mut gathered.postings, count - 2);
        }
        gathered.next = document + 1;
        gathered.frequency += 1;
        Ok(())
    }

    /// Writes the section. The bytes do not depend on the order in which terms were first seen.
    ///
    /// # Errors
    /// [`FormatError::Io`] if `out` refuses the bytes.
    pub fn write(&self, out: &mut impl Write) -> Result<(), FormatError> {
        let mut sorted: Vec<(&str, &Gathered)> =
            self.numbers.iter().map(|(term, &number)| (&**term, &self.terms[number as usize])).collect();
        sorted.sort_unstable_by_key(|&(term, _)| term);
        let text_lengths = sorted.iter().map(|(term, _)| term.len() as u64);
        let payload_lengths = sorted.iter().map(|(_, gathered)| gathered.postings.len() as u64);
        let (text_length, payload_length) = (text_lengths.clone().sum(), payload_lengths.clone().sum());
        let (text_width, payload_width) =
            (offsets::width_for(text_length), offsets::width_for(payload_length));
        let total: u64 = self.lengths.iter().map(|&length| u64::from(length)).sum();
        let head = RecordBuf::<64>::new(&fields::LAYOUT)
            .set(fields::DOCUMENTS, self.documents().to_le_bytes())
            .set(fields::TERMS, (sorted.len() as u32).to_le_bytes())
            .set(fields::TOTAL_LENGTH, total.to_le_bytes())
            .set(fields::TEXT_LENGTH, text_length.to_le_bytes())
            .set(fields::PAYLOAD_LENGTH, payload_length.to_le_bytes())
            .set(fields::TEXT_OFFSET_WIDTH, [text_width])
            .set(fields::PAYLOAD_OFFSET_WIDTH, [payload_width]);
        let mut out = PartsWriter::new(out);
        out.put(&head.into_bytes())?;
        out.put(bytemuck::cast_slice(&self.lengths))?;
        out.padding()?;
        offsets::write(&mut out, text_width, text_lengths)?;
        out.padding()?;
        offsets::write(&mut out, payload_width, payload_lengths)?;
        out.padding()?;
        sorted.iter().try_for_each(|(_, gathered)| out.put(&gathered.frequency.to_le_bytes()))?;
        out.padding()?;
        sorted.iter().try_for_each(|(term, _)| out.put(term.as_bytes()))?;
        out.padding()?;
        sorted.iter().try_for_each(|(_, gathered)| out.put(&gathered.postings))
    }
}

pub(super) fn check_term(term: u32, text: &str) -> Result<(), FormatError> {
    match text.len() {
        1..=MAX_TERM_LEN => Ok(()),
        length => Err(FormatError::BadTerm { term, length }),
    }
}
