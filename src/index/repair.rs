//! Makes an index whole again from what is whole of it, and says what is lost.

use std::collections::HashMap;
use std::path::Path;

use roaring::RoaringBitmap;

use super::build::SegmentOptions;
use super::directory::{Directory, FileDirectory, ReadMode};
use super::merge::{Outcome, Source, merge};
use super::publish::sync_names;
use super::snapshot::{generations, newest_generation, read_manifest, read_tombstones};
use super::verify::{VerifyLevel, check_segment};
use super::writer::{next_number, publish_manifest, publish_tombstones};
use super::{CancelToken, IndexError, SegmentReader, WriterOptions, lock};
use crate::format::{Manifest, SegmentRecord};

/// What [`repair`] found and did.
#[derive(Debug)]
#[non_exhaustive]
pub struct RepairReport {
    /// The newest commit that is there by name.
    pub newest: u64,
    /// The commit that was repaired: an older one if the newest has no readable manifest. What was committed
    /// between them is lost.
    pub repaired: u64,
    /// The new commit; `None` if nothing was wrong.
    pub generation: Option<u64>,
    /// Live documents now.
    pub documents: u64,
    /// What was wrong, segment by segment.
    pub segments: Vec<RepairedSegment>,
}

impl RepairReport {
    /// Whether the index was whole and was left alone.
    #[must_use]
    pub fn was_whole(&self) -> bool {
        self.generation.is_none()
    }
}

/// A segment that was damaged.
#[derive(Debug)]
#[non_exhaustive]
pub struct RepairedSegment {
    /// Its file's number.
    pub number: u64,
    /// Documents that were kept, in a new segment.
    pub kept: u64,
    /// Ids of live documents that are lost, as far as they can be read.
    pub lost: Vec<String>,
    /// Live documents that are lost, and not even their ids are known.
    pub lost_unnamed: u64,
    /// Its list of deleted documents is lost: those that no later document replaced are back.
    pub deletions_lost: bool,
    /// Why nothing of it could be kept.
    pub unreadable: Option<String>,
}

/// Repairs the index in the directory `path`: segments that are whole stay, of damaged ones every document that can be
/// read in full is kept, lists and graphs are made anew, and the rest is listed in the report.
///
/// Every byte is read. The result is a new commit, durable when this returns; of the damaged files nothing is changed
/// until a later writer collects them. Copy them away before if they may matter.
///
/// # Errors
/// [`IndexError::NoIndex`]; [`IndexError::Locked`] while a writer has the index; the error of the newest manifest if no
/// manifest can be read; [`IndexError::Io`] if a file cannot be written.
pub fn repair(path: &Path) -> Result<RepairReport, IndexError> {
    repair_in(&FileDirectory::new(path))
}

/// As [`repair`], in any [`Directory`].
///
/// # Errors
/// As [`repair`].
pub fn repair_in(directory: &dyn Directory) -> Result<RepairReport, IndexError> {
    let newest = newest_generation(directory)?
        .ok_or_else(|| IndexError::NoIndex { dir: directory.path().to_owned() })?;
    let _lock = lock(directory)?;
    let names = directory.names().map_err(|source| IndexError::Io {
        action: "list",
        path: directory.path().to_owned(),
        source,
    })?;
    let manifest = newest_readable(directory, &names)?;
    let mut repair = Repair {
        directory,
        next_number: next_number(&names, &manifest),
        manifest,
        writer: WriterOptions::default(),
        parts: Vec::new(),
        damaged: Vec::new(),
    };
    repair.read_segments()?;
    repair.settle_duplicates()?;
    repair.finish(newest)
}

/// The manifest of the newest generation that can be read.
fn newest_readable(directory: &dyn Directory, names: &[String]) -> Result<Manifest, IndexError> {
    let mut all: Vec<u64> = generations(names).collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    let mut first = None;
    for generation in all {
        match read_manifest(directory, generation) {
            Ok(manifest) => return Ok(manifest),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or(IndexError::NoIndex { dir: directory.path().to_owned() }))
}

/// A segment of the repaired index.
struct Part {
    record: SegmentRecord,
    reader: SegmentReader,
    deleted: RoaringBitmap,
    /// Whether `deleted` is not what the record names.
    dirty: bool,
    /// Whether its deletions were lost, so that old versions of documents may be back.
    suspect: bool,
}

struct Repair<'a> {
    directory: &'a dyn Directory,
    manifest: Manifest,
    next_number: u64,
    writer: WriterOptions,
    parts: Vec<Part>,
    damaged: Vec<RepairedSegment>,
}

