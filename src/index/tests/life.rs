//! Documents come, change and go; a map of the same documents says what must be there.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::format::{TunedTarget, Tuning};

#[derive(Debug, Clone)]
enum Step {
    Add(u8, u64),
    Delete(u8),
    Commit,
    /// Drops the writer without a commit, and opens everything anew.
    Reopen,
    /// Reads the whole index and compares it.
    Read,
    /// Merges everything, or what is due.
    Compact(bool),
    Merge,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..12_u8, 0..4_u64).prop_map(|(id, version)| Step::Add(id, version)),
        4 => (0..12_u8).prop_map(Step::Delete),
        3 => Just(Step::Commit),
        1 => Just(Step::Reopen),
        1 => Just(Step::Read),
        1 => prop::bool::ANY.prop_map(Step::Compact),
        1 => Just(Step::Merge),
    ];
    prop::collection::vec(step, 0..60)
}

type Model = BTreeMap<String, u64>;

fn check(snapshot: &Snapshot, settings: &IndexSettings, model: &Model) {
    let contents = read_all(snapshot).unwrap();
    let found: Model = contents.iter().map(|(id, seen)| (id.clone(), seen.content_hash)).collect();
    assert_eq!(&found, model);
    for (id, seen) in contents {
        let version =
            (0..4).find(|&version| document(settings, &id, version).content_hash == seen.content_hash);
        let expected = document(settings, &id, version.unwrap());
        assert_eq!(seen.stored, expected.stored);
        assert_eq!(seen.dense, bytemuck::cast_slice::<f32, u8>(&expected.dense.unwrap()));
        let mut matrix = expected.tokens.unwrap().matrix;
        matrix.normalize_rows();
        assert_eq!(seen.tokens, bytemuck::cast_slice::<f32, u8>(matrix.view().as_slice()));
    }
}

fn live(steps: &[Step], memory_budget_bytes: usize, mode: MergeMode) {
    let settings = settings(TokenStorage::F32, DenseStorage::F32);
    let (directory, mut index) = memory_index(&settings);
    let merge = MergePolicy { mode, segments_per_tier: 2, ..MergePolicy::default() };
    let options = WriterOptions { memory_budget_bytes, merge, ..small_writer() };
    let mut writer = Some(index.writer(options.clone()).unwrap());
    let (mut committed, mut current) = (Model::new(), Model::new());
    for step in steps {
        let open_writer = writer.as_mut().unwrap();
        match step {
            Step::Add(id, version) => {
                let document = document(&settings, &format!("doc-{id}"), *version);
                let (id, hash) = (document.id.clone(), document.content_hash);
                assert_eq!(open_writer.contains(&id).unwrap(), current.get(&id).copied());
                assert_eq!(open_writer.add(document).unwrap(), current.insert(id, hash).is_some());
            }
            Step::Delete(id) => {
                let id = format!("doc-{id}");
                assert_eq!(open_writer.delete(&id).unwrap(), current.remove(&id).is_some());
                assert_eq!(open_writer.contains(&id).unwrap(), None);
            }
            Step::Commit => {
                let info = open_writer.commit().unwrap();
                committed.clone_from(&current);
                assert_eq!(info.documents, current.len() as u64);
                assert_eq!(info.generation, index.snapshot().generation());
            }
            Step::Reopen => {
                drop(writer.take());
                index = open(&directory).unwrap();
                writer = Some(index.writer(options.clone()).unwrap());
                current.clone_from(&committed);
            }
            Step::Compact(full) => {
                let options = CompactOptions { full: *full, ..CompactOptions::default() };
                let info = open_writer.compact(&options, &mut |_| {}).unwrap();
                committed.clone_from(&current);
                let snapshot = index.snapshot();
                assert!(!full || (info.segments.1 <= 1 && snapshot.bound() as usize == current.len()));
                assert_eq!(snapshot.documents(), current.len() as u64);
            }
            Step::Merge => {
                open_writer.merge_once(u64::MAX).unwrap();
                committed.clone_from(&current);
            }
            Step::Read => check(&index.snapshot(), &settings, &committed),
        }
        assert_eq!(writer.as_ref().unwrap().documents(), current.len() as u64);
    }
    check(&index.snapshot(), &settings, &committed);
    check(&open(&directory).unwrap().snapshot(), &settings, &committed);
    let report = verify_in(&directory, VerifyLevel::Full).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_index_is_a_map_of_documents(
        steps in steps(),
        budget in prop_oneof![Just(1), Just(2000), Just(1 << 20)],
        mode in prop_oneof![Just(MergeMode::Manual), Just(MergeMode::OnCommit), Just(MergeMode::Background)],
    ) {
        live(&steps, budget, mode);
    }
}

