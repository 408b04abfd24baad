//! At every call to the disk: the power fails, or the call does. What was committed is there afterwards.

use std::io::ErrorKind;
use std::sync::Arc;

use super::faulty::{Fault, FaultyDirectory, PowerCut};
use super::*;

const ROUNDS: usize = 5;
const DELETED: [&str; 5] = ["0-0", "0-1", "0-2", "0-3", "1-3"];

/// What the script's commits made, in order; before the first there is nothing, then an empty index.
struct Script {
    states: Vec<Contents>,
}

impl Script {
    fn settings() -> IndexSettings {
        settings(TokenStorage::F32, DenseStorage::F32)
    }

    /// Runs until an error; counts in `acknowledged` the states that were promised.
    fn run(directory: &FaultyDirectory, acknowledged: &mut usize) -> Result<(), IndexError> {
        let settings = Self::settings();
        let directory: Arc<dyn Directory> = Arc::new(directory.clone());
        let index = Index::create_in(directory, &settings, &model(), IndexOptions::default())?;
        *acknowledged += 1;
        // So small that every third document flushes a segment, and that commits merge.
        let merge = MergePolicy { segments_per_tier: 5, ..MergePolicy::default() };
        let options = WriterOptions { memory_budget_bytes: 3000, merge, ..small_writer() };
        let mut writer = index.writer(options.clone())?;
        for round in 0..ROUNDS {
            for n in 0..5 {
                writer.add(document(&settings, &format!("{round}-{n}"), 0))?;
            }
            writer.commit()?;
            *acknowledged += 1;
        }
        writer.add(document(&settings, "0-1", 1))?;
        writer.add(document(&settings, "2-4", 1))?;
        writer.commit()?;
        *acknowledged += 1;
        drop(writer);
        let mut writer = index.writer(options)?;
        for id in DELETED {
            assert!(writer.delete(id)?);
        }
        writer.commit()?;
        *acknowledged += 1;
        writer.compact(&CompactOptions { full: true, ..CompactOptions::default() }, &mut |_| {})?;
        *acknowledged += 1;
        writer.add(document(&settings, "last", 0))?;
        writer.commit()?;
        *acknowledged += 1;
        Ok(())
    }

    fn record() -> (Self, u64) {
        let directory = FaultyDirectory::default();
        Self::run(&directory, &mut 0).unwrap();
        let settings = Self::settings();
        let mut contents = Contents::new();
        let mut states = vec![contents.clone()];
        let put = |contents: &mut Contents, id: &str, version| {
            let (_, index) = memory_index(&settings);
            let mut writer = index.writer(small_writer()).unwrap();
            writer.add(document(&settings, id, version)).unwrap();
            writer.commit().unwrap();
            contents.append(&mut read_all(&index.snapshot()).unwrap());
        };
        for round in 0..ROUNDS {
            (0..5).for_each(|n| put(&mut contents, &format!("{round}-{n}"), 0));
            states.push(contents.clone());
        }
        put(&mut contents, "0-1", 1);
        put(&mut contents, "2-4", 1);
        states.push(contents.clone());
        for id in DELETED {
            contents.remove(id);
        }
        states.push(contents.clone());
        // Compacting changes nothing that can be read.
        states.push(contents.clone());
        put(&mut contents, "last", 0);
        states.push(contents);
        (Self { states }, directory.calls())
    }

    /// Checks what is found after a crash, and that work goes on from there.
    fn check(&self, disk: &MemoryDirectory, acknowledged: usize, context: &str) {
        let index = match open(disk) {
            Ok(index) => index,
            // Creation was never acknowledged.
            Err(IndexError::NoIndex { .. }) if acknowledged == 0 => return,
            Err(error) => panic!("{context}: {error}"),
        };
        let found = read_all(&index.snapshot()).unwrap();
        let next = self.states.get(acknowledged);
        // State k of the list is promised by acknowledgement k + 1.
        let last = acknowledged.checked_sub(1).map(|k| &self.states[k]);
        assert!(
            Some(&found) == last || Some(&found) == next,
            "{context}: neither the last commit nor the next"
        );

        let mut writer = index.writer(small_writer()).unwrap();
        writer.add(document(&Self::settings(), "afterwards", 0)).unwrap();
        writer.commit().unwrap();
        writer.delete("afterwards").unwrap();
        writer.commit().unwrap();
        drop(writer);
        assert_eq!(read_all(&open(disk).unwrap().snapshot()).unwrap(), found, "{context}");
        no_orphans(disk, context);
    }
}

/// Every file is named by one of the two manifests that are kept.
fn no_orphans(disk: &MemoryDirectory, context: &str) {
    let names = disk.names().unwrap();
    let kept: Vec<_> =
        snapshot::generations(&names).map(|g| snapshot::read_manifest(disk, g).unwrap()).collect();
    assert!(kept.len() <= 2, "{context}");
    let named: Vec<_> = kept.iter().flat_map(garbage::named_by).map(file_name).collect();
    assert!(names.iter().all(|name| named.contains(name)), "{context}: orphans in {names:?}");
}

