//! One segment file, open: views on demand, each byte checked before its first use.
//!
//! A reader hands out small structs that borrow from the mapped file ([`ResidualReader`], [`DenseReader`], …).
//! Make one per query and segment, then ask it per document: making one costs a few header checks, asking costs
//! one relaxed atomic load per 64 KiB block touched, besides the bytes themselves. A damaged block is an error
//! each time it is touched, and touches nothing else.

mod checked;
mod dense;
mod lists;
mod tokens;

use std::path::{Path, PathBuf};

use self::checked::{Checked, Section};
use super::directory::{Directory, FileBytes, ReadMode};
use super::publish::io_error;
use super::{IndexError, file_name};
use crate::format::{
    ContentHashesView, ExternalIdsView, FileName, IndexSettings, MetaRecord, SectionKind, SegmentLayout,
    SegmentRecord, StoredDocument, StoredFieldsView,
};

pub use dense::{DenseReader, DenseRows, GraphReader};
pub use lists::ListsReader;
pub use tokens::{RawReader, RawRows, ResidualReader};

/// The documents of one flush, immutable.
#[derive(Debug)]
pub struct SegmentReader { /* … */ }

impl SegmentReader {
    /// The number in the file's name.
    pub fn number(&self) -> u64;
    /// Documents, deleted ones included.
    pub fn documents(&self) -> u32;
    /// Token vectors.
    pub fn tokens(&self) -> u64;
    /// The length of the file.
    pub fn bytes(&self) -> u64;
    /// What the file says about itself.
    pub fn meta(&self) -> &MetaRecord;
    /// `None` unless the index stores residual codes.
    pub fn residual(&self) -> Result<Option<ResidualReader<'_>>, IndexError>;
    /// `None` unless the index stores token vectors as numbers.
    pub fn raw(&self) -> Result<Option<RawReader<'_>>, IndexError>;
    /// `None` unless the index stores residual codes.
    pub fn lists(&self) -> Result<Option<ListsReader<'_>>, IndexError>;
    /// `None` unless the index stores dense vectors.
    pub fn dense(&self) -> Result<Option<DenseReader<'_>>, IndexError>;
    /// `None` if the segment has too few documents to need a graph.
    pub fn graph(&self) -> Result<Option<GraphReader<'_>>, IndexError>;
    pub fn external_id(&self, local: u32) -> Result<&str, IndexError>;
    pub fn find(&self, id: &str) -> Result<Option<u32>, IndexError>;
    pub fn content_hash(&self, local: u32) -> Result<u64, IndexError>;
    /// `None` unless the index stores documents.
    pub fn stored(&self, local: u32) -> Result<Option<StoredDocument>, IndexError>;
}
