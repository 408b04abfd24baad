//! One segment file, open: views on demand, each byte checked before its first use.
//!
//! A reader hands out small structs that borrow from the mapped file ([`ResidualReader`], [`DenseReader`], …).
//! Make one per query and segment, then ask it per document: making one costs a few header checks, asking
//! costs one relaxed atomic load per 64 KiB block touched, besides the bytes themselves. A damaged block is an
//! error each time it is touched, and hides nothing else.

mod checked;
mod dense;
mod lists;
mod records;
mod terms;
mod tokens;

use std::path::{Path, PathBuf};

use self::checked::{Checked, Section};
use super::directory::{Directory, FileBytes, ReadMode};
use super::publish::io_error;
use super::{IndexError, file_name};
use crate::format::{
    DenseStorage, FileName, FormatError, IndexSettings, MetaRecord, SectionEntry, SectionKind, SegmentLayout,
    SegmentRecord, TokenStorage,
};

pub use dense::{DenseReader, DenseRows, GraphReader, GraphWalk};
pub use lists::ListsReader;
pub use terms::TermsReader;
pub use tokens::{RawReader, RawRows, ResidualReader};

/// The documents of one flush, immutable, numbered from 0.
#[derive(Debug)]
pub struct SegmentReader {
    path: PathBuf,
    file: FileBytes,
    identity: u64,
    number: u64,
    meta: MetaRecord,
    settings: IndexSettings,
    /// One per section of the file.
    sections: Vec<Checked>,
}

impl SegmentReader {
    /// Opens the file that `record` names. Cost: a mapping, the directory of sections and the metadata.
    pub(super) fn open(
        directory: &dyn Directory,
        record: &SegmentRecord,
        settings: &IndexSettings,
        mode: ReadMode,
    ) -> Result<Self, IndexError> {
        let name = file_name(FileName::Segment(record.number));
        let path = directory.path().join(&name);
        let file = directory
            .read(&name, mode, u64::MAX)
            .map_err(|source| io_error(directory, "open", &name, source))?;
        let wrong = |what, expected, found| {
            let file = path.clone();
            if expected == found {
                Ok(())
            } else {
                Err(IndexError::WrongFile { file, what, expected, found })
            }
        };
        let format = |source| IndexError::Format { file: path.clone(), source };
        // The layout first: of a foreign file its kind and version say more than its length.
        let layout = SegmentLayout::parse(&file).map_err(format)?;
        wrong("its length", record.bytes, file.len() as u64)?;
        wrong("its identity", record.identity, layout.identity())?;
        let sections: Vec<Checked> = layout.entries().iter().cloned().map(Checked::new).collect();
        let meta = read_meta(&path, &file, &sections)?;
        wrong("its number of documents", record.documents.into(), meta.documents.into())?;
        wrong("its number of tokens", record.tokens, meta.tokens)?;
        if meta.documents == 0 {
            let source = FormatError::Inconsistent { what: "the number of documents", expected: 1, found: 0 };
            return Err(format(source));
        }
        let reader = Self {
            number: record.number,
            identity: record.identity,
            settings: settings.clone(),
            path,
            file,
            meta,
            sections,
        };
        reader.check_sections()?;
        Ok(reader)
    }

    /// Every section that the settings ask for has to be there.
    fn check_sections(&self) -> Result<(), IndexError> {
        let settings = &self.settings;
        let residual = self.is_coded();
        let tokens = settings.token_storage != TokenStorage::None;
        let needed = [
            (SectionKind::TokenOffsets, tokens),
            (SectionKind::Codec, residual),
            (SectionKind::CentroidIds, residual),
            (SectionKind::Codes, residual),
            (SectionKind::Scales, residual),
            (SectionKind::InvertedLists, residual),
            (SectionKind::RawTokens, tokens && !residual),
            (SectionKind::DenseVectors, settings.dense_storage != DenseStorage::None),
            (SectionKind::ExternalIds, true),
            (SectionKind::ContentHashes, true),
            (SectionKind::StoredFields, settings.store_documents),
        ];
        needed
            .into_iter()
            .filter(|&(_, needed)| needed)
            .try_for_each(|(kind, _)| self.require(kind).map(drop))
    }

    /// Whether token vectors are residual codes. In an index of residual codes, small segments hold them in half
    /// precision until they are merged.
    #[must_use]
    pub fn is_coded(&self) -> bool {
        let residual = self.settings.token_storage.code_width().is_some();
        residual && self.section(SectionKind::RawTokens).is_none()
    }

    /// Whether its token vectors are to become codes when it is merged.
    pub(super) fn awaits_coding(&self) -> bool {
        self.settings.token_storage.code_width().is_some() && !self.is_coded()
    }

    /// The number in the file's name.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the file is mapped, rather than read into memory.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(self.file, FileBytes::Mapped(_))
    }

    /// The version of the format that the file is written in.
    #[must_use]
    pub fn version(&self) -> u16 {
        // The file was opened, so there is a whole head, with the version where every version has it.
        u16::from_le_bytes([self.file[8], self.file[9]])
    }

    /// The checksum that stands for the whole file.
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many documents it holds, deleted ones included: at least one.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.meta.documents
    }

    /// How many token vectors it holds.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.meta.tokens
    }

    /// The length of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.file.len() as u64
    }

    /// What the file says about itself.
    #[must_use]
    pub fn meta(&self) -> &MetaRecord {
        &self.meta
    }

    /// The sections, in the order of the file.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &SectionEntry> {
        self.sections.iter().map(Checked::entry)
    }

    pub(super) fn file(&self) -> &[u8] {
        &self.file
    }

    fn section(&self, kind: SectionKind) -> Option<Section<'_>> {
        let checked = self.sections.iter().find(|checked| checked.entry().kind() == kind)?;
        Some(Section::new(&self.path, &self.file, checked))
    }

    fn require(&self, kind: SectionKind) -> Result<Section<'_>, IndexError> {
        self.section(kind).ok_or_else(|| self.format_error(FormatError::MissingSection { kind }))
    }

    fn format_error(&self, source: FormatError) -> IndexError {
        IndexError::Format { file: self.path.clone(), source }
    }

    /// Two sections that count the same things have to agree.
    fn expect(&self, what: &'static str, expected: u64, found: u64) -> Result<(), IndexError> {
        if expected == found {
            return Ok(());
        }
        Err(self.format_error(FormatError::Inconsistent { what, expected, found }))
    }
}

fn read_meta(path: &Path, file: &FileBytes, sections: &[Checked]) -> Result<MetaRecord, IndexError> {
    let format = |source| IndexError::Format { file: path.to_owned(), source };
    let kind = SectionKind::Meta;
    let checked = sections.iter().find(|checked| checked.entry().kind() == kind);
    let section =
        Section::new(path, file, checked.ok_or_else(|| format(FormatError::MissingSection { kind }))?);
    section.touch_all()?;
    MetaRecord::decode(section.bytes()).map_err(format)
}
