//! What is whole is kept, what is lost is listed, and the result is whole.

use super::*;
use crate::format::{FileName, SectionKind};

/// Two segments of 300 documents, some of the first deleted, some replaced.
fn sound() -> (MemoryDirectory, Contents) {
    let settings = settings(TokenStorage::Residual4, DenseStorage::F32);
    let (directory, index) = memory_index(&settings);
    let mut writer = index.writer(WriterOptions { graph_min_documents: 100, ..small_writer() }).unwrap();
    for n in 0..300 {
        writer.add(document(&settings, &format!("{n}"), 0)).unwrap();
    }
    writer.commit().unwrap();
    for n in 280..580 {
        writer.add(document(&settings, &format!("{n}"), 1)).unwrap();
    }
    for n in 0..10 {
        assert!(writer.delete(&format!("{n}")).unwrap());
    }
    writer.commit().unwrap();
    let contents = read_all(&index.snapshot()).unwrap();
    (directory, contents)
}

/// Flips a bit of a file.
fn damage(directory: &MemoryDirectory, name: &str, at: usize) {
    let mut bytes = directory.read(name, ReadMode::InMemory, u64::MAX).unwrap().to_vec();
    bytes[at] ^= 0x10;
    directory.put(name, &bytes);
}

/// What every repair promises; returns the report and what is there afterwards.
fn repaired(directory: &MemoryDirectory, context: &str) -> (RepairReport, Contents) {
    let report = repair_in(directory).unwrap_or_else(|error| panic!("{context}: {error}"));
    let checked = verify_in(directory, VerifyLevel::Full).unwrap();
    assert!(checked.is_whole(), "{context}: {:?}", checked.findings);
    let snapshot = open(directory).unwrap().snapshot();
    assert_eq!(snapshot.documents(), report.documents, "{context}");
    assert_eq!(report.generation, Some(snapshot.generation()));
    let contents = read_all(&snapshot).unwrap();
    // And work goes on.
    let index = open(directory).unwrap();
    let mut writer = index.writer(small_writer()).unwrap();
    writer.delete("300").unwrap();
    writer.commit().unwrap();
    assert!(repair_in(directory).is_err(), "a writer is at work");
    drop(writer);
    assert!(repair_in(directory).unwrap().was_whole());
    (report, contents)
}

#[test]
fn an_index_that_is_whole_is_left_alone() {
    let (directory, _) = sound();
    let before = files(&directory);
    let report = repair_in(&directory).unwrap();
    assert!(report.was_whole() && report.segments.is_empty());
    assert_eq!(report.documents, 570);
    let mut after = files(&directory);
    // Taking the lock made its file, where locks are files.
    after.retain(|name, _| before.contains_key(name));
    assert_eq!(after, before);
    let empty = MemoryDirectory::new();
    assert!(matches!(repair_in(&empty), Err(IndexError::NoIndex { .. })));
}

#[test]
fn damage_in_any_section_costs_no_more_than_it_hit() {
    let (directory, contents) = sound();
    let snapshot = open(&directory).unwrap().snapshot();
    let reader = snapshot.segments()[0].reader();
    let name = FileName::Segment(reader.number()).to_string();
    for entry in reader.entries() {
        let (kind, range) = (entry.kind(), entry.range());
        let copy = MemoryDirectory::new();
        files(&directory).iter().for_each(|(name, bytes)| copy.put(name, bytes));
        damage(&copy, &name, range.start + range.len() / 2);
        let (report, found) = repaired(&copy, kind.name());
        let damaged = &report.segments[0];
        let lost = damaged.lost.len() as u64 + damaged.lost_unnamed;
        assert_eq!(found.len() as u64 + lost, contents.len() as u64, "{kind}: {report:?}");
        // The blocks of 64 KiB are as large as these sections, so that one bit takes all their documents. What can
        // be made again costs nothing.
        let made_again = matches!(kind, SectionKind::InvertedLists | SectionKind::GraphLinks);
        assert_eq!(lost == 0, made_again, "{kind}: {report:?}");
        for (id, seen) in &found {
            assert_eq!(seen.content_hash, contents[id].content_hash);
            assert_eq!((&seen.stored, &seen.dense), (&contents[id].stored, &contents[id].dense));
        }
        let second = (280..580).all(|n| found.contains_key(&format!("{n}")));
        assert!(second, "{kind}: the other segment is whole");
    }
}

#[test]
fn lost_deletions_bring_no_old_version_back() {
    let (directory, contents) = sound();
    let names = directory.names().unwrap();
    let tombstones = names.iter().find(|name| name.starts_with("tombstones")).unwrap();
    damage(&directory, tombstones, 70);
    let (report, found) = repaired(&directory, "tombstones");
    assert!(report.segments[0].deletions_lost);
    // The ten deleted ones are back, since nothing says that they were; those that were replaced are as they were.
    assert_eq!(found.len(), contents.len() + 10);
    for (id, seen) in &contents {
        assert_eq!(found[id].content_hash, seen.content_hash, "{id}");
    }
}

#[test]
fn a_lost_manifest_costs_what_it_committed() {
    let (directory, _) = sound();
    damage(&directory, &FileName::Manifest(3).to_string(), 100);
    assert!(open(&directory).is_err());
    let (report, found) = repaired(&directory, "manifest");
    assert_eq!((report.newest, report.repaired, report.generation), (3, 2, Some(4)));
    assert_eq!(found.len(), 300);
    let alone = MemoryDirectory::new();
    files(&directory).iter().for_each(|(name, bytes)| alone.put(name, bytes));
    for name in alone.names().unwrap().iter().filter(|name| name.starts_with("manifest")) {
        damage(&alone, name, 100);
    }
    assert!(matches!(repair_in(&alone), Err(IndexError::Format { .. })));
}
