//! A merge beside the writer: it makes a file, and the writer takes it over when it commits next.

use std::sync::Arc;
use std::thread::JoinHandle;

use roaring::RoaringBitmap;

use super::compact::outcome;
use super::{Working, Writer};
use crate::format::SegmentRecord;
use crate::index::build::SegmentOptions;
use crate::index::merge::{MergePolicy, Source, merge, next_merge};
use crate::index::{CancelToken, IndexError, SegmentReader};

type Made = Result<Option<SegmentRecord>, IndexError>;

/// A merge at work. Dropped, it is stopped and waited for; what it wrote is collected by the next commit.
#[derive(Debug)]
pub(super) struct Background {
    number: u64,
    sources: Vec<(Arc<SegmentReader>, Arc<RoaringBitmap>)>,
    cancel: CancelToken,
    thread: Option<JoinHandle<Made>>,
}

impl Background {
    /// The number of the segment that it makes.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn wait(&mut self) -> Made {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(made)) => made,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(None),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.cancel.cancel();
            if let Some(thread) = self.thread.take() {
                // It has nothing to say to a writer that is gone.
                drop(thread.join());
            }
        }
    }
}

impl Writer {
    /// Starts the next merge that is due, unless one is at work.
    pub(super) fn start_background(&mut self, policy: &MergePolicy, code_from: u64) {
        if self.background.is_some() {
            return;
        }
        let Some(plan) = next_merge(&self.facts(), code_from, policy) else {
            return;
        };
        let number = match self.take_number() {
            Ok(number) => number,
            Err(error) => return self.note_merge_failure(&error),
        };
        let sources: Vec<_> = plan
            .sources
            .iter()
            .map(|&at| &self.segments[at])
            .map(|segment| (Arc::clone(&segment.reader), Arc::clone(&segment.deleted)))
            .collect();
        let (shared, pool, writer) = (Arc::clone(&self.shared), Arc::clone(&self.pool), self.options.clone());
        let (settings, outcome) = (self.committed.settings.clone(), outcome(plan.keep_raw));
        // A token of its own: one that was used for a merge that the caller waited for must not stop this one.
        let cancel = CancelToken::default();
        let (at_work, stop) = (sources.clone(), cancel.clone());
        let work = move || {
            let sources: Vec<Source<'_>> =
                at_work.iter().map(|(reader, deleted)| Source { reader, deleted }).collect();
            let options = SegmentOptions { number, settings: &settings, writer: &writer, cancel: &stop };
            pool.install(|| merge(&*shared.directory, &sources, outcome, options))
        };
        match std::thread::Builder::new().name("lateen-merge".to_owned()).spawn(work) {
            Ok(thread) => {
                self.background = Some(Background { number, sources, cancel, thread: Some(thread) });
            }
            Err(source) => {
                let path = self.shared.directory.path().to_owned();
                self.note_merge_failure(&IndexError::Io { action: "start a thread to merge", path, source });
            }
        }
    }

    /// Takes over a merge that is finished.
    pub(super) fn take_background(&mut self) -> Result<(), IndexError> {
        match &self.background {
            Some(merge) if merge.is_finished() => self.wait_for_background(),
            _ => Ok(()),
        }
    }

    /// Waits for the merge at work, if there is one, and puts its segment into the next commit.
    pub(super) fn wait_for_background(&mut self) -> Result<(), IndexError> {
        let Some(mut merge) = self.background.take() else {
            return Ok(());
        };
        let made = merge.wait();
        match self.note_sync(made) {
            Ok(record) => self.take_over(&merge, record),
            Err(error) => {
                self.note_merge_failure(&error);
                self.check_usable()
            }
        }
    }

    /// Documents deleted while the merge was at work are deleted in its segment too.
    fn take_over(&mut self, merge: &Background, record: Option<SegmentRecord>) -> Result<(), IndexError> {
        let mut merged = record.map(|record| self.open_segment(record)).transpose()?;
        for (reader, before) in &merge.sources {
            let now = self.segments.iter().find(|segment| segment.record.number == reader.number());
            let deleted = now.map(|segment| Arc::clone(&segment.deleted));
            let gone = |local: &u32| {
                !before.contains(*local) && deleted.as_ref().is_none_or(|deleted| deleted.contains(*local))
            };
            for local in (0..reader.documents()).filter(gone) {
                bury(merged.as_mut(), reader.external_id(local)?)?;
            }
        }
        let sources: Vec<u64> = merge.sources.iter().map(|(reader, _)| reader.number()).collect();
        self.replace(&sources, merged);
        Ok(())
    }
}

fn bury(merged: Option<&mut Working>, id: &str) -> Result<(), IndexError> {
    if let Some(merged) = merged
        && let Some(local) = merged.reader.find(id)?
    {
        Arc::make_mut(&mut merged.deleted).insert(local);
        merged.dirty = true;
    }
    Ok(())
}
