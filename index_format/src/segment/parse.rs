//! From the bytes of a segment file to its sections.

use super::directory::{ENTRY_LEN, SUM_LEN, SectionEntry, block_count};
use super::{MAX_SECTIONS, SectionKind, aligned};
use crate::checksum;
use crate::error::{FormatError, Part};
use crate::head::{self, FileKind, HEAD_LEN};
use crate::layout::trailer as fields;
use crate::record::RecordRef;

const TRAILER_LEN: usize = fields::LAYOUT.len;

/// The checked head, directory and trailer of a segment file.
///
/// Holds `O(sections)` memory and nothing of the sections, which are verified on demand
/// ([`SectionEntry`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentLayout {
    entries: Vec<SectionEntry>,
    identity: u64,
}

impl SegmentLayout {
    /// Reads head, trailer, directory and the padding between sections. Cost: `O(sections)`.
    ///
    /// There is one way to lay sections out (`FORMAT.md`), and this accepts no other: sections cannot
    /// overlap, and no byte of the file escapes both this check and [`verify`](Self::verify).
    ///
    /// # Errors
    /// Any [`FormatError`] of a damaged, foreign, too old or too new file.
    pub fn parse(file: &[u8]) -> Result<Self, FormatError> {
        let head = head::parse(file, FileKind::Segment)?;
        expect("the body length of a segment head", 0, head.body_length)?;
        expect("the body checksum of a segment head", 0, head.body_checksum)?;
        let (needed, have) = ((HEAD_LEN + TRAILER_LEN) as u64, file.len() as u64);
        if have < needed {
            return Err(FormatError::Truncated { what: "the segment file", needed, have });
        }
        let trailer = Trailer::parse(file, head.checksum)?;
        let entries = trailer
            .directory(file)?
            .chunks_exact(ENTRY_LEN)
            .map(SectionEntry::decode)
            .collect::<Result<Vec<_>, _>>()?;
        check_kinds(&entries)?;
        check_places(file, &entries, &trailer)?;
        Ok(Self { entries, identity: trailer.checksum })
    }

    /// The entry of a section, if the segment has it.
    #[must_use]
    pub fn section(&self, kind: SectionKind) -> Option<&SectionEntry> {
        self.entries.iter().find(|entry| entry.kind() == kind)
    }

    /// The entry of a section that must be there.
    ///
    /// # Errors
    /// [`FormatError::MissingSection`] if it is not.
    pub fn require(&self, kind: SectionKind) -> Result<&SectionEntry, FormatError> {
        self.section(kind).ok_or(FormatError::MissingSection { kind })
    }

    /// All sections in the order of the file, unknown optional ones included.
    #[must_use]
    pub fn entries(&self) -> &[SectionEntry] {
        &self.entries
    }

    /// The trailer's checksum. It covers the checksums of everything else, so it stands for the whole file;
    /// the manifest records it.
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Verifies every section, unknown ones too. Cost: reads the whole file.
    ///
    /// # Errors
    /// [`FormatError::ChecksumMismatch`] of the first part that changed.
    pub fn verify(&self, file: &[u8]) -> Result<(), FormatError> {
        self.entries.iter().try_for_each(|entry| entry.verify(file))
    }
}

/// A trailer that agrees with the file's length and head.
struct Trailer {
    /// Where it starts.
    offset: u64,
    directory_offset: u64,
    directory_length: u64,
    directory_checksum: u64,
    checksum: u64,
}

impl Trailer {
    fn parse(file: &[u8], head_checksum: u64) -> Result<Self, FormatError> {
        let (before, bytes) = file.split_at(file.len() - TRAILER_LEN);
        let checksum = checksum::check_record(Part::Trailer, bytes)?;
        let record = RecordRef::new(&fields::LAYOUT, bytes)?;
        expect("the file length", record.u64(fields::FILE_LENGTH), file.len() as u64)?;
        expect("the checksum of the file head", record.u64(fields::HEAD_CHECKSUM), head_checksum)?;
        Ok(Self {
            offset: before.len() as u64,
            directory_offset: record.u64(fields::DIRECTORY_OFFSET),
            directory_length: record.u64(fields::DIRECTORY_LENGTH),
            directory_checksum: record.u64(fields::DIRECTORY_CHECKSUM),
            checksum,
        })
    }

    /// The verified bytes of the directory: whole entries, padded up to the trailer.
    fn directory<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], FormatError> {
        let limit = (MAX_SECTIONS * ENTRY_LEN) as u64;
        if self.directory_length > limit {
            let found = self.directory_length;
            return Err(FormatError::TooLarge { what: "the directory length", limit, found });
        }
        expect("the odd bytes of the directory", 0, self.directory_length % ENTRY_LEN as u64)?;
        let end = self.directory_offset.saturating_add(self.directory_length);
        expect("the end of the padded directory", self.offset, aligned(end).unwrap_or(u64::MAX))?;
        let bytes = &file[self.directory_offset as usize..end as usize];
        checksum::check(Part::Directory, bytes, self.directory_checksum)?;
        check_padding(file, end, self.offset)?;
        Ok(bytes)
    }
}

fn check_kinds(entries: &[SectionEntry]) -> Result<(), FormatError> {
    let mut codes: Vec<u32> = entries.iter().map(|entry| entry.kind().code()).collect();
    codes.sort_unstable();
    match codes.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(FormatError::Inconsistent {
            what: "the kind of a second section",
            expected: u64::from(pair[0]) + 1,
            found: pair[1].into(),
        }),
    }
}

/// Sections follow the head, block sums follow the sections, the directory follows the sums: each at the
/// next aligned place, with zeros before it.
fn check_places(file: &[u8], entries: &[SectionEntry], trailer: &Trailer) -> Result<(), FormatError> {
    let mut at = HEAD_LEN as u64;
    for entry in entries {
        expect("the offset of a section", at, entry.offset)?;
        let end = add(entry.offset, entry.length, trailer.offset)?;
        at = add(end, aligned(end).unwrap_or(u64::MAX) - end, trailer.offset)?;
        check_padding(file, end, at)?;
    }
    for entry in entries {
        expect("the offset of block sums", at, entry.sums_offset)?;
        at = add(at, block_count(entry.length) * SUM_LEN, trailer.offset)?;
    }
    let end = at;
    at = add(end, aligned(end).unwrap_or(u64::MAX) - end, trailer.offset)?;
    check_padding(file, end, at)?;
    expect("the offset of the directory", at, trailer.directory_offset)
}

/// `offset + length`, unless it is beyond `limit`.
fn add(offset: u64, length: u64, limit: u64) -> Result<u64, FormatError> {
    match offset.checked_add(length) {
        Some(end) if end <= limit => Ok(end),
        _ => Err(FormatError::TooLarge {
            what: "the length of a section",
            limit: limit.saturating_sub(offset),
            found: length,
        }),
    }
}

fn check_padding(file: &[u8], from: u64, to: u64) -> Result<(), FormatError> {
    match file[from as usize..to as usize].iter().find(|&&byte| byte != 0) {
        None => Ok(()),
        Some(&found) => expect("a padding byte", 0, found.into()),
    }
}

fn expect(what: &'static str, expected: u64, found: u64) -> Result<(), FormatError> {
    if expected == found { Ok(()) } else { Err(FormatError::Inconsistent { what, expected, found }) }
}
