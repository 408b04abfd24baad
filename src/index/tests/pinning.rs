//! What a reader has open is not collected, whoever reads and whoever writes.

use std::path::Path;

use super::*;

fn on_disk(settings: &IndexSettings) -> (tempfile::TempDir, Index) {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::create(&dir.path().join("index"), settings, &model()).unwrap();
    (dir, index)
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_pinned_commit_keeps_its_files_and_lets_them_go() {
    let settings = settings(TokenStorage::F32, DenseStorage::None);
    let (_dir, index) = on_disk(&settings);
    let mut writer = index.writer(small_writer()).unwrap();
    for n in 0..6 {
        writer.add(document(&settings, &format!("{n}"), 0)).unwrap();
        writer.commit().unwrap();
    }
    // As another process would open it: with descriptors of its own.
    let reader = Index::open(index.path()).unwrap();
    let snapshot = reader.snapshot();
    assert!(snapshot.is_pinned());
    let before = read_all(&snapshot).unwrap();
    let pinned: Vec<String> =
        garbage::named_by(snapshot.manifest()).into_iter().map(|name| name.to_string()).collect();
    let full = CompactOptions { full: true, ..CompactOptions::default() };
    for round in 0..4 {
        writer.delete(&format!("{round}")).unwrap();
        writer.commit().unwrap();
        writer.compact(&full, &mut |_| {}).unwrap();
        let present = names(index.path());
        assert!(pinned.iter().all(|name| present.contains(name)), "{present:?}");
    }
    assert_eq!(read_all(&snapshot).unwrap(), before);
    // The files can even be opened again by name.
    let directory = FileDirectory::new(index.path());
    assert!(verify::verify_manifest(&directory, snapshot.manifest(), VerifyLevel::Full).is_whole());
    assert!(reader.refresh().unwrap());
    drop(snapshot);
    drop(reader);
    writer.delete("4").unwrap();
    writer.commit().unwrap();
    writer.compact(&full, &mut |_| {}).unwrap();
    // A manifest, its segment, and the lock.
    assert_eq!(names(index.path()).len(), 3, "{:?}", names(index.path()));
}

#[test]
fn opening_writes_nothing_and_works_without_write_permission() {
    let settings = settings(TokenStorage::F32, DenseStorage::None);
    let (_dir, index) = on_disk(&settings);
    let mut writer = index.writer(small_writer()).unwrap();
    writer.add(document(&settings, "a", 0)).unwrap();
    writer.commit().unwrap();
    drop(writer);
    let before = names(index.path());
    for name in &before {
        let path = index.path().join(name);
        let mut permissions = std::fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(&path, permissions).unwrap();
    }
    let reader = Index::open(index.path()).unwrap();
    assert!(reader.snapshot().is_pinned());
    assert_eq!(reader.snapshot().documents(), 1);
    assert_eq!(names(index.path()), before);
}
