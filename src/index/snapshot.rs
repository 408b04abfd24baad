//! One commit, as it was and will be.

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::directory::{Directory, LockGuard, ReadMode};
use super::publish::io_error;
use super::{IndexError, IndexOptions, SegmentReader, file_name};
use crate::format::{
    FileName, FormatError, IndexSettings, Manifest, ModelIdentity, SegmentRecord, StoredDocument, Tombstones,
    Tuning, VERSION,
};
use crate::types::DocId;

/// How often opening starts again when commits remove what it was about to open.
const ATTEMPTS: u32 = 16;
/// No manifest is longer: a segment takes some 70 bytes of it.
const MANIFEST_LIMIT: u64 = 64 << 20;
/// A bitmap of 2³² bits and its containers' heads.
const TOMBSTONES_LIMIT: u64 = (1 << 29) + (1 << 21);

/// All documents of one commit. Later commits change nothing in it.
///
/// Documents are numbered from 0 through the segments in order, deleted ones included: a [`DocId`] is the
/// segment's [`base`](Segment::base) plus the document's number there. The numbers mean nothing in another
/// snapshot.
#[derive(Debug)]
pub struct Snapshot {
    manifest: Manifest,
    segments: Vec<Segment>,
    live: u64,
    bound: u32,
    /// Keeps the files from being collected; `None` where that is not possible.
    pin: Option<Box<dyn LockGuard>>,
}

/// A segment in a snapshot: the file, where its numbers begin, and what was deleted.
#[derive(Debug, Clone)]
pub struct Segment {
    reader: Arc<SegmentReader>,
    base: u32,
    tombstones: Arc<RoaringBitmap>,
}

impl Segment {
    /// The file.
    #[must_use]
    pub fn reader(&self) -> &SegmentReader {
        &self.reader
    }

    pub(super) fn shared_reader(&self) -> &Arc<SegmentReader> {
        &self.reader
    }

    /// The [`DocId`] of its document 0.
    #[must_use]
    pub fn base(&self) -> u32 {
        self.base
    }

    /// How many documents it holds, deleted ones included.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.reader.documents()
    }

    /// How many documents it holds that are not deleted.
    #[must_use]
    pub fn live_documents(&self) -> u32 {
        // Tombstones are checked to be below the number of documents.
        self.reader.documents() - self.tombstones.len() as u32
    }

    /// The local numbers of deleted documents.
    #[must_use]
    pub fn tombstones(&self) -> &RoaringBitmap {
        &self.tombstones
    }

    pub(super) fn shared_tombstones(&self) -> &Arc<RoaringBitmap> {
        &self.tombstones
    }

    /// Whether the document with this local number is not deleted.
    #[must_use]
    pub fn is_live(&self, local: u32) -> bool {
        self.tombstones.is_empty() || !self.tombstones.contains(local)
    }

    /// The [`DocId`] of a local number.
    #[must_use]
    pub fn doc_id(&self, local: u32) -> DocId {
        DocId(self.base + local)
    }
}

impl Snapshot {
    /// Puts segments together; `parts` are in the manifest's order.
    pub(super) fn assemble(
        manifest: Manifest,
        parts: impl IntoIterator<Item = (Arc<SegmentReader>, Arc<RoaringBitmap>)>,
    ) -> Result<Self, IndexError> {
        let mut segments = Vec::with_capacity(manifest.segments.len());
        let (mut bound, mut live) = (0_u32, 0_u64);
        for (reader, tombstones) in parts {
            let documents = reader.documents();
            live += u64::from(documents) - tombstones.len();
            segments.push(Segment { reader, base: bound, tombstones });
            bound = bound.checked_add(documents).ok_or(IndexError::TooMany {
                what: "documents",
                count: u64::from(bound) + u64::from(documents),
                max: u64::from(u32::MAX),
            })?;
        }
        Ok(Self { manifest, segments, live, bound, pin: None })
    }

    /// Opens the newest commit, sharing the open segments of `previous`.
    pub(super) fn load_newest(
        directory: &dyn Directory,
        options: IndexOptions,
        previous: Option<&Self>,
    ) -> Result<Self, IndexError> {
        let no_index = || IndexError::NoIndex { dir: directory.path().to_owned() };
        let mut generation = newest_generation(directory)?.ok_or_else(no_index)?;
        for _ in 0..ATTEMPTS {
            match Self::load(directory, generation, options, previous) {
                Err(error) if error.is_missing_file() => {
                    let newest = newest_generation(directory)?.ok_or_else(no_index)?;
                    if newest == generation {
                        return Err(error);
                    }
                    generation = newest;
                }
                result => return result,
            }
        }
        Err(IndexError::ChangedWhileOpening { dir: directory.path().to_owned(), attempts: ATTEMPTS })
    }