/// Cuts the power at every call, and looks at `seeds` states of the disk for each kind of cut that is random. Returns
/// how many states that were.
fn cut_everywhere(seeds: u64) -> u64 {
    let (script, calls) = Script::record();
    let mut states = 0;
    for at in 0..=calls {
        let directory = FaultyDirectory::failing(at, Fault::Crash);
        let mut acknowledged = 0;
        let result = Script::run(&directory, &mut acknowledged);
        // What fails after the last commit, the removal of old files, fails nothing.
        assert_eq!(result.is_ok(), acknowledged == script.states.len(), "call {at}");
        for cut in [PowerCut::DropAll, PowerCut::KeepAll, PowerCut::Subset, PowerCut::Torn] {
            let random = matches!(cut, PowerCut::Subset | PowerCut::Torn);
            for seed in 0..if random { seeds } else { 1 } {
                let disk = directory.after_power_cut(cut, seed);
                script.check(&disk, acknowledged, &format!("call {at} of {calls}, {cut:?}, seed {seed}"));
                states += 1;
            }
        }
    }
    println!("{states} crash states at {calls} calls");
    states
}

#[test]
fn a_power_cut_at_any_call_keeps_every_acknowledged_commit() {
    let states = cut_everywhere(15);
    assert!(states >= 5000, "{states}");
}

#[test]
#[ignore = "minutes: `cargo xtask long`"]
fn long_power_cuts_at_any_call_keep_every_acknowledged_commit() {
    let states = cut_everywhere(320);
    assert!(states >= 100_000, "{states}");
}

#[test]
fn a_failing_call_is_an_error_and_loses_nothing() {
    let (script, calls) = Script::record();
    let kinds = [ErrorKind::StorageFull, ErrorKind::PermissionDenied, ErrorKind::Other];
    let faults =
        kinds.map(Fault::Error).into_iter().chain(kinds.map(Fault::ErrorAfter)).chain([Fault::ShortWrite]);
    for fault in faults {
        for at in 0..calls {
            let directory = FaultyDirectory::failing(at, fault);
            let mut acknowledged = 0;
            // Removals and lists of what to remove may fail without failing the commit.
            let _ = Script::run(&directory, &mut acknowledged);
            let context = format!("call {at} of {calls}, {fault:?}");
            for cut in [PowerCut::KeepAll, PowerCut::DropAll] {
                script.check(&directory.after_power_cut(cut, 0), acknowledged, &context);
            }
        }
    }
}

/// Runs one commit that meets `fault` at call `at`, and then `retry`.
fn commit_with_fault(
    at: u64,
    fault: Fault,
    retry: impl FnOnce(Result<CommitInfo, IndexError>, &mut Writer, &Index),
) -> bool {
    let directory = FaultyDirectory::default();
    let settings = Script::settings();
    let shared: Arc<dyn Directory> = Arc::new(directory.clone());
    let index = Index::create_in(shared, &settings, &model(), IndexOptions::default()).unwrap();
    let mut writer = index.writer(small_writer()).unwrap();
    writer.add(document(&settings, "a", 0)).unwrap();
    writer.commit().unwrap();
    writer.add(document(&settings, "a", 1)).unwrap();
    writer.add(document(&settings, "b", 0)).unwrap();
    let start = directory.calls();
    directory.set_fault(start + at, fault);
    let result = writer.commit();
    let reached = directory.calls() > start + at;
    retry(result, &mut writer, &index);
    reached
}

#[test]
fn a_commit_can_be_tried_again_unless_a_sync_failed() {
    let mut retried = 0;
    let mut poisoned = 0;
    for fault in [Fault::Error(ErrorKind::StorageFull), Fault::ErrorAfter(ErrorKind::StorageFull)] {
        for at in 0.. {
            let reached = commit_with_fault(at, fault, |result, writer, index| match result {
                Ok(_) => {}
                Err(IndexError::SyncFailed { .. }) => {
                    poisoned += 1;
                    assert!(matches!(writer.commit(), Err(IndexError::Poisoned { .. })));
                    assert!(matches!(writer.delete("a"), Err(IndexError::Poisoned { .. })));
                    assert_eq!(index.snapshot().documents(), 1);
                }
                Err(_) => {
                    retried += 1;
                    assert_eq!(index.snapshot().documents(), 1);
                    writer.commit().unwrap();
                    assert_eq!(index.snapshot().documents(), 2);
                    assert_eq!(read_all(&index.snapshot()).unwrap().len(), 2);
                }
            });
            if !reached {
                break;
            }
        }
    }
    assert!(retried >= 10 && poisoned >= 8, "{retried} retried, {poisoned} poisoned");
}
