//! What several tests of this room need.

use std::path::{Path, PathBuf};

/// A path in the shared test data (`LATEEN_DATA`, else `../shared/data` beside the checkout); none, with a word about
/// it, if it is not there.
pub(super) fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LATEEN_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: {} is not there", found.display());
    None
}
