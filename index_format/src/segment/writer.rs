//! Writes a segment file front to back.

use std::io::{self, Write};

use super::directory::{SUM_LEN, SectionEntry};
use super::{Flags, MAX_SECTIONS, SectionKind, aligned};
use crate::ALIGNMENT;
use crate::checksum::{BlockSums, checksum};
use crate::error::FormatError;
use crate::head::{self, FileKind, HEAD_LEN};
use crate::layout::trailer as fields;
use crate::record::RecordBuf;

const TRAILER_LEN: usize = fields::LAYOUT.len;

/// Streams a segment into any sink, without seeking.
///
/// Between [`begin`](Self::begin) and [`end`](Self::end) it is itself a sink, for the section's bytes; hand it
/// to the `write_*` functions. Memory: 8 bytes per [`BLOCK_LEN`](crate::BLOCK_LEN) written. After a failed
/// write every further call fails: the file is to be given up. A file without
/// [`finish`](Self::finish) has no trailer and is refused by readers.
///
/// ```
/// use std::io::Write;
/// use lateen_index_format::{Flags, SectionKind, SegmentLayout, SegmentWriter};
/// let mut writer = SegmentWriter::new(Vec::new())?;
/// writer.begin(SectionKind::Scales, Flags::OPTIONAL)?;
/// writer.write_all(&[1, 2, 3])?;
/// writer.end()?;
/// let (file, identity) = writer.finish()?;
///
/// let layout = SegmentLayout::parse(&file)?;
/// assert_eq!(layout.identity(), identity);
/// let entry = layout.require(SectionKind::Scales)?;
/// entry.verify(&file)?;
/// assert_eq!(&file[entry.range()], &[1, 2, 3]);
/// # Ok::<(), lateen_index_format::FormatError>(())
/// ```
pub struct SegmentWriter<W: Write> {
    sink: W,
    at: u64,
    head_checksum: u64,
    state: State,
    /// Finished sections; `sums_offset` is not known before `finish`.
    entries: Vec<(SectionEntry, Vec<u64>)>,
}

enum State {
    Between,
    Inside { kind: SectionKind, flags: Flags, start: u64, sums: Box<BlockSums> },
    Failed,
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Between => "between sections",
            Self::Inside { .. } => "inside a section",
            Self::Failed => "given up after a failed write",
        }
    }
}

impl<W: Write> SegmentWriter<W> {
    /// Writes the file head.
    ///
    /// # Errors
    /// [`FormatError::Io`] if the sink refuses it.
    pub fn new(sink: W) -> Result<Self, FormatError> {
        let (head, head_checksum) = head::encode(FileKind::Segment, 0, 0);
        let mut writer = Self { sink, at: 0, head_checksum, state: State::Between, entries: Vec::new() };
        writer.put(&head)?;
        Ok(writer)
    }

    /// Starts a section; what is written from now on is its content.
    ///
    /// # Errors
    /// [`FormatError::WriterState`] inside a section, [`FormatError::Inconsistent`] if the kind was written
    /// before, [`FormatError::TooLarge`] at [`MAX_SECTIONS`].
    pub fn begin(&mut self, kind: SectionKind, flags: Flags) -> Result<(), FormatError> {
        self.expect_between("begin a section")?;
        let kind = SectionKind::from_code(kind.code());
        let code = u64::from(kind.code());
        if self.entries.iter().any(|(entry, _)| entry.kind == kind) {
            let what = "the kind of a second section";
            return Err(FormatError::Inconsistent { what, expected: code + 1, found: code });
        }
        if self.entries.len() == MAX_SECTIONS {
            let limit = MAX_SECTIONS as u64;
            return Err(FormatError::TooLarge { what: "the number of sections", limit, found: limit + 1 });
        }
        self.state = State::Inside { kind, flags, start: self.at, sums: Box::default() };
        Ok(())
    }

