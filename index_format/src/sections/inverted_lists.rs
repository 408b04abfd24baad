//! Section `InvertedLists`: the documents near each centroid.

use std::io::Write;

use super::leb128::{push_leb128, read_leb128};
use super::offsets::{self, Offsets};
use super::parts::{Parts, PartsWriter, at_most};
use crate::error::FormatError;
use crate::layout::inverted_lists as fields;
use crate::record::RecordBuf;

/// Writes the section: one list per centroid, each ascending and without repeats, all smaller than
/// `documents`. The lists are walked twice.
///
/// # Errors
/// [`FormatError::Inconsistent`] if a list does not ascend, [`FormatError::OutOfRange`] if it names no
/// document, [`FormatError::Io`] if `out` refuses the bytes.
pub fn write_inverted_lists<'l>(
    out: &mut impl Write,
    documents: u32,
    lists: impl Iterator<Item = &'l [u32]> + Clone,
) -> Result<(), FormatError> {
    let (mut centroids, mut payload_length) = (0_u64, 0);
    for list in lists.clone() {
        check_list(list, documents)?;
        centroids += 1;
        payload_length += encoded_len(list);
    }
    at_most("the number of centroids", u32::MAX.into(), centroids)?;
    let width = offsets::width_for(payload_length);
    let head = RecordBuf::<64>::new(&fields::LAYOUT)
        .set(fields::CENTROIDS, (centroids as u32).to_le_bytes())
        .set(fields::DOCUMENTS, documents.to_le_bytes())
        .set(fields::PAYLOAD_LENGTH, payload_length.to_le_bytes())
        .set(fields::OFFSET_WIDTH, [width]);
    let mut out = PartsWriter::new(out);
    out.put(&head.into_bytes())?;
    offsets::write(&mut out, width, lists.clone().map(encoded_len))?;
    out.padding()?;
    let mut encoded = Vec::new();
    for list in lists {
        encoded.clear();
        gaps(list).for_each(|gap| push_leb128(&mut encoded, gap));
        out.put(&encoded)?;
    }
    Ok(())
}

/// Per centroid the documents that have a token near it, as LEB128 gaps.
#[derive(Debug, Clone, Copy)]
pub struct InvertedListsView<'a> {
    offsets: Offsets<'a>,
    payload: &'a [u8],
    centroids: u32,
    documents: u32,
}

impl<'a> InvertedListsView<'a> {
    /// Views a section. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError`] if its arrays have another length than the head says.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut parts = Parts::new(bytes);
        let head = parts.record(&fields::LAYOUT)?;
        let (centroids, width) = (head.u32(fields::CENTROIDS), head.u8(fields::OFFSET_WIDTH));
        let payload_length = head.u64(fields::PAYLOAD_LENGTH);
        let offsets = Offsets::read(&mut parts, "inverted list", centroids, width, payload_length)?;
        parts.padding()?;
        let payload = parts.bytes("inverted lists", payload_length, 1)?;
        parts.finish()?;
        Ok(Self { offsets, payload, centroids, documents: head.u32(fields::DOCUMENTS) })
    }

    /// How many lists.
    #[must_use]
    pub fn centroids(&self) -> u32 {
        self.centroids
    }

    /// How many documents the lists are about.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.documents
    }

    /// The documents near a centroid.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such centroid, [`FormatError::Inconsistent`] if its offsets
    /// decrease or lie outside.
    pub fn list(&self, centroid: u32) -> Result<InvertedList<'a>, FormatError> {
        let bytes = self.offsets.slice("inverted list", self.payload, centroid as usize)?;
        Ok(InvertedList { bytes, next: 0, documents: self.documents, damage: None })
    }

    /// Walks every list. Cost: reads the whole section.
    ///
    /// # Errors
    /// [`FormatError`] of the first that does not decode.
    pub fn check(&self) -> Result<(), FormatError> {
        (0..self.centroids).try_for_each(|centroid| {
            let mut list = self.list(centroid)?;
            list.by_ref().for_each(drop);
            list.finish()
        })
    }
}

