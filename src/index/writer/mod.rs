//! The one writer: documents in, segments and commits out.

mod background;
mod commit;
mod compact;

use std::path::PathBuf;
use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};
use roaring::RoaringBitmap;

use self::background::Background;
pub(super) use self::commit::{publish_manifest, publish_tombstones};
pub use self::compact::{CompactInfo, CompactOptions};
use super::buffer::Buffer;
use super::build::{SegmentOptions, build_segment};
use super::content::{Content, Keep};
use super::directory::LockGuard;
use super::document::check_id;
use super::snapshot::{Snapshot, generations, newest_generation, read_manifest};
use super::{
    CancelToken, IndexError, NewDocument, SegmentReader, Shared, WriterOptions, directory::Directory, lock,
};
use crate::format::{FileName, IndexSettings, Manifest, SegmentRecord, Tuning};

/// What a commit made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitInfo {
    /// The commit's number; the one before if there was nothing to commit.
    pub generation: u64,
    /// Live documents.
    pub documents: u64,
    /// Token vectors in the segments, those of deleted documents included.
    pub tokens: u64,
    /// Segments.
    pub segments: usize,
    /// Merges that were done with this commit.
    pub merges: usize,
    /// Why a merge that was due could not be done. The commit stands; the merge is tried again by the next one.
    pub merge_failure: Option<String>,
}

/// Adds and deletes documents; what it did becomes visible at [`Writer::commit`], all at once.
///
/// Dropped without a commit, it leaves the last commit as it was. While it lives no other writer can be
/// opened.
///
/// Segments are merged by [`WriterOptions::merge`], so that an index stays as good and as small as if it had been built
/// at once, whatever was added and deleted.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    options: WriterOptions,
    pool: Arc<ThreadPool>,
    /// The newest commit.
    committed: Manifest,
    /// The one before, whose files are kept for readers that are about to open them.
    previous: Option<Manifest>,
    /// Segments of the newest commit and those flushed since.
    segments: Vec<Working>,
    buffer: Buffer,
    /// For the next segment or tombstones file. Counts up at every attempt, so that no name is ever used twice.
    next_number: u64,
    /// The last generation that was tried: a failed rename may have happened all the same.
    tried_generation: u64,
    /// What the next commit says about searching the index.
    tuning: Option<Tuning>,
    /// Documents deleted, segments flushed or the tuning set since the last commit.
    changed: bool,
    /// What could not be synced.
    poisoned: Option<PathBuf>,
    cancel: CancelToken,
    /// The merge at work on another thread.
    background: Option<Background>,
    /// Why the last merge failed.
    merge_failure: Option<String>,
    _lock: Box<dyn LockGuard>,
}

/// A segment as the next commit will have it.
#[derive(Debug)]
struct Working {
    record: SegmentRecord,
    reader: Arc<SegmentReader>,
    deleted: Arc<RoaringBitmap>,
    /// Whether `deleted` differs from what `record` names.
    dirty: bool,
}

impl Working {
    fn live(&self) -> u64 {
        u64::from(self.record.documents) - self.deleted.len()
    }
}

/// Where a live document is.
enum Place {
    Buffered(u64),
    Segment { at: usize, local: u32 },
}

impl Writer {
    pub(super) fn open(shared: Arc<Shared>, options: WriterOptions) -> Result<Self, IndexError> {
        options.check()?;
        let guard = lock(&*shared.directory)?;
        let pool = ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .thread_name(|n| format!("lateen-build-{n}"))
            .build()
            .map_err(|source| IndexError::Threads { threads: options.threads, source })?;
        let current = shared.current();
        // Another process may have committed since this index looked.
        let snapshot = if newest_generation(&*shared.directory)? == Some(current.generation()) {
            current
        } else {
            let loaded = Snapshot::load_newest(&*shared.directory, shared.options, Some(&current))?;
            let loaded = Arc::new(loaded);
            shared.install(Arc::clone(&loaded));
            loaded
        };
        let names = names(&*shared.directory)?;
        let committed = snapshot.manifest().clone();
        let mut writer = Self {
            previous: previous_manifest(&*shared.directory, &names, committed.generation),
            segments: working(&snapshot),
            buffer: Buffer::new(&committed.settings),
            next_number: next_number(&names, &committed),
            tried_generation: committed.generation,
            tuning: committed.tuning.clone(),
            changed: false,
            poisoned: None,
            cancel: CancelToken::default(),
            background: None,
            merge_failure: None,
            committed,
            options,
            pool: Arc::new(pool),
            shared,
            _lock: guard,
        };
        writer.collect_garbage(true);
        Ok(writer)
    }

