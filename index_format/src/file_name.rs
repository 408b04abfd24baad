//! The names of an index directory's files.

use std::fmt;

/// The file whose kernel lock the one writer holds; it is always empty.
pub const LOCK_NAME: &str = "lock";

/// A name that Lateen gives to files.
///
/// ```
/// use lateen_index_format::FileName;
/// let name = FileName::Segment(7);
/// assert_eq!(name.to_string(), "segment-00000000000000000007.lts");
/// assert_eq!(FileName::parse("segment-00000000000000000007.lts"), Some(name));
/// assert_eq!(FileName::parse("segment-7.lts"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// The manifest of a generation.
    Manifest(u64),
    /// A segment, by its number.
    Segment(u64),
    /// Tombstones, by their number.
    Tombstones(u64),
    /// The lock file.
    Lock,
}

impl FileName {
    /// Reads a name back; any other name is `None`, also one that merely looks alike.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name == LOCK_NAME {
            return Some(Self::Lock);
        }
        let (stem, extension) = name.rsplit_once('.')?;
        let (word, digits) = stem.split_once('-')?;
        if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = digits.parse().ok()?;
        match (word, extension) {
            ("manifest", "ltm") => Some(Self::Manifest(number)),
            ("segment", "lts") => Some(Self::Segment(number)),
            ("tombstones", "ltd") => Some(Self::Tombstones(number)),
            _ => None,
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(generation) => write!(f, "manifest-{generation:020}.ltm"),
            Self::Segment(number) => write!(f, "segment-{number:020}.lts"),
            Self::Tombstones(number) => write!(f, "tombstones-{number:020}.ltd"),
            Self::Lock => f.write_str(LOCK_NAME),
        }
    }
}

/// `manifest-{generation:020}.ltm`
#[must_use]
pub fn manifest_name(generation: u64) -> String {
    FileName::Manifest(generation).to_string()
}

/// `segment-{number:020}.lts`
#[must_use]
pub fn segment_name(number: u64) -> String {
    FileName::Segment(number).to_string()
}

/// `tombstones-{number:020}.ltd`
#[must_use]
pub fn tombstones_name(number: u64) -> String {
    FileName::Tombstones(number).to_string()
}
