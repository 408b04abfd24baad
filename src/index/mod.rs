//! Segments over time: one writer, any number of snapshots, atomic commits.
//!
//! An index is a directory of immutable files. A *segment* holds the documents of one flush; a *manifest* per
//! generation names the segments and, for each, a *tombstone* file with the documents deleted since.
//!
//! ```text
//! Writer::add ─ buffer ─ flush ─▶ segment-7 ┐
//! Writer::delete ───────────────▶ tombstones-8 ├─ all synced ─▶ manifest-3 ─▶ Snapshot (generation 3)
//!                                segment-2 ┘                 manifest-2 ─▶ Snapshot (generation 2)
//! ```
//!
//! * **A commit is one rename.** Everything a manifest names is on stable storage before the manifest itself
//!   is written, synced, renamed into place, and the directory synced. What [`Writer::commit`] acknowledged
//!   survives a power cut; what it did not is either there as a whole or not at all.
//! * **Nothing is changed in place.** Numbers are never used twice, files are only added and unlinked, so a
//!   [`Snapshot`] reads the same answers for as long as it lives.
//! * **Tokens can be pooled** while a segment is built ([`WriterOptions::pooling`]); what was pooled is recorded in the segment.
//! * **One writer**, by a lock of the kernel that dies with its process. Readers write nothing; they share a lock on
//!   the manifest they read, so that no writer, in whatever process, removes what they have open.
//! * **Merging** keeps segments few and free of deleted documents ([`MergePolicy`]), and never codes a vector twice.
//! * **Opening is cheap**: a manifest, and per segment a mapping, three small checks and the tombstones. No list
//!   is copied to the heap.
//! * **Damage is found, not served**: each 64 KiB block of a segment is compared with its checksum when it is
//!   first touched, and once only ([`SegmentReader`]).

mod backup;
mod buffer;
mod build;
mod cancel;
mod content;
mod current;
pub mod directory;
mod document;
mod error;
mod garbage;
mod graph;
mod merge;
mod mmap;
mod options;
mod pooling;
mod publish;
mod repair;
mod segment;
mod snapshot;
mod stats;
mod verify;
mod whole_document;
mod words;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

pub use backup::{BackupReport, backup, backup_in};
pub use cancel::CancelToken;
pub use directory::{FileDirectory, MemoryDirectory, ReadMode};
pub use document::{MAX_ID_BYTES, NewDocument};
pub use error::IndexError;
pub use merge::{MergeMode, MergePolicy};
pub use options::WriterOptions;
pub use pooling::pool_document;
pub use repair::{RepairReport, RepairedSegment, repair, repair_in};
pub use segment::{
    DenseReader, DenseRows, GraphReader, GraphWalk, ListsReader, RawReader, RawRows, ResidualReader,
    SegmentReader, TermsReader,
};
pub use snapshot::{Segment, Snapshot};
pub use stats::{IndexStats, SectionStats, SegmentStats};
pub use verify::{Finding, Problem, VerifyLevel, VerifyReport, verify, verify_in};
pub use writer::{CommitInfo, CompactInfo, CompactOptions, Writer};

use self::current::Current;
use self::directory::Directory;
use crate::format::{DenseStorage, FileName, IndexSettings, Manifest, ModelIdentity, TokenStorage};
use crate::types::MAX_DIM;

/// The primitives that [`current`] is made of; a test puts others in their place.
mod sync {
    pub(super) use std::sync::{Arc, PoisonError, RwLock};
}

/// How an index is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct IndexOptions {
    /// How segments come into memory.
    pub read_mode: ReadMode,
}

impl IndexOptions {
    /// Segments come into memory in this way.
    #[must_use]
    pub fn with_read_mode(mut self, read_mode: ReadMode) -> Self {
        self.read_mode = read_mode;
        self
    }
}

/// An open index: the newest [`Snapshot`] it knows, and the way to its writer.
///
/// Clones share the snapshot and are cheap.
#[derive(Debug, Clone)]
pub struct Index {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: Arc<dyn Directory>,
    options: IndexOptions,
    current: Current<Snapshot>,
}

impl Shared {
    fn current(&self) -> Arc<Snapshot> {
        self.current.get()
    }

    /// Makes `snapshot` the current one unless there is a newer one already.
    fn install(&self, snapshot: Arc<Snapshot>) {
        self.current.install(snapshot, Snapshot::generation);
    }
}

impl Index {
    /// Makes an empty index in the directory `path`, which is made if it is not there.
    ///
    /// # Errors
    /// [`IndexError::AlreadyExists`], [`IndexError::InvalidSettings`], [`IndexError::Locked`] while somebody
    /// else is creating it, or [`IndexError::Io`].
    pub fn create(path: &Path, settings: &IndexSettings, model: &ModelIdentity) -> Result<Self, IndexError> {
        Self::create_in(Arc::new(FileDirectory::new(path)), settings, model, IndexOptions::default())
    }