    /// What the index was created with.
    #[must_use]
    pub fn settings(&self) -> &IndexSettings {
        &self.committed.settings
    }

    /// Live documents, uncommitted changes included.
    #[must_use]
    pub fn documents(&self) -> u64 {
        self.segments.iter().map(Working::live).sum::<u64>() + self.buffer.live() as u64
    }

    /// The content hash of the live document of this id, uncommitted changes included: if it is the hash of
    /// what is about to be added, adding it again would change nothing.
    ///
    /// # Errors
    /// [`IndexError::Format`] if a block on the way is damaged.
    pub fn contains(&self, id: &str) -> Result<Option<u64>, IndexError> {
        match self.locate(id)? {
            None => Ok(None),
            Some(Place::Buffered(hash)) => Ok(Some(hash)),
            Some(Place::Segment { at, local }) => self.segments[at].reader.content_hash(local).map(Some),
        }
    }

    /// Adds a document, replacing the one of the same id; returns whether there was one.
    ///
    /// Cost: a copy of the vectors, and a segment's building when the memory budget is full.
    ///
    /// # Errors
    /// Those of a document that does not fit the index: [`IndexError::InvalidId`],
    /// [`DimensionMismatch`](IndexError::DimensionMismatch), [`ZeroRow`](IndexError::ZeroRow),
    /// [`NotStorable`](IndexError::NotStorable), [`TokenIdCount`](IndexError::TokenIdCount),
    /// [`MissingPart`](IndexError::MissingPart), [`UnexpectedPart`](IndexError::UnexpectedPart),
    /// [`TooMany`](IndexError::TooMany). Those of writing a segment: [`IndexError::Io`],
    /// [`IndexError::SyncFailed`]. The document is then not added; all before it are still there.
    pub fn add(&mut self, document: NewDocument) -> Result<bool, IndexError> {
        self.check_usable()?;
        document.check(&self.committed.settings)?;
        self.check_counts(document.rows())?;
        let full = self.buffer.bytes() >= self.options.memory_budget_bytes / 2;
        if self.buffer.len() > 0 && (full || self.buffer.overflows(document.rows())) {
            self.flush()?;
        }
        let replaced = match self.locate(&document.id)? {
            Some(Place::Segment { at, local }) => {
                self.bury(at, local);
                true
            }
            _ => false,
        };
        Ok(self.buffer.push(document) || replaced)
    }

    /// Deletes the document of this id; returns whether there was one.
    ///
    /// # Errors
    /// [`IndexError::InvalidId`], [`IndexError::Format`] if a block on the way is damaged, or
    /// [`IndexError::Poisoned`].
    pub fn delete(&mut self, id: &str) -> Result<bool, IndexError> {
        self.check_usable()?;
        check_id(id)?;
        match self.locate(id)? {
            None => Ok(false),
            Some(Place::Buffered(_)) => Ok(self.buffer.delete(id)),
            Some(Place::Segment { at, local }) => {
                self.bury(at, local);
                Ok(true)
            }
        }
    }

    /// Keeps with the index, from the next commit on, what was measured about searching it; later commits carry
    /// it over.
    ///
    /// # Errors
    /// [`IndexError::Tuning`] if the record contradicts itself, or [`IndexError::Poisoned`].
    pub fn set_tuning(&mut self, tuning: Option<Tuning>) -> Result<(), IndexError> {
        self.check_usable()?;
        tuning.as_ref().map_or(Ok(()), Tuning::check).map_err(IndexError::Tuning)?;
        self.changed |= tuning != self.committed.tuning;
        self.tuning = tuning;
        Ok(())
    }

