//! Why bytes are refused, or could not be written.

use std::fmt;

use crate::{FileKind, SectionKind};

/// A part of a file that carries a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The first 64 bytes of a file.
    Head,
    /// All of a manifest or tombstones file after its head.
    Body(FileKind),
    /// The last 64 bytes of a segment file: damaged, or the file was cut short.
    Trailer,
    /// The list of a segment's sections.
    Directory,
    /// The block sums of a section.
    BlockSums(SectionKind),
    /// One block of a section, counted from 0, [`BLOCK_LEN`](crate::BLOCK_LEN) bytes each but the last.
    Block(SectionKind, usize),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => write!(f, "the file head"),
            Self::Body(kind) => write!(f, "the body of the {kind} file"),
            Self::Trailer => write!(f, "the segment trailer (or the file was cut short)"),
            Self::Directory => write!(f, "the section directory"),
            Self::BlockSums(section) => write!(f, "the block sums of section {section}"),
            Self::Block(section, block) => write!(f, "block {block} of section {section}"),
        }
    }
}

/// Why bytes are no Lateen file, or values cannot become one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Some other program's file, or damaged in its first bytes: check the path.
    #[error("not a Lateen file: it starts with {found:02x?}")]
    NotLateen {
        /// The first eight bytes.
        found: [u8; 8],
    },
    /// A Lateen file of another kind was given this name: restore the index directory from a copy.
    #[error("expected a {expected} file, found file kind {found}")]
    WrongKind {
        /// What was asked for.
        expected: FileKind,
        /// The kind in the file's head.
        found: u16,
    },
    /// Written by an older release than this one reads: build the index again, or upgrade it step by step.
    #[error("format version {found} is older than the oldest readable one, {oldest}")]
    TooOld {
        /// The version of the file.
        found: u16,
        /// The oldest version this release reads.
        oldest: u16,
    },
    /// Written by a newer release: open it with that one, or build the index again.
    #[error("format version {found} is newer than the newest readable one, {newest}")]
    TooNew {
        /// The version of the file.
        found: u16,
        /// The newest version this release reads.
        newest: u16,
    },
    /// The file ends early: copy it again, or restore it.
    #[error("{what} needs {needed} bytes, only {have} are there")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes that are there.
        have: u64,
    },
    /// The bytes changed after they were written: restore the file from a copy.
    #[error("{part} has checksum {found:016x}, expected {expected:016x}")]
    ChecksumMismatch {
        /// Which bytes.
        part: Part,
        /// The checksum on record.
        expected: u64,
        /// The checksum of the bytes as they are.
        found: u64,
    },
    /// The segment cannot be understood without a section that only newer releases know: use such a one.
    #[error("section kind {kind} is required and unknown to this release")]
    UnknownRequiredSection {
        /// The section's number.
        kind: u32,
    },
    /// The segment was built without this section: search it in another way, or build it again.
    #[error("the segment has no section {kind}")]
    MissingSection {
        /// The section asked for.
        kind: SectionKind,
    },
    /// Two facts contradict each other: made by a faulty writer, or tampered with. Build the index again.
    /// From a writer: the caller's values contradict each other.
    #[error("{what} is {found}, expected {expected}")]
    Inconsistent {
        /// The fact in question.
        what: &'static str,
        /// What the other facts demand; of a bound, the bound.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// Over a limit of the format: split the data into more segments or smaller documents.
    /// From a reader: made by a faulty writer, or tampered with.
    #[error("{what} is {found}; at most {limit} is possible")]
    TooLarge {
        /// The quantity.
        what: &'static str,
        /// The largest possible value.
        limit: u64,
        /// The value.
        found: u64,
    },
    /// A number is a NaN, an infinity or out of its range: from a writer, check the vectors given.
    /// From a reader: made by a faulty writer, or tampered with.
    #[error("{what} is {found}")]
    BadNumber {
        /// The quantity.
        what: &'static str,
        /// Its value.
        found: f32,
    },
    /// Nothing has this number here: ask within bounds. If the number came from another section, the two
    /// contradict each other.
    #[error("there is no {what} {index}, only {len} of them")]
    OutOfRange {
        /// What was asked for.
        what: &'static str,
        /// Its number, from 0.
        index: u64,
        /// How many there are.
        len: u64,
    },
    /// The caller's buffer starts at an odd address: map the file, or hold it in
    /// [`AlignedBytes`](crate::AlignedBytes).
    #[error("{what} is not aligned to {alignment} bytes in memory")]
    Misaligned {
        /// The array.
        what: &'static str,
        /// The alignment its numbers need.
        alignment: usize,
    },
    /// A string is not UTF-8: made by a faulty writer, or tampered with.
    #[error("{what} of document {document} is not UTF-8")]
    NotUtf8 {
        /// The string.
        what: &'static str,
        /// The document it belongs to.
        document: u32,
    },
    /// Ids are 1 to 512 bytes long: give this document another.
    #[error("the id of document {document} has {length} bytes; 1 to {} are possible", crate::MAX_ID_LEN)]
    BadId {
        /// The document.
        document: u32,
        /// The length of its id in bytes.
        length: usize,
    },
    /// Terms are 1 to 512 bytes of UTF-8 in ascending order: whoever wrote this one wrote it wrongly.
    #[error("term {term} has {length} bytes and is none, or stands in the wrong place")]
    BadTerm {
        /// The place of the term in the order.
        term: u32,
        /// Its length in bytes.
        length: usize,
    },
    /// Two documents of one segment have the same id: keep one.
    #[error("documents {first} and {second} have the same id")]
    DuplicateId {
        /// The document with the smaller number.
        first: u32,
        /// The other.
        second: u32,
    },
    /// A metadata record does not decode: made by a faulty writer, or tampered with.
    #[error("{what} does not decode")]
    Record {
        /// The record.
        what: &'static str,
        /// What the decoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A compressed block does not decompress: made by a faulty writer, or tampered with.
    #[error("{what} does not decompress")]
    Compression {
        /// The block.
        what: &'static str,
        /// What the decompressor says.
        source: std::io::Error,
    },
    /// A section was begun before the last one ended, or bytes came outside any section, or after a failed
    /// write: a mistake in the calling program, or give the half-written file up.
    #[error("the segment writer cannot {attempted} while it is {state}")]
    WriterState {
        /// The call.
        attempted: &'static str,
        /// What the writer is in the middle of.
        state: &'static str,
    },
    /// The sink refused the bytes: free space, check the device, write the file again under a new name.
    #[error("writing failed")]
    Io(#[from] std::io::Error),
}
