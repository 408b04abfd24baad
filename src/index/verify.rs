//! Reads an index and says everything that is wrong with it, not only the first thing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use roaring::RoaringBitmap;

use super::content::lists_nearest;
use super::directory::{Directory, FileDirectory, ReadMode};
use super::snapshot::{newest_generation, read_manifest, read_tombstones};
use super::{IndexError, ListsReader, ResidualReader, SegmentReader, file_name};
use crate::format::{
    ContentHashesView, ExternalIdsView, FileName, FormatError, GraphLinksView, IndexSettings,
    InvertedListsView, Manifest, SectionKind, SegmentRecord, StoredFieldsView, TermsView, TokenOffsetsView,
};

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyLevel {
    /// The manifest, and of each segment its head, its directory and its metadata; the tombstones.
    Quick,
    /// Every byte: all checksums, all offsets, ids in order and without repeats, within segments and between
    /// them, lists that agree with the codes, links, compressed blocks.
    #[default]
    Full,
}

/// What [`verify`] found.
#[derive(Debug)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The commit that was read.
    pub generation: u64,
    /// How much was read.
    pub level: VerifyLevel,
    /// Files read.
    pub files: u64,
    /// Bytes of the segments read.
    pub bytes: u64,
    /// Everything that is wrong; empty if the index is whole.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
}

/// One thing that is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finding {
    /// In which file.
    pub file: PathBuf,
    /// In which section, where it can be told.
    pub section: Option<SectionKind>,
    /// What.
    pub problem: Problem,
}

/// What can be wrong beyond the reach of a checksum, or by one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be read, or is not what its manifest names.
    #[error(transparent)]
    File(Box<IndexError>),
    /// The section's bytes changed, or were written wrongly.
    #[error(transparent)]
    Section(#[from] FormatError),
    /// The inverted list of a centroid is not what the tokens' centroids make it.
    #[error("the list of centroid {centroid} is not what the codes say")]
    ListDiffers {
        /// The first such centroid.
        centroid: u32,
    },
    /// A document with tokens is in no list, one without in some, or one in more lists than it has tokens.
    #[error("document {document} is in {lists} lists and has {tokens} tokens")]
    ListsOfDocument {
        /// The first such document, by its number in the segment.
        document: u32,
        /// How many lists name it.
        lists: u32,
        /// How many tokens it has.
        tokens: u32,
    },
    /// A token's number is NaN or infinite.
    #[error("token {token} is not finite")]
    NotFinite {
        /// The first such token.
        token: u64,
    },
    /// Two live documents have one id.
    #[error("the id {id:?} is live in {} too", other.display())]
    LiveTwice {
        /// The id.
        id: String,
        /// The other file.
        other: PathBuf,
    },
}

/// Reads the newest commit of the index in the directory `path`.
///
/// # Errors
/// [`IndexError::NoIndex`], or the error of a manifest that cannot be read: without it nothing is known.
pub fn verify(path: &Path, level: VerifyLevel) -> Result<VerifyReport, IndexError> {
    verify_in(&FileDirectory::new(path), level)
}

/// As [`verify`], in any [`Directory`].
///
/// # Errors
/// As [`verify`].
pub fn verify_in(directory: &dyn Directory, level: VerifyLevel) -> Result<VerifyReport, IndexError> {
    let generation = newest_generation(directory)?
        .ok_or_else(|| IndexError::NoIndex { dir: directory.path().to_owned() })?;
    Ok(verify_manifest(directory, &read_manifest(directory, generation)?, level))
}

/// Reads what a manifest names.
pub(super) fn verify_manifest(
    directory: &dyn Directory,
    manifest: &Manifest,
    level: VerifyLevel,
) -> VerifyReport {
    let generation = manifest.generation;
    let mut report = VerifyReport { generation, level, files: 1, bytes: 0, findings: Vec::new() };
    let mut live_ids = HashMap::new();
    for record in &manifest.segments {
        let tombstones = report.tombstones(directory, record);
        if let Some(reader) = report.open(directory, record, &manifest.settings)
            && level == VerifyLevel::Full
        {
            report.segment(&reader);
            if let Some(tombstones) = tombstones {
                report.ids_between_segments(&reader, &tombstones, &mut live_ids);
            }
        }
    }
    report
}

