//! Which files nobody needs any more.
//!
//! The decision is a function of the names present and of what the kept manifests name; removing is the
//! caller's. Kept are the newest manifest, those that a reader has pinned, in whatever process, and the one before the
//! newest, for readers on file systems without locks. Only the writer removes, under its lock.
//!
//! A reader pins a manifest by a shared lock of the kernel on its file, taken before anything that it names is opened,
//! and freed when the snapshot or its process ends. The writer removes a manifest only while it alone has it locked,
//! and files only when no manifest that is left names them.

use std::collections::HashSet;

use super::publish::TMP_SUFFIX;
use crate::format::{FileName, Manifest};

/// The names of all files that a manifest needs, its own included.
pub(super) fn named_by(manifest: &Manifest) -> Vec<FileName> {
    let mut names = vec![FileName::Manifest(manifest.generation)];
    for segment in &manifest.segments {
        names.push(FileName::Segment(segment.number));
        names.extend(segment.tombstones.as_ref().map(|record| FileName::Tombstones(record.number)));
    }
    names
}

/// The names among `present` to remove, when exactly `kept` manifests are to stay, and a merge may be at work on the
/// segment `busy`.
///
/// Names that are not an index's own are never removed.
pub(super) fn removable(present: &[String], kept: &[&Manifest], busy: Option<u64>) -> Vec<String> {
    let busy = busy.map(FileName::Segment);
    let mut needed: HashSet<FileName> = kept.iter().flat_map(|manifest| named_by(manifest)).collect();
    needed.insert(FileName::Lock);
    let mut names: Vec<String> = present
        .iter()
        .filter(|name| match name.strip_suffix(TMP_SUFFIX) {
            // The lock is held, so no other writer is at work on it.
            Some(name) => FileName::parse(name).is_some_and(|name| Some(name) != busy),
            None => FileName::parse(name).is_some_and(|name| !needed.contains(&name) && Some(name) != busy),
        })
        .cloned()
        .collect();
    // Manifests go first: what remains after an interruption is then orphans, never a manifest without files.
    names.sort_by_key(|name| (!matches!(FileName::parse(name), Some(FileName::Manifest(_))), name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{SegmentRecord, TombstoneRecord};

    fn manifest(generation: u64, segments: &[(u64, Option<u64>)]) -> Manifest {
        let record = |&(number, tombstones): &(u64, Option<u64>)| SegmentRecord {
            number,
            documents: 1,
            tokens: 0,
            bytes: 0,
            identity: 0,
            tombstones: tombstones.map(|number| TombstoneRecord { number, deleted: 1, checksum: 0 }),
        };
        Manifest { generation, segments: segments.iter().map(record).collect(), ..Manifest::default() }
    }

    #[test]
    fn only_what_no_kept_manifest_names_goes() {
        let (newest, previous) =
            (manifest(5, &[(2, Some(9)), (7, None)]), manifest(4, &[(1, None), (2, Some(6))]));
        let mut present: Vec<String> = [3, 4, 5].map(FileName::Manifest).map(|name| name.to_string()).into();
        present.extend([1, 2, 3, 7, 8].map(FileName::Segment).map(|name| name.to_string()));
        present.extend([5, 6, 9].map(FileName::Tombstones).map(|name| name.to_string()));
        present.extend(["lock", "lock.tmp", "notes.txt", "notes.tmp", "segment-2.lts"].map(str::to_owned));
        present.push(format!("{}.tmp", FileName::Segment(2)));
        let mut gone = removable(&present, &[&newest, &previous], None);
        assert_eq!(gone[0], FileName::Manifest(3).to_string());
        assert!(!removable(&present, &[&newest], Some(8)).contains(&FileName::Segment(8).to_string()));
        gone.sort();
        let mut expected = vec![
            FileName::Manifest(3).to_string(),
            FileName::Segment(3).to_string(),
            FileName::Segment(8).to_string(),
            FileName::Tombstones(5).to_string(),
            format!("{}.tmp", FileName::Segment(2)),
            "lock.tmp".to_owned(),
        ];
        expected.sort();
        assert_eq!(gone, expected);
    }
}
