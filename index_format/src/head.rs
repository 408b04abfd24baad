//! The first 64 bytes of every file.

use std::fmt;

use crate::checksum::{self, checksum};
use crate::error::{FormatError, Part};
use crate::layout::head as fields;
use crate::record::{RecordBuf, RecordRef};

/// The first eight bytes of every file: a byte above ASCII, `LIX`, and line ends that text copies damage.
pub const MAGIC: [u8; 8] = [0x8b, 0x4c, 0x49, 0x58, 0x0d, 0x0a, 0x1a, 0x0a];

/// The version this release writes, and the newest it reads.
pub const VERSION: u16 = 1;

/// The oldest version this release reads.
pub const OLDEST_VERSION: u16 = 1;

/// The length of a file head in bytes.
pub const HEAD_LEN: usize = fields::LAYOUT.len;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Documents of one flush or compaction.
    Segment,
    /// What belongs to one generation of an index.
    Manifest,
    /// Which documents of a segment are deleted.
    Tombstones,
}

impl FileKind {
    /// The number in the file head.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Segment => 1,
            Self::Manifest => 2,
            Self::Tombstones => 3,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Segment => "segment",
            Self::Manifest => "manifest",
            Self::Tombstones => "tombstones",
        })
    }
}

/// A file head that has been checked.
pub(crate) struct Head {
    pub(crate) body_length: u64,
    pub(crate) body_checksum: u64,
    pub(crate) checksum: u64,
}

pub(crate) fn encode(kind: FileKind, body_length: u64, body_checksum: u64) -> ([u8; HEAD_LEN], u64) {
    let record = RecordBuf::<HEAD_LEN>::new(&fields::LAYOUT)
        .set(fields::MAGIC, MAGIC)
        .set(fields::VERSION, VERSION.to_le_bytes())
        .set(fields::FILE_KIND, kind.code().to_le_bytes())
        .set(fields::BODY_LENGTH, body_length.to_le_bytes())
        .set(fields::BODY_CHECKSUM, body_checksum.to_le_bytes());
    let sum = checksum(record.before(fields::CHECKSUM));
    (record.set(fields::CHECKSUM, sum.to_le_bytes()).into_bytes(), sum)
}

/// Checks, in this order: magic, length, checksum, version, kind, reserved bytes.
///
/// The checksum comes before the version, so that a damaged version is not taken for a foreign one; every
/// version of the format keeps magic, version, kind and checksum where they are.
pub(crate) fn parse(file: &[u8], kind: FileKind) -> Result<Head, FormatError> {
    let start = file.len().min(MAGIC.len());
    if file[..start] != MAGIC[..start] {
        let mut found = [0; 8];
        found[..start].copy_from_slice(&file[..start]);
        return Err(FormatError::NotLateen { found });
    }
    let Some(bytes) = file.get(..HEAD_LEN) else {
        let (needed, have) = (HEAD_LEN as u64, file.len() as u64);
        return Err(FormatError::Truncated { what: "the file head", needed, have });
    };
    let checksum = checksum::check_record(Part::Head, bytes)?;
    check_version(u16::from_le_bytes([bytes[8], bytes[9]]))?;
    let record = RecordRef::new(&fields::LAYOUT, bytes)?;
    let found = record.u16(fields::FILE_KIND);
    if found != kind.code() {
        return Err(FormatError::WrongKind { expected: kind, found });
    }
    Ok(Head {
        body_length: record.u64(fields::BODY_LENGTH),
        body_checksum: record.u64(fields::BODY_CHECKSUM),
        checksum,
    })
}

fn check_version(found: u16) -> Result<(), FormatError> {
    if found > VERSION {
        return Err(FormatError::TooNew { found, newest: VERSION });
    }
    if found < OLDEST_VERSION {
        return Err(FormatError::TooOld { found, oldest: OLDEST_VERSION });
    }
    Ok(())
}
