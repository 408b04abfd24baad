//! Section `ExternalIds`: the user's ids, found by number and by name.

use std::cmp::Ordering;
use std::io::Write;

use super::offsets::{self, Offsets};
use super::parts::{Parts, PartsWriter, at_most, item};
use crate::error::FormatError;
use crate::layout::external_ids as fields;
use crate::record::RecordBuf;

/// The longest id in bytes.
pub const MAX_ID_LEN: usize = 512;

/// Writes the section: the ids of documents 0, 1, 2, …
///
/// Memory: 4 bytes per document. Cost: `O(n log n)` comparisons.
///
/// # Errors
/// [`FormatError::BadId`] if one is empty or longer than [`MAX_ID_LEN`], [`FormatError::DuplicateId`] if two are
/// equal, [`FormatError::Io`] if `out` refuses the bytes.
pub fn write_external_ids(out: &mut impl Write, ids: &[impl AsRef<str>]) -> Result<(), FormatError> {
    at_most("the number of documents", u32::MAX.into(), ids.len() as u64)?;
    let documents = ids.len() as u32;
    for (document, id) in (0..).zip(ids) {
        check_length(document, id.as_ref())?;
    }
    let order = sorted(ids, documents)?;
    let lengths = ids.iter().map(|id| id.as_ref().len() as u64);
    let text_length: u64 = lengths.clone().sum();
    let width = offsets::width_for(text_length);
    let head = RecordBuf::<64>::new(&fields::LAYOUT)
        .set(fields::DOCUMENTS, documents.to_le_bytes())
        .set(fields::OFFSET_WIDTH, [width])
        .set(fields::TEXT_LENGTH, text_length.to_le_bytes());
    let mut out = PartsWriter::new(out);
    out.put(&head.into_bytes())?;
    offsets::write(&mut out, width, lengths)?;
    out.padding()?;
    out.put(bytemuck::cast_slice(&order))?;
    out.padding()?;
    ids.iter().try_for_each(|id| out.put(id.as_ref().as_bytes()))
}

fn sorted(ids: &[impl AsRef<str>], documents: u32) -> Result<Vec<u32>, FormatError> {
    let id = |document: u32| ids[document as usize].as_ref();
    let mut order: Vec<u32> = (0..documents).collect();
    order.sort_unstable_by(|&a, &b| id(a).cmp(id(b)).then(a.cmp(&b)));
    match order.windows(2).find(|pair| id(pair[0]) == id(pair[1])) {
        None => Ok(order),
        Some(pair) => Err(FormatError::DuplicateId { first: pair[0], second: pair[1] }),
    }
}

/// The ids of a segment's documents: UTF-8, 1 to [`MAX_ID_LEN`] bytes, no two equal.
#[derive(Debug, Clone, Copy)]
pub struct ExternalIdsView<'a> {
    offsets: Offsets<'a>,
    /// Documents by ascending bytes of their ids.
    order: &'a [u32],
    text: &'a [u8],
}

impl<'a> ExternalIdsView<'a> {
    /// Views a section. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError`] if its arrays have another length than the head says.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut parts = Parts::new(bytes);
        let head = parts.record(&fields::LAYOUT)?;
        let (documents, width) = (head.u32(fields::DOCUMENTS), head.u8(fields::OFFSET_WIDTH));
        let text_length = head.u64(fields::TEXT_LENGTH);
        let offsets = Offsets::read(&mut parts, "external id", documents, width, text_length)?;
        parts.padding()?;
        let order = parts.array("the order of external ids", documents.into())?;
        parts.padding()?;
        let text = parts.bytes("external ids", text_length, 1)?;
        parts.finish()?;
        Ok(Self { offsets, order, text })
    }

    /// How many documents.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.order.len() as u32
    }

    /// The id of a document.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such document; [`FormatError::Inconsistent`],
    /// [`FormatError::BadId`] or [`FormatError::NotUtf8`] if what is stored is no id.
    pub fn get(&self, document: u32) -> Result<&'a str, FormatError> {
        let bytes = self.offsets.slice("external id", self.text, document as usize)?;
        let id = str::from_utf8(bytes).map_err(|_| FormatError::NotUtf8 { what: "the id", document })?;
        check_length(document, id)?;
        Ok(id)
    }

    /// The document with an id, if there is one. Cost: `O(log documents)` comparisons.
    ///
    /// # Errors
    /// As [`get`](Self::get), of an id met on the way.
    pub fn find(&self, id: &str) -> Result<Option<u32>, FormatError> {
        let (mut low, mut high) = (0, self.order.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let document = item("external id", self.order, middle)?;
            match self.get(document)?.cmp(id) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(Some(document)),
            }
        }
        Ok(None)
    }

    /// The documents by ascending bytes of their ids. Not known to name documents before
    /// [`check`](Self::check).
    #[must_use]
    pub fn order(&self) -> &'a [u32] {
        self.order
    }

    /// Reads every id and its place in the order. Cost: reads the whole section.
    ///
    /// # Errors
    /// [`FormatError`] of the first id that is none, is there twice, or stands in the wrong place.
    pub fn check(&self) -> Result<(), FormatError> {
        for document in 0..self.documents() {
            self.get(document)?;
        }
        // Strictly ascending ids are distinct, so as many of them as documents name each once.
        for pair in self.order.windows(2) {
            match self.get(pair[0])?.cmp(self.get(pair[1])?) {
                Ordering::Less => {}
                Ordering::Equal => {
                    return Err(FormatError::DuplicateId {
                        first: pair[0].min(pair[1]),
                        second: pair[0].max(pair[1]),
                    });
                }
                Ordering::Greater => {
                    return Err(FormatError::Inconsistent {
                        what: "the order of external ids",
                        expected: pair[1].into(),
                        found: pair[0].into(),
                    });
                }
            }
        }
        self.order.iter().try_for_each(|&document| self.get(document).map(drop))
    }
}

fn check_length(document: u32, id: &str) -> Result<(), FormatError> {
    match id.len() {
        1..=MAX_ID_LEN => Ok(()),
        length => Err(FormatError::BadId { document, length }),
    }
}