/// Yields ascending, distinct document numbers below the number of documents, and nothing else: at the first
/// byte that does not decode it ends. [`finish`](Self::finish) tells that from a list that was complete.
#[derive(Debug, Clone)]
pub struct InvertedList<'a> {
    bytes: &'a [u8],
    /// The smallest document that may follow.
    next: u64,
    documents: u32,
    damage: Option<Damage>,
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Number,
    Document(u64),
}

impl InvertedList<'_> {
    /// Whether all that was yielded is sound so far; ask at the end, or where the walk stopped.
    ///
    /// # Errors
    /// [`FormatError`] if the list ended because it does not decode.
    pub fn finish(&self) -> Result<(), FormatError> {
        match self.damage {
            None => Ok(()),
            Some(Damage::Number) => Err(FormatError::Inconsistent {
                what: "the length of a number in an inverted list",
                expected: 5,
                found: self.bytes.len() as u64,
            }),
            Some(Damage::Document(index)) => {
                Err(FormatError::OutOfRange { what: "document", index, len: self.documents.into() })
            }
        }
    }

    /// Appends all documents that are left, faster than one by one.
    ///
    /// # Errors
    /// As [`finish`](Self::finish); the documents before the damage are appended.
    pub fn read_into(mut self, documents: &mut Vec<u32>) -> Result<(), FormatError> {
        documents.reserve(self.bytes.len());
        let mut next = self.next;
        let mut at = 0;
        while let Some(&low) = self.bytes.get(at) {
            // Nearly all numbers take one byte or two.
            let gap = if low < 0x80 {
                at += 1;
                u32::from(low)
            } else if let Some(&high @ 1..0x80) = self.bytes.get(at + 1) {
                at += 2;
                u32::from(low & 0x7f) | u32::from(high) << 7
            } else {
                let Some((gap, rest)) = read_leb128(&self.bytes[at..]) else {
                    self.stop(Damage::Number);
                    return self.finish();
                };
                at = self.bytes.len() - rest.len();
                gap
            };
            let document = next + u64::from(gap);
            if document >= u64::from(self.documents) {
                self.stop(Damage::Document(document));
                return self.finish();
            }
            documents.push(document as u32);
            next = document + 1;
        }
        Ok(())
    }

    fn stop(&mut self, damage: Damage) -> Option<u32> {
        self.damage = Some(damage);
        self.bytes = &[];
        None
    }
}

impl Iterator for InvertedList<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.bytes.is_empty() {
            return None;
        }
        let Some((gap, rest)) = read_leb128(self.bytes) else {
            return self.stop(Damage::Number);
        };
        let document = self.next + u64::from(gap);
        if document >= u64::from(self.documents) {
            return self.stop(Damage::Document(document));
        }
        self.bytes = rest;
        self.next = document + 1;
        Some(document as u32)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.bytes.len()))
    }
}

impl std::iter::FusedIterator for InvertedList<'_> {}

/// How many documents lie between each and the one before it.
fn gaps(list: &[u32]) -> impl Iterator<Item = u32> {
    let mut next = 0;
    list.iter().map(move |&document| {
        // Neither wraps in a list that ascends and names documents below a `u32` count.
        let gap = document.wrapping_sub(next);
        next = document.wrapping_add(1);
        gap
    })
}

fn encoded_len(list: &[u32]) -> u64 {
    gaps(list).map(|gap| u64::from((32 - gap.leading_zeros()).max(1).div_ceil(7))).sum()
}

fn check_list(list: &[u32], documents: u32) -> Result<(), FormatError> {
    if let Some(pair) = list.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(FormatError::Inconsistent {
            what: "the next document of an inverted list",
            expected: u64::from(pair[0]) + 1,
            found: pair[1].into(),
        });
    }
    match list.last() {
        Some(&last) if last >= documents => {
            Err(FormatError::OutOfRange { what: "document", index: last.into(), len: documents.into() })
        }
        _ => Ok(()),
    }
}