    /// Deletes the documents of these ids; returns how many there were.
    ///
    /// # Errors
    /// As [`Writer::delete`]; those before the one that failed are deleted.
    pub fn delete_all<'i>(&mut self, ids: impl IntoIterator<Item = &'i str>) -> Result<u64, IndexError> {
        ids.into_iter().try_fold(0, |count, id| Ok(count + u64::from(self.delete(id)?)))
    }

    /// Makes everything since the last commit durable and visible, all or nothing.
    ///
    /// When this returns, the commit survives a power cut. Nothing changed: nothing is written. Afterwards
    /// segments are merged, as [`WriterOptions::merge`] says; what a merge runs into is in
    /// [`CommitInfo::merge_failure`] and does not touch the commit.
    ///
    /// # Errors
    /// [`IndexError::Io`]: the last commit stands, the changes are still in the writer, and `commit` may be
    /// tried again. [`IndexError::SyncFailed`]: the last commit or this one stands, and the writer is unusable.
    pub fn commit(&mut self) -> Result<CommitInfo, IndexError> {
        self.take_background()?;
        self.commit_changes()?;
        let merges = self.merge_after_commit();
        Ok(CommitInfo { merges, merge_failure: self.merge_failure.take(), ..self.info() })
    }

    /// Stops merges from another thread; commits are not stopped.
    #[must_use]
    pub fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }

    fn info(&self) -> CommitInfo {
        CommitInfo {
            generation: self.committed.generation,
            documents: self.documents(),
            tokens: self.committed.segments.iter().map(|segment| segment.tokens).sum(),
            segments: self.committed.segments.len(),
            merges: 0,
            merge_failure: None,
        }
    }

    /// Makes a segment of the buffered documents; its name is durable at the next commit.
    fn flush(&mut self) -> Result<(), IndexError> {
        self.buffer.drop_dead();
        if self.buffer.len() == 0 {
            return Ok(());
        }
        self.pool.install(|| self.buffer.pool(&self.options.pooling))?;
        let number = self.take_number()?;
        let result = self.write_segment(number);
        let working = self.note_sync(result)?;
        self.segments.push(working);
        self.buffer = Buffer::new(&self.committed.settings);
        self.changed = true;
        Ok(())
    }

    fn write_segment(&self, number: u64) -> Result<Working, IndexError> {
        let settings = &self.committed.settings;
        let cancel = CancelToken::default();
        let options = SegmentOptions { number, settings, writer: &self.options, cancel: &cancel };
        let keep = self.keep_flushed()?;
        let record = self.pool.install(|| {
            let content = Content::of_buffer(&self.buffer, settings, &self.options, keep)?;
            build_segment(&*self.shared.directory, &content, options)
        })?;
        self.open_segment(record)
    }

    fn open_segment(&self, record: SegmentRecord) -> Result<Working, IndexError> {
        let (directory, mode) = (&*self.shared.directory, self.shared.options.read_mode);
        let reader = Arc::new(SegmentReader::open(directory, &record, &self.committed.settings, mode)?);
        Ok(Working { record, reader, deleted: Arc::default(), dirty: false })
    }

    /// Whether the buffered rows are many enough for a codec.
    fn keep_flushed(&self) -> Result<Keep, IndexError> {
        // The first segment is coded however small it is: nobody knows what will follow.
        let enough = if self.segments.is_empty() { 0 } else { self.options.code_from_tokens };
        let rows = self.buffer.ends.last().copied().unwrap_or(0) as usize;
        if rows < enough { Ok(Keep::Raw) } else { Ok(Keep::Coded { levels: self.levels()? }) }
    }

    /// The levels of the codes that the index has: those of its largest coded segment.
    fn levels(&self) -> Result<Option<[i8; 16]>, IndexError> {
        let coded = self.segments.iter().filter(|segment| segment.reader.is_coded());
        let Some(largest) = coded.max_by_key(|segment| segment.record.tokens) else {
            return Ok(None);
        };
        Ok(largest.reader.residual()?.map(|residual| residual.codec().levels))
    }

    fn locate(&self, id: &str) -> Result<Option<Place>, IndexError> {
        if let Some(hash) = self.buffer.content_hash(id) {
            return Ok(Some(Place::Buffered(hash)));
        }
        for (at, segment) in self.segments.iter().enumerate().rev() {
            if let Some(local) = segment.reader.find(id)?
                && !segment.deleted.contains(local)
            {
                return Ok(Some(Place::Segment { at, local }));
            }
        }
        Ok(None)
    }

    fn bury(&mut self, at: usize, local: u32) {
        let segment = &mut self.segments[at];
        // Snapshots that share the bitmap keep theirs.
        Arc::make_mut(&mut segment.deleted).insert(local);
        segment.dirty = true;
        self.changed = true;
    }

    fn take_number(&mut self) -> Result<u64, IndexError> {
        let number = self.next_number;
        self.next_number = count_up(number)?;
        Ok(number)
    }

    /// Document numbers of a snapshot are 32 bits wide, deleted ones included.
    fn check_counts(&self, rows: usize) -> Result<(), IndexError> {
        let stored: u64 = self.segments.iter().map(|segment| u64::from(segment.record.documents)).sum();
        let count = stored + self.buffer.len() as u64 + 1;
        let max = u64::from(u32::MAX);
        if count > max {
            return Err(IndexError::TooMany { what: "documents", count, max });
        }
        if rows as u64 > max {
            return Err(IndexError::TooMany { what: "tokens", count: rows as u64, max });
        }
        Ok(())
    }

    fn check_usable(&self) -> Result<(), IndexError> {
        match &self.poisoned {
            Some(path) => Err(IndexError::Poisoned { path: path.clone() }),
            None => Ok(()),
        }
    }

    /// After a failed sync the page cache may claim what the disk does not have, so nothing may be built on it.
    fn note_sync<T>(&mut self, result: Result<T, IndexError>) -> Result<T, IndexError> {
        if let Err(IndexError::SyncFailed { path, .. }) = &result {
            self.poisoned = Some(path.clone());
        }
        result
    }
}

