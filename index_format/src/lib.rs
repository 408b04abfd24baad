#![doc = include_str!("../FORMAT.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(target_endian = "big")]
compile_error!(
    "arrays are read in place, and they are little-endian: this crate needs a little-endian target"
);

mod aligned_bytes;
mod checksum;
mod code_width;
mod envelope;
mod error;
mod file_name;
mod head;
pub mod layout;
mod manifest;
mod meta_record;
mod metadata;
mod record;
mod sections;
mod segment;
mod settings;
mod tombstones;
mod tuning;

pub use roaring::RoaringBitmap;

pub use aligned_bytes::AlignedBytes;
pub use checksum::BLOCK_LEN;
pub use code_width::CodeWidth;
pub use error::{FormatError, Part};
pub use file_name::{FileName, LOCK_NAME, manifest_name, segment_name, tombstones_name};
pub use head::{FileKind, HEAD_LEN, MAGIC, OLDEST_VERSION, VERSION};
pub use manifest::{Manifest, SegmentRecord, TombstoneRecord};
pub use meta_record::MetaRecord;
pub use metadata::MAX_METADATA_LEN;
pub use sections::*;
pub use segment::{Flags, MAX_SECTIONS, SectionEntry, SectionKind, SegmentLayout, SegmentWriter};
pub use settings::{DenseStorage, IndexSettings, MAX_DIM, ModelIdentity, TokenStorage, Words};
pub use tombstones::Tombstones;
pub use tuning::{Knob, MAX_KNOBS, MAX_TARGETS, QuerySource, TunedTarget, Tuning, WHOLE};

/// Sections, and the arrays inside them, start at multiples of this many bytes.
pub const ALIGNMENT: usize = 64;