    fn load(
        directory: &dyn Directory,
        generation: u64,
        options: IndexOptions,
        previous: Option<&Self>,
    ) -> Result<Self, IndexError> {
        // First of all: from here on nothing that the manifest names is removed.
        let pin = pin(directory, generation)?;
        let manifest = read_manifest(directory, generation)?;
        let open: HashMap<u64, &Segment> = previous
            .map(|snapshot| {
                snapshot.segments.iter().map(|segment| (segment.reader.number(), segment)).collect()
            })
            .unwrap_or_default();
        let mut parts = Vec::with_capacity(manifest.segments.len());
        for record in &manifest.segments {
            let reader = match open.get(&record.number) {
                Some(segment) if segment.reader.identity() == record.identity => Arc::clone(&segment.reader),
                _ => Arc::new(SegmentReader::open(directory, record, &manifest.settings, options.read_mode)?),
            };
            parts.push((reader, Arc::new(read_tombstones(directory, record)?)));
        }
        Ok(Self { pin, ..Self::assemble(manifest, parts)? })
    }

    /// Keeps its files from being collected from now on. The caller holds the writer's lock.
    pub(super) fn pinned(self, directory: &dyn Directory) -> Self {
        match pin(directory, self.generation()) {
            Ok(pin) => Self { pin, ..self },
            Err(error) => {
                tracing::debug!(generation = self.generation(), %error, "the commit is not pinned");
                self
            }
        }
    }

    /// Whether writers in other processes know that the files are in use and leave them alone. Not so on file
    /// systems without locks; there, what is open stays readable if the operating system keeps removed files.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pin.is_some()
    }

    /// The number of the commit: larger is later.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.manifest.generation
    }

    /// The lowest version of the format among its segments' files; without segments, the newest.
    #[must_use]
    pub fn oldest_version(&self) -> u16 {
        self.segments.iter().map(|segment| segment.reader.version()).min().unwrap_or(VERSION)
    }

    /// What the index was created with.
    #[must_use]
    pub fn settings(&self) -> &IndexSettings {
        &self.manifest.settings
    }

    /// The model that the vectors come from.
    #[must_use]
    pub fn model(&self) -> &ModelIdentity {
        &self.manifest.model
    }

    /// What was measured about searching the index; `None` if nothing was.
    #[must_use]
    pub fn tuning(&self) -> Option<&Tuning> {
        self.manifest.tuning.as_ref()
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How many documents are there: deleted ones are not.
    #[must_use]
    pub fn documents(&self) -> u64 {
        self.live
    }

    /// Every [`DocId`] is below this; deleted documents have numbers too.
    #[must_use]
    pub fn bound(&self) -> u32 {
        self.bound
    }

    /// How many token vectors the segments hold, those of deleted documents included.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.segments.iter().map(|segment| segment.reader.tokens()).sum()
    }

    /// The segments, by ascending [`base`](Segment::base).
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Where a document is: its segment's place in [`Snapshot::segments`] and its number there.
    ///
    /// # Errors
    /// [`IndexError::NoSuchDocument`] if the number is of another snapshot.
    pub fn segment_of(&self, doc: DocId) -> Result<(usize, u32), IndexError> {
        if doc.0 >= self.bound {
            return Err(IndexError::NoSuchDocument { doc, documents: self.bound });
        }
        // Segments are never empty, so the last base that is not larger is the document's.
        let at = self.segments.partition_point(|segment| segment.base <= doc.0) - 1;
        Ok((at, doc.0 - self.segments[at].base))
    }

    /// Whether there is such a document and it is not deleted.
    #[must_use]
    pub fn is_live(&self, doc: DocId) -> bool {
        self.segment_of(doc).is_ok_and(|(at, local)| self.segments[at].is_live(local))
    }

    /// The user's name of a document, deleted or not.
    ///
    /// # Errors
    /// [`IndexError::NoSuchDocument`], or [`IndexError::Format`] if its block is damaged.
    pub fn external_id(&self, doc: DocId) -> Result<&str, IndexError> {
        let (at, local) = self.segment_of(doc)?;
        self.segments[at].reader.external_id(local)
    }

    /// The live document of this name. Cost: a binary search per segment.
    ///
    /// # Errors
    /// [`IndexError::Format`] if a block on the way is damaged.
    pub fn find(&self, id: &str) -> Result<Option<DocId>, IndexError> {
        // The newest version of a document is in one of the last segments.
        for segment in self.segments.iter().rev() {
            if let Some(local) = segment.reader.find(id)?
                && segment.is_live(local)
            {
                return Ok(Some(segment.doc_id(local)));
            }
        }
        Ok(None)
    }

    /// What people read of a document; `None` if the index stores no documents.
    ///
    /// # Errors
    /// [`IndexError::NoSuchDocument`], or [`IndexError::Format`] if its block is damaged.
    pub fn stored(&self, doc: DocId) -> Result<Option<StoredDocument>, IndexError> {
        let (at, local) = self.segment_of(doc)?;
        self.segments[at].reader.stored(local)
    }

    /// The content hash given with a document.
    ///
    /// # Errors
    /// As [`Snapshot::external_id`].
    pub fn content_hash(&self, doc: DocId) -> Result<u64, IndexError> {
        let (at, local) = self.segment_of(doc)?;
        self.segments[at].reader.content_hash(local)
    }
}

