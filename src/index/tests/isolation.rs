//! Readers and a writer that compacts, at once: every answer is of one commit.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::*;

/// Commit number `version` holds documents 0 to 19, each of that version, and as many more as the version says.
fn expected(settings: &IndexSettings, version: u64) -> Vec<(String, u64)> {
    let all = 0..20 + version % 7;
    all.map(|n| (format!("{n}"), document(settings, &format!("{n}"), version).content_hash)).collect()
}

fn write_version(writer: &mut Writer, settings: &IndexSettings, version: u64) {
    for n in 0..27 {
        let id = format!("{n}");
        if n < 20 + version % 7 {
            writer.add(document(settings, &id, version)).unwrap();
        } else {
            writer.delete(&id).unwrap();
        }
    }
    writer.commit().unwrap();
}

/// Which commit a snapshot shows; panics if it shows parts of two.
fn version_of(snapshot: &Snapshot, settings: &IndexSettings, newest: u64) -> u64 {
    let mut found = Vec::new();
    for segment in snapshot.segments() {
        for local in (0..segment.documents()).filter(|&local| segment.is_live(local)) {
            let id = segment.reader().external_id(local).unwrap().to_owned();
            found.push((id, segment.reader().content_hash(local).unwrap()));
        }
    }
    found.sort();
    let candidates = (0..=newest + 1).rev();
    let same = |&version: &u64| {
        let mut all = expected(settings, version);
        all.sort();
        all == found
    };
    candidates.into_iter().find(same).unwrap_or_else(|| panic!("a mix: {found:?}"))
}

#[test]
fn eight_readers_see_whole_commits_while_one_writes_and_compacts() {
    let settings = settings(TokenStorage::F16, DenseStorage::None);
    for mode in [MergeMode::OnCommit, MergeMode::Background] {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::create(&dir.path().join("index"), &settings, &model()).unwrap();
        let merge = MergePolicy { mode, segments_per_tier: 3, ..MergePolicy::default() };
        let mut writer = index.writer(WriterOptions { merge, ..small_writer() }).unwrap();
        write_version(&mut writer, &settings, 0);
        let (done, newest, answers) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for reader in 0..8 {
                let (index, settings, done, newest, answers) = (&index, &settings, &done, &newest, &answers);
                scope.spawn(move || {
                    // Half of them share the writer's index, half come from outside.
                    let own = (reader % 2 == 0).then(|| Index::open(index.path()).unwrap());
                    let index = own.as_ref().unwrap_or(index);
                    let mut last = 0;
                    while !done.load(Ordering::Relaxed) {
                        index.refresh().unwrap();
                        let version = version_of(&index.snapshot(), settings, newest.load(Ordering::Acquire));
                        assert!(version >= last, "went back from {last} to {version}");
                        last = version;
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let end = Instant::now() + Duration::from_millis(1500);
            let full = CompactOptions { full: true, ..CompactOptions::default() };
            for version in 1.. {
                newest.store(version, Ordering::Release);
                write_version(&mut writer, &settings, version);
                if version % 5 == 0 {
                    writer.compact(&full, &mut |_| {}).unwrap();
                }
                if Instant::now() > end {
                    break;
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!(answers.load(Ordering::Relaxed) > 20);
        drop(writer);
        assert!(verify(index.path(), VerifyLevel::Full).unwrap().is_whole());
    }
}

#[test]
fn backups_hold_one_whole_commit_each_while_a_writer_works() {
    let settings = settings(TokenStorage::F16, DenseStorage::None);
    let dir = tempfile::tempdir().unwrap();
    let index = Index::create(&dir.path().join("index"), &settings, &model()).unwrap();
    let merge = MergePolicy { segments_per_tier: 2, ..MergePolicy::default() };
    let mut writer = index.writer(WriterOptions { merge, ..small_writer() }).unwrap();
    write_version(&mut writer, &settings, 0);
    let (done, newest) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let full = CompactOptions { full: true, ..CompactOptions::default() };
            for version in 1.. {
                newest.store(version, Ordering::Release);
                write_version(&mut writer, &settings, version);
                writer.compact(&full, &mut |_| {}).unwrap();
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for n in 0..10 {
            let to = dir.path().join(format!("copy-{n}"));
            let report = backup(index.path(), &to, &mut |_| {}).unwrap();
            assert!(report.verified.is_whole(), "{:?}", report.verified.findings);
            let copy = Index::open(&to).unwrap().snapshot();
            assert_eq!(copy.generation(), report.generation);
            version_of(&copy, &settings, newest.load(Ordering::Acquire));
            assert!(matches!(backup(index.path(), &to, &mut |_| {}), Err(IndexError::AlreadyExists { .. })));
        }
        done.store(true, Ordering::Relaxed);
    });
}