    /// Ends the section and pads the file to the next aligned place.
    ///
    /// # Errors
    /// [`FormatError::WriterState`] outside a section, [`FormatError::Io`] if the sink refuses the padding.
    pub fn end(&mut self) -> Result<(), FormatError> {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Inside { kind, flags, start, sums } => {
                let sums = sums.finish();
                let entry = SectionEntry {
                    kind,
                    flags,
                    offset: start,
                    length: self.at - start,
                    sums_offset: 0,
                    sums_checksum: checksum(&sum_bytes(&sums)),
                };
                self.entries.push((entry, sums));
                self.pad()
            }
            state => {
                let error = FormatError::WriterState { attempted: "end a section", state: state.name() };
                self.state = state;
                Err(error)
            }
        }
    }

    /// Writes block sums, directory and trailer; returns the sink and the segment's identity
    /// ([`SegmentLayout::identity`](super::SegmentLayout::identity)).
    ///
    /// # Errors
    /// [`FormatError::WriterState`] inside a section, [`FormatError::Io`] if the sink refuses the bytes.
    pub fn finish(mut self) -> Result<(W, u64), FormatError> {
        self.expect_between("finish")?;
        let mut directory = Vec::new();
        for (mut entry, sums) in std::mem::take(&mut self.entries) {
            entry.sums_offset = self.at;
            debug_assert_eq!(sums.len() * SUM_LEN as usize, sum_bytes(&sums).len());
            self.put(&sum_bytes(&sums))?;
            directory.extend_from_slice(&entry.encode());
        }
        self.pad()?;
        let directory_offset = self.at;
        self.put(&directory)?;
        self.pad()?;
        let record = RecordBuf::<TRAILER_LEN>::new(&fields::LAYOUT)
            .set(fields::DIRECTORY_OFFSET, directory_offset.to_le_bytes())
            .set(fields::DIRECTORY_LENGTH, (directory.len() as u64).to_le_bytes())
            .set(fields::DIRECTORY_CHECKSUM, checksum(&directory).to_le_bytes())
            .set(fields::FILE_LENGTH, (self.at + TRAILER_LEN as u64).to_le_bytes())
            .set(fields::HEAD_CHECKSUM, self.head_checksum.to_le_bytes());
        let identity = checksum(record.before(fields::CHECKSUM));
        self.put(&record.set(fields::CHECKSUM, identity.to_le_bytes()).into_bytes())?;
        self.sink.flush()?;
        Ok((self.sink, identity))
    }

    /// Bytes written so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at
    }

    fn expect_between(&self, attempted: &'static str) -> Result<(), FormatError> {
        match &self.state {
            State::Between => Ok(()),
            state => Err(FormatError::WriterState { attempted, state: state.name() }),
        }
    }

    fn pad(&mut self) -> Result<(), FormatError> {
        let padding = aligned(self.at).map_or(0, |end| end - self.at) as usize;
        self.put(&[0; ALIGNMENT][..padding])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        if let Err(error) = self.sink.write_all(bytes) {
            self.state = State::Failed;
            return Err(error.into());
        }
        self.at += bytes.len() as u64;
        Ok(())
    }
}

impl<W: Write> Write for SegmentWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let State::Inside { sums, .. } = &mut self.state else {
            let (attempted, state) = ("write", self.state.name());
            return Err(io::Error::other(FormatError::WriterState { attempted, state }));
        };
        match self.sink.write(bytes) {
            Ok(count) => {
                // A sink that claims more than it was given is broken; counting no more keeps this sound.
                let count = count.min(bytes.len());
                sums.update(&bytes[..count]);
                self.at += count as u64;
                Ok(count)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.state = State::Failed;
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

fn sum_bytes(sums: &[u64]) -> Vec<u8> {
    sums.iter().flat_map(|sum| sum.to_le_bytes()).collect()
}

const _: () = assert!(HEAD_LEN.is_multiple_of(ALIGNMENT), "the first section is aligned");