/// The number of the newest manifest that is there, by name alone.
pub(super) fn newest_generation(directory: &dyn Directory) -> Result<Option<u64>, IndexError> {
    match directory.names() {
        Ok(names) => Ok(generations(&names).max()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IndexError::Io { action: "list", path: directory.path().to_owned(), source }),
    }
}

/// The generations whose manifests are among `names`.
pub(super) fn generations(names: &[String]) -> impl Iterator<Item = u64> {
    names.iter().filter_map(|name| match FileName::parse(name) {
        Some(FileName::Manifest(generation)) => Some(generation),
        _ => None,
    })
}

fn pin(directory: &dyn Directory, generation: u64) -> Result<Option<Box<dyn LockGuard>>, IndexError> {
    let name = file_name(FileName::Manifest(generation));
    directory.pin(&name).map_err(|source| io_error(directory, "open", &name, source))
}

pub(super) fn read_manifest(directory: &dyn Directory, generation: u64) -> Result<Manifest, IndexError> {
    let name = file_name(FileName::Manifest(generation));
    let bytes = directory
        .read(&name, ReadMode::InMemory, MANIFEST_LIMIT)
        .map_err(|source| io_error(directory, "read", &name, source))?;
    let file = || directory.path().join(&name);
    let manifest = Manifest::decode(&bytes).map_err(|source| IndexError::Format { file: file(), source })?;
    if manifest.generation != generation {
        return Err(IndexError::WrongFile {
            file: file(),
            what: "its generation",
            expected: generation,
            found: manifest.generation,
        });
    }
    Ok(manifest)
}

/// The deleted documents of a segment, all of them below its number of documents.
pub(super) fn read_tombstones(
    directory: &dyn Directory,
    record: &SegmentRecord,
) -> Result<RoaringBitmap, IndexError> {
    let Some(tombstones) = &record.tombstones else {
        return Ok(RoaringBitmap::new());
    };
    let name = file_name(FileName::Tombstones(tombstones.number));
    let bytes = directory
        .read(&name, ReadMode::InMemory, TOMBSTONES_LIMIT)
        .map_err(|source| io_error(directory, "read", &name, source))?;
    let file = || directory.path().join(&name);
    let format = |source: FormatError| IndexError::Format { file: file(), source };
    let wrong = |what, expected: u64, found: u64| {
        let file = file();
        if expected == found { Ok(()) } else { Err(IndexError::WrongFile { file, what, expected, found }) }
    };
    let found = Tombstones::decode(&bytes).map_err(format)?;
    wrong("its checksum", tombstones.checksum, Tombstones::identity(&bytes).map_err(format)?)?;
    wrong("its segment", record.number, found.segment)?;
    wrong("its segment's number of documents", record.documents.into(), found.documents.into())?;
    wrong("its number of documents", tombstones.deleted.into(), found.deleted.len())?;
    Ok(found.deleted)
}