/// What is wrong with an open segment.
pub(super) fn check_segment(reader: &SegmentReader, level: VerifyLevel) -> Vec<Finding> {
    let mut report = VerifyReport { generation: 0, level, files: 0, bytes: 0, findings: Vec::new() };
    if level == VerifyLevel::Full {
        report.segment(reader);
    }
    report.findings
}

impl VerifyReport {
    /// The deleted documents, `None` if they are not known.
    fn tombstones(&mut self, directory: &dyn Directory, record: &SegmentRecord) -> Option<RoaringBitmap> {
        let Some(tombstones) = record.tombstones else {
            return Some(RoaringBitmap::new());
        };
        self.files += 1;
        let file = directory.path().join(file_name(FileName::Tombstones(tombstones.number)));
        match read_tombstones(directory, record) {
            Ok(deleted) => Some(deleted),
            Err(error) => {
                self.find(file, None, Problem::File(Box::new(error)));
                None
            }
        }
    }

    fn open(
        &mut self,
        directory: &dyn Directory,
        record: &SegmentRecord,
        settings: &IndexSettings,
    ) -> Option<SegmentReader> {
        self.files += 1;
        self.bytes += record.bytes;
        match SegmentReader::open(directory, record, settings, ReadMode::Auto) {
            Ok(reader) => Some(reader),
            Err(error) => {
                let file = directory.path().join(file_name(FileName::Segment(record.number)));
                self.find(file, None, Problem::File(Box::new(error)));
                None
            }
        }
    }

    /// Every block, then the content of every section whose blocks are whole.
    fn segment(&mut self, reader: &SegmentReader) {
        let mut whole = Vec::new();
        for entry in reader.entries() {
            let (kind, before) = (entry.kind(), self.findings.len());
            self.note(reader, kind, entry.verify_sums(reader.file()).map_err(Problem::from));
            for block in 0..entry.block_count() {
                self.note(reader, kind, entry.verify_block(reader.file(), block).map_err(Problem::from));
            }
            if self.findings.len() == before {
                whole.push((kind, &reader.file()[entry.range()]));
            }
        }
        for &(kind, bytes) in &whole {
            self.note(reader, kind, check_section(kind, bytes).map_err(Problem::from));
        }
        // What spans several sections makes sense only if they are all there.
        if whole.len() == reader.entries().len() {
            for (kind, check) in CROSS_CHECKS {
                self.note(reader, *kind, check(reader));
            }
        }
    }

    fn ids_between_segments(
        &mut self,
        reader: &SegmentReader,
        tombstones: &RoaringBitmap,
        live: &mut HashMap<String, PathBuf>,
    ) {
        for local in (0..reader.documents()).filter(|&local| !tombstones.contains(local)) {
            // A damaged id was found already.
            let Ok(id) = reader.external_id(local) else { continue };
            if let Some(other) = live.insert(id.to_owned(), reader.path().to_owned()) {
                let problem = Problem::LiveTwice { id: id.to_owned(), other };
                self.find(reader.path().to_owned(), Some(SectionKind::ExternalIds), problem);
            }
        }
    }

    fn note(&mut self, reader: &SegmentReader, section: SectionKind, result: Result<(), Problem>) {
        if let Err(problem) = result {
            self.find(reader.path().to_owned(), Some(section), problem);
        }
    }

    fn find(&mut self, file: PathBuf, section: Option<SectionKind>, problem: Problem) {
        self.findings.push(Finding { file, section, problem });
    }
}

/// What a section can be asked by itself.
fn check_section(kind: SectionKind, bytes: &[u8]) -> Result<(), FormatError> {
    match kind {
        SectionKind::TokenOffsets => TokenOffsetsView::new(bytes)?.check(),
        SectionKind::Codec => crate::format::CodecView::new(bytes)?.check(),
        SectionKind::InvertedLists => InvertedListsView::new(bytes)?.check(),
        SectionKind::GraphLinks => GraphLinksView::new(bytes)?.check(),
        SectionKind::ExternalIds => ExternalIdsView::new(bytes)?.check(),
        SectionKind::ContentHashes => ContentHashesView::new(bytes).map(drop),
        SectionKind::StoredFields => StoredFieldsView::new(bytes)?.check(),
        SectionKind::Terms => TermsView::new(bytes)?.check(),
        _ => Ok(()),
    }
}

