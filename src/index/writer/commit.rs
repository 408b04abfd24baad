//! A commit: what it names first, then itself; afterwards, what nobody names any more.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{Working, Writer, count_up};
use crate::format::{FileName, Manifest, SegmentRecord, TombstoneRecord, Tombstones};
use crate::index::directory::Directory;
use crate::index::publish::{publish_bytes, sync_names};
use crate::index::snapshot::{Snapshot, generations, read_manifest};
use crate::index::{IndexError, file_name, garbage};

impl Writer {
    /// Commits what changed, if anything did.
    pub(super) fn commit_changes(&mut self) -> Result<(), IndexError> {
        self.check_usable()?;
        self.flush()?;
        if self.changed {
            let result = self.write_commit();
            self.note_sync(result)?;
            self.collect_garbage(true);
        }
        Ok(())
    }

    fn write_commit(&mut self) -> Result<(), IndexError> {
        let shared = Arc::clone(&self.shared);
        let directory = &*shared.directory;
        self.segments.retain(|segment| segment.live() > 0);
        for at in 0..self.segments.len() {
            if self.segments[at].dirty {
                self.write_tombstones(at)?;
            }
        }
        sync_names(directory)?;
        self.tried_generation = count_up(self.tried_generation)?;
        let manifest = Manifest {
            generation: self.tried_generation,
            next_number: self.next_number,
            segments: self.segments.iter().map(|segment| segment.record).collect(),
            tuning: self.tuning.clone(),
            ..self.committed.clone()
        };
        publish_manifest(directory, &manifest)?;
        self.previous = Some(std::mem::replace(&mut self.committed, manifest.clone()));
        self.changed = false;
        let parts = self.segments.iter().map(|part| (Arc::clone(&part.reader), Arc::clone(&part.deleted)));
        let snapshot = Snapshot::assemble(manifest, parts)?.pinned(directory);
        self.shared.install(Arc::new(snapshot));
        Ok(())
    }

    fn write_tombstones(&mut self, at: usize) -> Result<(), IndexError> {
        let number = self.take_number()?;
        let segment = &mut self.segments[at];
        segment.record.tombstones =
            publish_tombstones(&*self.shared.directory, number, &segment.record, &segment.deleted)?;
        segment.dirty = false;
        Ok(())
    }

    /// Removes what no kept manifest names. A file that cannot be removed stays until the next time.
    ///
    /// `keep_previous`: whether the commit before the newest stays, for readers that cannot pin it.
    pub(super) fn collect_garbage(&mut self, keep_previous: bool) {
        let shared = Arc::clone(&self.shared);
        let directory = &*shared.directory;
        let names = match directory.names() {
            Ok(names) => names,
            Err(error) => {
                tracing::warn!(directory = %directory.path().display(), %error, "old files stay: no list of files");
                return;
            }
        };
        let Some(pinned) = self.unpin(&names, keep_previous) else { return };
        let kept: Vec<&Manifest> =
            std::iter::once(&self.committed).chain(&self.previous).chain(&pinned).collect();
        let busy = self.background.as_ref().map(|merge| merge.number());
        for name in garbage::removable(&names, &kept, busy) {
            match directory.remove(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(file = %directory.path().join(&name).display(), %error, "an old file stays");
                }
                _ => {}
            }
        }
    }

    /// Removes old manifests that nobody has pinned; returns the others. `None`: it is not known what is needed.
    fn unpin(&mut self, names: &[String], keep_previous: bool) -> Option<Vec<Manifest>> {
        let shared = Arc::clone(&self.shared);
        let directory = &*shared.directory;
        let newest = self.committed.generation;
        let mut pinned = Vec::new();
        for generation in generations(names).filter(|&generation| generation < newest) {
            let previous = self.previous.as_ref().is_some_and(|manifest| manifest.generation == generation);
            if previous && keep_previous {
                continue;
            }
            let name = file_name(FileName::Manifest(generation));
            match directory.remove_unpinned(&name) {
                Ok(true) if previous => self.previous = None,
                Ok(true) => {}
                // Without locks nobody knows who reads: the commit before the newest stays, as it always does.
                Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Ok(false) => match read_manifest(directory, generation) {
                    Ok(manifest) => pinned.push(manifest),
                    Err(error) => {
                        tracing::warn!(%name, %error, "old files stay: somebody uses a commit that cannot be read");
                        return None;
                    }
                },
                Err(error) => {
                    tracing::warn!(%name, %error, "old files stay: it is not known who uses them");
                    return None;
                }
            }
        }
        Some(pinned)
    }

    /// Puts a merged segment in the place of its sources; visible with the next commit.
    pub(super) fn replace(&mut self, sources: &[u64], merged: Option<Working>) {
        let number = |segment: &Working| segment.record.number;
        let first = self.segments.iter().position(|segment| sources.contains(&number(segment)));
        self.segments.retain(|segment| !sources.contains(&number(segment)));
        if let Some(merged) = merged {
            let at = first.unwrap_or(self.segments.len()).min(self.segments.len());
            self.segments.insert(at, merged);
        }
        self.changed = true;
    }
}

/// `manifest → sync → rename → sync the directory`; what it names must be durable already.
pub(in crate::index) fn publish_manifest(
    directory: &dyn Directory,
    manifest: &Manifest,
) -> Result<(), IndexError> {
    let name = file_name(FileName::Manifest(manifest.generation));
    let bytes = manifest
        .encode()
        .map_err(|source| IndexError::Format { file: directory.path().join(&name), source })?;
    publish_bytes(directory, &name, &bytes)?;
    sync_names(directory)
}

/// Writes the deleted documents of a segment; the name is durable once the directory is synced.
pub(in crate::index) fn publish_tombstones(
    directory: &dyn Directory,
    number: u64,
    segment: &SegmentRecord,
    deleted: &RoaringBitmap,
) -> Result<Option<TombstoneRecord>, IndexError> {
    if deleted.is_empty() {
        return Ok(None);
    }
    let name = file_name(FileName::Tombstones(number));
    let tombstones =
        Tombstones { segment: segment.number, documents: segment.documents, deleted: deleted.clone() };
    let format = |source| IndexError::Format { file: directory.path().join(&name), source };
    let bytes = tombstones.encode().map_err(format)?;
    let checksum = Tombstones::identity(&bytes).map_err(format)?;
    publish_bytes(directory, &name, &bytes)?;
    Ok(Some(TombstoneRecord { number, deleted: deleted.len() as u32, checksum }))
}