impl Repair<'_> {
    fn read_segments(&mut self) -> Result<(), IndexError> {
        for record in self.manifest.segments.clone() {
            let (deleted, deletions_lost) = match read_tombstones(self.directory, &record) {
                Ok(deleted) => (deleted, false),
                Err(_) => (RoaringBitmap::new(), true),
            };
            let settings = &self.manifest.settings;
            let opened = SegmentReader::open(self.directory, &record, settings, ReadMode::InMemory);
            let mut report = RepairedSegment {
                number: record.number,
                kept: 0,
                lost: Vec::new(),
                lost_unnamed: 0,
                deletions_lost,
                unreadable: None,
            };
            match opened {
                Err(error) => {
                    report.lost_unnamed = u64::from(record.documents) - deleted.len();
                    report.unreadable = Some(error.to_string());
                    self.damaged.push(report);
                }
                Ok(reader) if check_segment(&reader, VerifyLevel::Full).is_empty() => {
                    if deletions_lost {
                        report.kept = record.documents.into();
                        self.damaged.push(report);
                    }
                    let (dirty, suspect) = (deletions_lost, deletions_lost);
                    self.parts.push(Part { record, reader, deleted, dirty, suspect });
                }
                Ok(reader) => self.salvage(&reader, deleted, report)?,
            }
        }
        Ok(())
    }

    /// Writes what can be read of a damaged segment into a new one.
    fn salvage(
        &mut self,
        reader: &SegmentReader,
        mut deleted: RoaringBitmap,
        mut report: RepairedSegment,
    ) -> Result<(), IndexError> {
        for local in (0..reader.documents()).filter(|&local| !deleted.contains(local)).collect::<Vec<_>>() {
            if readable(reader, local) {
                report.kept += 1;
                continue;
            }
            deleted.insert(local);
            match reader.external_id(local) {
                Ok(id) => report.lost.push(id.to_owned()),
                Err(_) => report.lost_unnamed += 1,
            }
        }
        let number = self.next_number;
        self.next_number += 1;
        let outcome = if reader.awaits_coding() { Outcome::Raw } else { Outcome::Coded };
        let cancel = CancelToken::default();
        let settings = &self.manifest.settings;
        let options = SegmentOptions { number, settings, writer: &self.writer, cancel: &cancel };
        match merge(self.directory, &[Source { reader, deleted: &deleted }], outcome, options) {
            Ok(None) => {}
            Ok(Some(record)) => {
                let reader = SegmentReader::open(self.directory, &record, settings, ReadMode::InMemory)?;
                let (deleted, suspect) = (RoaringBitmap::new(), report.deletions_lost);
                self.parts.push(Part { record, reader, deleted, dirty: false, suspect });
            }
            Err(error @ (IndexError::Io { .. } | IndexError::SyncFailed { .. })) => return Err(error),
            Err(error) => {
                report.lost_unnamed += std::mem::take(&mut report.kept);
                report.unreadable = Some(error.to_string());
            }
        }
        self.damaged.push(report);
        Ok(())
    }

    /// Where a list of deletions was lost, an old version of a document may be live beside the new one, which is in a
    /// segment with a larger number: it goes.
    fn settle_duplicates(&mut self) -> Result<(), IndexError> {
        if !self.parts.iter().any(|part| part.suspect) {
            return Ok(());
        }
        let mut order: Vec<usize> = (0..self.parts.len()).collect();
        // Segments with all their deletions first: what they have live is.
        order.sort_by_key(|&at| (self.parts[at].suspect, std::cmp::Reverse(self.parts[at].record.number)));
        let mut seen: HashMap<String, ()> = HashMap::new();
        for at in order {
            let part = &mut self.parts[at];
            for local in 0..part.reader.documents() {
                if part.deleted.contains(local) {
                    continue;
                }
                let id = part.reader.external_id(local)?.to_owned();
                if seen.insert(id, ()).is_some() {
                    part.deleted.insert(local);
                    part.dirty = true;
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, newest: u64) -> Result<RepairReport, IndexError> {
        let repaired = self.manifest.generation;
        let documents =
            self.parts.iter().map(|part| u64::from(part.record.documents) - part.deleted.len()).sum();
        let mut generation = None;
        if !self.damaged.is_empty() || repaired != newest {
            let mut segments = Vec::new();
            for part in &mut self.parts {
                if u64::from(part.record.documents) == part.deleted.len() {
                    continue;
                }
                if part.dirty {
                    let (number, record) = (self.next_number, part.record);
                    self.next_number += 1;
                    part.record.tombstones =
                        publish_tombstones(self.directory, number, &record, &part.deleted)?;
                }
                segments.push(part.record);
            }
            sync_names(self.directory)?;
            let next = newest.checked_add(1).ok_or(IndexError::TooMany {
                what: "files",
                count: newest,
                max: u64::MAX - 1,
            })?;
            let manifest = Manifest {
                generation: next,
                next_number: self.next_number,
                segments,
                ..self.manifest.clone()
            };
            publish_manifest(self.directory, &manifest)?;
            generation = Some(next);
        }
        Ok(RepairReport { newest, repaired, generation, documents, segments: self.damaged })
    }
}

/// Whether everything about a document can be read.
fn readable(reader: &SegmentReader, local: u32) -> bool {
    let read = || -> Result<(), IndexError> {
        reader.external_id(local)?;
        reader.content_hash(local)?;
        reader.stored(local)?;
        if let Some(residual) = reader.residual()? {
            residual.document(local)?;
        }
        if let Some(raw) = reader.raw()? {
            raw.document(local)?;
        }
        if let Some(dense) = reader.dense()? {
            dense.vector(local)?;
        }
        Ok(())
    };
    read().is_ok()
}