#[test]
fn a_snapshot_stays_what_it_was() {
    let settings = settings(TokenStorage::Residual4, DenseStorage::None);
    let (directory, index) = memory_index(&settings);
    let other = open(&directory).unwrap();
    let mut writer = index.writer(small_writer()).unwrap();
    let mut seen = Vec::new();
    for round in 0..6 {
        for n in 0..4 {
            writer.add(document(&settings, &format!("{n}"), round)).unwrap();
        }
        writer.delete(&format!("{}", round % 4)).unwrap();
        writer.commit().unwrap();
        let snapshot = index.snapshot();
        seen.push((read_all(&snapshot).unwrap(), snapshot));
    }
    for (contents, snapshot) in seen {
        assert_eq!(read_all(&snapshot).unwrap(), contents);
    }
    assert_eq!(other.snapshot().documents(), 0);
    assert!(other.refresh().unwrap());
    assert!(!other.refresh().unwrap());
    assert_eq!(other.snapshot().generation(), index.snapshot().generation());
    assert_eq!(read_all(&other.snapshot()).unwrap(), read_all(&index.snapshot()).unwrap());
}

#[test]
fn nothing_to_commit_writes_nothing() {
    let settings = settings(TokenStorage::F16, DenseStorage::None);
    let (directory, index) = memory_index(&settings);
    let mut writer = index.writer(small_writer()).unwrap();
    assert_eq!(writer.commit().unwrap().generation, 1);
    writer.add(document(&settings, "a", 0)).unwrap();
    writer.delete("a").unwrap();
    assert_eq!(writer.commit().unwrap().generation, 1);
    assert!(!writer.delete("a").unwrap());
    let before = files(&directory);
    assert_eq!(writer.commit().unwrap().documents, 0);
    assert_eq!(files(&directory), before);
}

#[test]
fn opening_and_reading_write_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let settings = settings(TokenStorage::Residual2, DenseStorage::I8);
    let index = Index::create(&path, &settings, &model()).unwrap();
    let mut writer = index.writer(small_writer()).unwrap();
    for n in 0..20 {
        writer.add(document(&settings, &format!("{n}"), 0)).unwrap();
    }
    writer.commit().unwrap();
    drop((writer, index));
    let before = files(&FileDirectory::new(&path));
    let contents = read_all(&Index::open(&path).unwrap().snapshot()).unwrap();
    let options = IndexOptions::default().with_read_mode(ReadMode::InMemory);
    let directory = Arc::new(FileDirectory::new(&path));
    let in_memory = Index::open_in(directory, options).unwrap();
    assert_eq!(read_all(&in_memory.snapshot()).unwrap(), contents);
    assert!(verify(&path, VerifyLevel::Full).unwrap().findings.is_empty());
    assert_eq!(files(&FileDirectory::new(&path)), before);
}

#[test]
fn readers_survive_the_commits_of_a_writer() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(TokenStorage::F32, DenseStorage::None);
    let index = Index::create(dir.path(), &settings, &model()).unwrap();
    let reader = Index::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = 0;
                    while last < 41 {
                        let index = Index::open(dir.path()).unwrap();
                        let contents = read_all(&index.snapshot()).unwrap();
                        // Every commit replaces all documents by those of one version.
                        let versions: std::collections::BTreeSet<_> =
                            contents.values().map(|seen| seen.stored.clone().unwrap().metadata).collect();
                        assert!(versions.len() <= 1, "{versions:?}");
                        assert!(index.snapshot().generation() >= last);
                        last = index.snapshot().generation();
                    }
                })
            })
            .collect();
        let mut writer = index.writer(small_writer()).unwrap();
        for version in 0..40 {
            for n in 0..3 {
                writer.add(document(&settings, &format!("{n}"), version)).unwrap();
            }
            writer.commit().unwrap();
            reader.refresh().unwrap();
            assert_eq!(reader.snapshot().generation(), version + 2);
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn a_tuning_is_kept_until_another_is_set() {
    let settings = settings(TokenStorage::F32, DenseStorage::None);
    let (directory, index) = memory_index(&settings);
    let target = TunedTarget { k: 10, recall: 990_000, measured: 995_000, lower: 991_000, knobs: Vec::new() };
    let tuning = Tuning { documents: 1, queries: 8, targets: vec![target], ..Tuning::default() };
    let mut writer = index.writer(small_writer()).unwrap();
    writer.set_tuning(Some(tuning.clone())).unwrap();
    assert_eq!(index.snapshot().tuning(), None);
    writer.commit().unwrap();
    writer.add(document(&settings, "a", 1)).unwrap();
    let generation = writer.commit().unwrap().generation;
    // Set to what it is: nothing to commit.
    writer.set_tuning(Some(tuning.clone())).unwrap();
    assert_eq!(writer.commit().unwrap().generation, generation);
    drop(writer);
    let index = open(&directory).unwrap();
    assert_eq!(index.snapshot().tuning(), Some(&tuning));
    let mut writer = index.writer(small_writer()).unwrap();
    let wrong = Tuning { targets: vec![TunedTarget::default()], ..tuning.clone() };
    assert!(matches!(writer.set_tuning(Some(wrong)), Err(IndexError::Tuning(_))));
    writer.set_tuning(None).unwrap();
    assert_eq!(index.snapshot().tuning(), Some(&tuning));
    writer.commit().unwrap();
    assert_eq!(index.snapshot().tuning(), None);
}
