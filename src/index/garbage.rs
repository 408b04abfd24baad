//! Which files nobody needs any more.
//!
//! The decision is a function of the names present and of what the kept manifests name; removing is the
//! caller's. Kept are the newest manifest and the one before it, so that a reader who read a manifest just
//! before a commit still finds its files. Only the writer removes, under its lock.

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

/// The names among `present` to remove, when exactly `kept` manifests are to stay.
///
/// Names that are not an index's own are never removed.
pub(super) fn removable(present: &[String], kept: &[&Manifest]) -> Vec<String> {
    let mut needed: HashSet<FileName> = kept.iter().flat_map(|manifest| named_by(manifest)).collect();
    needed.insert(FileName::Lock);
    let mut names: Vec<String> = present
        .iter()
        .filter(|name| match name.strip_suffix(TMP_SUFFIX) {
            // The lock is held, so no other writer is at work on it.
            Some(name) => FileName::parse(name).is_some(),
            None => FileName::parse(name).is_some_and(|name| !needed.contains(&name)),
        })
        .cloned()
        .collect();
    // Manifests go first: what remains after an interruption is then orphans, never a manifest without files.
    names.sort_by_key(|name| (!matches!(FileName::parse(name), Some(FileName::Manifest(_))), name.clone()));
    names
}