    /// As [`Index::create`], in any [`Directory`].
    ///
    /// # Errors
    /// As [`Index::create`].
    pub fn create_in(
        directory: Arc<dyn Directory>,
        settings: &IndexSettings,
        model: &ModelIdentity,
        options: IndexOptions,
    ) -> Result<Self, IndexError> {
        check_settings(settings)?;
        let root = || directory.path().to_owned();
        directory.make().map_err(|source| IndexError::Io {
            action: "create the directory",
            path: root(),
            source,
        })?;
        let _lock = lock(&*directory)?;
        if snapshot::newest_generation(&*directory)?.is_some() {
            return Err(IndexError::AlreadyExists { dir: root() });
        }
        let manifest = Manifest {
            generation: 1,
            next_number: 1,
            settings: settings.clone(),
            model: model.clone(),
            segments: Vec::new(),
            tuning: None,
        };
        writer::publish_manifest(&*directory, &manifest)?;
        Self::open_in(directory, options)
    }

    /// Opens the newest commit of the index in the directory `path`. Writes nothing.
    ///
    /// Cost: independent of the number of documents, except for the bitmaps of deleted ones.
    ///
    /// # Errors
    /// [`IndexError::NoIndex`], or [`IndexError::Format`] and [`IndexError::WrongFile`] if a file is damaged or
    /// foreign. A damaged newest manifest is an error too: falling back to an older one would lose
    /// acknowledged commits in silence.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        Self::open_in(Arc::new(FileDirectory::new(path)), IndexOptions::default())
    }

    /// As [`Index::open`], in any [`Directory`] and with options.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn open_in(directory: Arc<dyn Directory>, options: IndexOptions) -> Result<Self, IndexError> {
        let snapshot = Snapshot::load_newest(&*directory, options, None)?;
        let current = Current::new(snapshot);
        Ok(Self { shared: Arc::new(Shared { directory, options, current }) })
    }

    /// The directory's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared.directory.path()
    }

    /// The newest commit this index knows: its own writers' commits at once, those of other processes
    /// after [`Index::refresh`].
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.current()
    }

    /// Looks for a newer commit; returns whether there was one. Segments already open are shared.
    ///
    /// # Errors
    /// As [`Index::open`]; the snapshot stays what it was.
    pub fn refresh(&self) -> Result<bool, IndexError> {
        let current = self.snapshot();
        let directory = &*self.shared.directory;
        if snapshot::newest_generation(directory)? == Some(current.generation()) {
            return Ok(false);
        }
        let snapshot = Snapshot::load_newest(directory, self.shared.options, Some(&current))?;
        let newer = snapshot.generation() > current.generation();
        self.shared.install(Arc::new(snapshot));
        Ok(newer)
    }

    /// Becomes the writer of the index; starts from the newest commit, whoever made it.
    ///
    /// # Errors
    /// [`IndexError::Locked`] if there is another writer, in this process or elsewhere; otherwise as
    /// [`Index::open`].
    pub fn writer(&self, options: WriterOptions) -> Result<Writer, IndexError> {
        Writer::open(Arc::clone(&self.shared), options)
    }

    /// What the newest known commit holds and how large its files are.
    #[must_use]
    pub fn stats(&self) -> IndexStats {
        IndexStats::of(&self.snapshot())
    }
}

/// Takes the one writer's lock.
fn lock(directory: &dyn Directory) -> Result<Box<dyn directory::LockGuard>, IndexError> {
    let name = file_name(FileName::Lock);
    let file = directory.path().join(&name);
    match directory.try_lock(&name) {
        Ok(Some(guard)) => Ok(guard),
        Ok(None) => Err(IndexError::Locked { file }),
        Err(source) => Err(IndexError::Io { action: "lock", path: file, source }),
    }
}

/// The name of a file of the index.
fn file_name(name: FileName) -> String {
    name.to_string()
}

fn check_settings(settings: &IndexSettings) -> Result<(), IndexError> {
    let dimension = |setting, dim: u32, stored: bool| {
        let rule = match (stored, dim as usize) {
            (false, 0) | (true, 1..=MAX_DIM) => return Ok(()),
            (false, _) => "it is 0 where such vectors are not stored",
            (true, _) => "vectors have 1 to 8192 dimensions",
        };
        Err(IndexError::InvalidSettings { setting, value: dim.to_string(), rule })
    };
    let tokens = settings.token_storage != TokenStorage::None;
    let dense = settings.dense_storage != DenseStorage::None;
    dimension("token_dim", settings.token_dim, tokens)?;
    dimension("dense_dim", settings.dense_dim, dense)?;
    if !tokens && !dense {
        return Err(IndexError::InvalidSettings {
            setting: "token_storage",
            value: "none".to_owned(),
            rule: "an index stores token vectors, dense vectors, or both",
        });
    }
    Ok(())
}
