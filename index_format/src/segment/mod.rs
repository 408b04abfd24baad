//! The segment file: sections, their checksums, and a directory at the end.

mod directory;
mod kind;
mod parse;
mod writer;

pub use directory::SectionEntry;
pub use kind::{Flags, SectionKind};
pub use parse::SegmentLayout;
pub use writer::SegmentWriter;

/// The most sections a segment has.
pub const MAX_SECTIONS: usize = 256;

/// The next multiple of [`ALIGNMENT`](crate::ALIGNMENT), unless it is beyond `u64`.
pub(crate) fn aligned(offset: u64) -> Option<u64> {
    offset.checked_next_multiple_of(crate::ALIGNMENT as u64)
}
