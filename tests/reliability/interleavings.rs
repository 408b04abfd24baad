//! Schedules of a writer and readers, chosen by a scheduler instead of by chance: every one of the shared
//! snapshot, thousands of a whole index with a switch at every call to its directory.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use lateen::format::{DenseStorage, TokenStorage};
use lateen::index::directory::{Directory, FileBytes, LockGuard, OutputFile};
use lateen::index::{
    Index, IndexError, IndexOptions, MemoryDirectory, MergePolicy, ReadMode, VerifyLevel, WriterOptions,
    verify_in,
};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner, thread};

use crate::sample::{self, Recipe};

mod sync {
    pub use shuttle::sync::RwLock;
    pub use std::sync::{Arc, PoisonError};
}

#[path = "../../src/index/current.rs"]
mod current;

use current::Current;

#[test]
fn the_current_snapshot_only_ever_gets_newer() {
    let body = || {
        let current = Arc::new(Current::new(0_u64));
        let install = |age: u64| {
            let current = Arc::clone(&current);
            thread::spawn(move || current.install(Arc::new(age), |age| *age))
        };
        let writers = [install(2), install(1)];
        let first = current.get();
        let second = current.get();
        assert!(second >= first, "{second} after {first}");
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert_eq!(*current.get(), 2, "an older one was installed over a newer one");
        assert!(*first <= 2, "a value that was read changed");
    };
    shuttle::check_dfs(body, None);
}

/// A directory in memory that lets the scheduler choose who goes on before every call.
#[derive(Clone)]
struct Switching(MemoryDirectory);

impl fmt::Debug for Switching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Switching")
    }
}

struct SwitchingFile(Box<dyn OutputFile>);

impl Write for SwitchingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        thread::yield_now();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl OutputFile for SwitchingFile {
    fn sync(&mut self) -> io::Result<()> {
        thread::yield_now();
        self.0.sync()
    }
}

impl Directory for Switching {
    fn path(&self) -> &Path {
        self.0.path()
    }

    fn make(&self) -> io::Result<()> {
        thread::yield_now();
        self.0.make()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        thread::yield_now();
        self.0.names()
    }

    fn read(&self, name: &str, mode: ReadMode, limit: u64) -> io::Result<FileBytes> {
        thread::yield_now();
        self.0.read(name, mode, limit)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn OutputFile>> {
        thread::yield_now();
        Ok(Box::new(SwitchingFile(self.0.create(name)?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        thread::yield_now();
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        thread::yield_now();
        self.0.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        thread::yield_now();
        self.0.sync()
    }

    fn pin(&self, name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        thread::yield_now();
        self.0.pin(name)
    }

    fn remove_unpinned(&self, name: &str) -> io::Result<bool> {
        thread::yield_now();
        self.0.remove_unpinned(name)
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        thread::yield_now();
        self.0.try_lock(name)
    }
}

const DOCUMENTS: u64 = 3;
const COMMITS: u64 = 4;

/// Every commit replaces all documents, so a mix of two commits shows.
fn version_of(index: &Index, recipe: Recipe) -> Option<u64> {
    let snapshot = index.snapshot();
    let mut versions = BTreeSet::new();
    for number in 0..DOCUMENTS {
        let Some(doc) = snapshot.find(&format!("doc-{number}")).unwrap() else { continue };
        let hash = snapshot.content_hash(doc).unwrap();
        let version = (0..COMMITS).find(|&version| recipe.document(number, version).content_hash == hash);
        versions.insert(version.expect("a hash that was written"));
        snapshot.stored(doc).unwrap();
    }
    assert!(versions.len() <= 1, "a mix of the commits {versions:?}");
    assert_eq!(snapshot.documents(), if versions.is_empty() { 0 } else { DOCUMENTS });
    versions.into_iter().next()
}

fn write_all(directory: &Switching, recipe: Recipe) {
    let index = Index::open_in(Arc::new(directory.clone()), IndexOptions::default()).unwrap();
    // Segments are merged all the time, so that there is much to collect.
    let merge = MergePolicy { segments_per_tier: 2, ..MergePolicy::default() };
    let mut writer = index.writer(WriterOptions { merge, ..sample::writer_options() }).unwrap();
    for version in 0..COMMITS {
        for number in 0..DOCUMENTS {
            writer.add(recipe.document(number, version)).unwrap();
        }
        writer.commit().unwrap();
        assert_eq!(version_of(&index, recipe), Some(version));
    }
}

fn read_until_done(directory: &Switching, recipe: Recipe, reopen: bool) {
    let open = || Index::open_in(Arc::new(directory.clone()), IndexOptions::default()).unwrap();
    let mut index = open();
    let mut last = None;
    for _ in 0..4 {
        let kept = index.snapshot();
        let before = version_of(&index, recipe);
        if reopen {
            index = open();
        } else {
            index.refresh().unwrap();
        }
        let version = version_of(&index, recipe);
        assert!(version >= last && version >= before, "{version:?} after {last:?}");
        // What was opened before stays as it was, whatever was collected meanwhile.
        for number in 0..DOCUMENTS {
            if let Some(doc) = kept.find(&format!("doc-{number}")).unwrap() {
                kept.stored(doc).unwrap();
            }
        }
        last = version;
    }
}

/// Somebody else who wants to write either gets the lock or is told that it is taken.
fn try_to_write(directory: &Switching) {
    let index = Index::open_in(Arc::new(directory.clone()), IndexOptions::default()).unwrap();
    match index.writer(sample::writer_options()) {
        Ok(writer) => drop(writer),
        Err(IndexError::Locked { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

fn explore(schedules: usize) {
    let recipe = Recipe { text: 10, ..Recipe::new(TokenStorage::F32, DenseStorage::None) };
    let body = move || {
        let directory = Switching(recipe.index().0);
        let with = |run: fn(&Switching, Recipe)| {
            let directory = directory.clone();
            thread::spawn(move || run(&directory, recipe))
        };
        let threads = [
            with(write_all),
            with(|directory, recipe| read_until_done(directory, recipe, true)),
            with(|directory, recipe| read_until_done(directory, recipe, false)),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        try_to_write(&directory);
        let report = verify_in(&directory.0, VerifyLevel::Full).unwrap();
        assert!(report.is_whole(), "{:?}", report.findings);
    };
    let mut config = Config::new();
    config.stack_size = 1 << 21;
    Runner::new(RandomScheduler::new(schedules), config).run(body);
}

#[test]
fn readers_see_one_commit_under_every_schedule_tried() {
    explore(1_000);
}

#[test]
#[ignore = "minutes: `cargo xtask long`"]
fn long_readers_see_one_commit_under_many_schedules() {
    explore(50_000);
}