type CrossCheck = fn(&SegmentReader) -> Result<(), Problem>;

/// What sections must agree on, blamed on the one named.
const CROSS_CHECKS: &[(SectionKind, CrossCheck)] = &[
    (SectionKind::InvertedLists, check_lists),
    (SectionKind::RawTokens, check_raw),
    (SectionKind::DenseVectors, |reader| reader.dense().map(drop).map_err(file_problem)),
    (SectionKind::GraphLinks, |reader| reader.graph().map(drop).map_err(file_problem)),
    (SectionKind::ContentHashes, |reader| reader.content_hash(0).map(drop).map_err(file_problem)),
    (SectionKind::Terms, |reader| reader.terms().map(drop).map_err(file_problem)),
    (SectionKind::StoredFields, |reader| reader.stored(0).map(drop).map_err(file_problem)),
];

fn file_problem(error: IndexError) -> Problem {
    match error {
        IndexError::Format { source, .. } => Problem::Section(source),
        error => Problem::File(Box::new(error)),
    }
}

/// Each list names exactly the documents that have a token at its centroid, unless lists go by the nearest one.
fn check_lists(reader: &SegmentReader) -> Result<(), Problem> {
    let (Some(residual), Some(lists)) =
        (reader.residual().map_err(file_problem)?, reader.lists().map_err(file_problem)?)
    else {
        return Ok(());
    };
    let centroids = residual.codec().centroid_count();
    if lists.centroids() != centroids {
        return Err(Problem::ListDiffers { centroid: centroids.min(lists.centroids()) });
    }
    if lists_nearest(reader) {
        return check_nearest(reader, residual, lists);
    }
    // A sum per list that depends on which documents it has, in their order: the lists need no second copy.
    let mut expected = vec![0_u64; centroids as usize];
    let mut last = vec![u32::MAX; centroids as usize];
    for document in 0..reader.documents() {
        let tokens = residual.document(document).map_err(file_problem)?;
        for token in 0..tokens.len() {
            let centroid = tokens.centroid(token) as usize;
            if std::mem::replace(&mut last[centroid], document) != document {
                expected[centroid] = mix(expected[centroid], document);
            }
        }
    }
    for (centroid, expected) in (0..).zip(expected) {
        let mut found = 0;
        lists.for_each(centroid, |document| found = mix(found, document)).map_err(file_problem)?;
        if found != expected {
            return Err(Problem::ListDiffers { centroid });
        }
    }
    Ok(())
}

/// Lists by the nearest centroid need not be those of the codes; still a document is in at least one and at most as many as it has
/// tokens.
fn check_nearest(
    reader: &SegmentReader,
    residual: ResidualReader<'_>,
    lists: ListsReader<'_>,
) -> Result<(), Problem> {
    let mut listed = vec![0_u32; reader.documents() as usize];
    for centroid in 0..lists.centroids() {
        // A reader hands over only documents that there are.
        lists.for_each(centroid, |document| listed[document as usize] += 1).map_err(file_problem)?;
    }
    for (document, lists) in (0..).zip(listed) {
        let tokens = residual.rows(document..document + 1).map_err(file_problem)?.len() as u32;
        if lists > tokens || (lists == 0) != (tokens == 0) {
            return Err(Problem::ListsOfDocument { document, lists, tokens });
        }
    }
    Ok(())
}

fn mix(sum: u64, document: u32) -> u64 {
    (sum.rotate_left(23) ^ (u64::from(document) + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn check_raw(reader: &SegmentReader) -> Result<(), Problem> {
    let Some(raw) = reader.raw().map_err(file_problem)? else {
        return Ok(());
    };
    for document in 0..reader.documents() {
        let rows = raw.rows(document..document + 1).map_err(file_problem)?;
        let first = rows.start as u64;
        let bad = match raw.tokens(rows).map_err(file_problem)? {
            super::RawRows::F16(values) => values.iter().position(|value| !value.is_finite()),
            super::RawRows::F32(values) => values.iter().position(|value| !value.is_finite()),
        };
        if let Some(at) = bad {
            return Err(Problem::NotFinite { token: first + (at / raw.dim()) as u64 });
        }
    }
    Ok(())
}