/// Only a forged file can come near the end of these numbers.
fn count_up(number: u64) -> Result<u64, IndexError> {
    let max = u64::MAX - 1;
    if number < max { Ok(number + 1) } else { Err(IndexError::TooMany { what: "files", count: number, max }) }
}

fn working(snapshot: &Snapshot) -> Vec<Working> {
    snapshot
        .segments()
        .iter()
        .zip(&snapshot.manifest().segments)
        .map(|(segment, record)| Working {
            record: *record,
            reader: Arc::clone(segment.shared_reader()),
            deleted: Arc::clone(segment.shared_tombstones()),
            dirty: false,
        })
        .collect()
}

fn names(directory: &dyn Directory) -> Result<Vec<String>, IndexError> {
    directory.names().map_err(|source| IndexError::Io {
        action: "list",
        path: directory.path().to_owned(),
        source,
    })
}

/// The newest readable manifest before `generation`; one that is damaged is of no use to any reader.
fn previous_manifest(directory: &dyn Directory, names: &[String], generation: u64) -> Option<Manifest> {
    let before = generations(names).filter(|&number| number < generation).max()?;
    read_manifest(directory, before).ok()
}

/// Above every number in use, also by files that a crashed writer left.
pub(super) fn next_number(names: &[String], manifest: &Manifest) -> u64 {
    let used = names.iter().filter_map(|name| {
        let name = name.strip_suffix(super::publish::TMP_SUFFIX).unwrap_or(name);
        match FileName::parse(name) {
            Some(FileName::Segment(number) | FileName::Tombstones(number)) => Some(number.saturating_add(1)),
            _ => None,
        }
    });
    used.chain([manifest.next_number]).max().unwrap_or(1)
}
