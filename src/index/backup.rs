//! A copy of one commit, made while a writer works.

use std::io::Write;
use std::path::Path;

use super::directory::{Directory, FileDirectory, ReadMode};
use super::garbage::named_by;
use super::publish::{Publication, io_error, sync_names};
use super::snapshot::{Snapshot, newest_generation};
use super::verify::{VerifyLevel, VerifyReport, verify_manifest};
use super::{IndexError, IndexOptions, file_name, lock};
use crate::format::FileName;

/// What [`backup`] copied.
#[derive(Debug)]
#[non_exhaustive]
pub struct BackupReport {
    /// The commit.
    pub generation: u64,
    /// Its live documents.
    pub documents: u64,
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What reading the copy back found: nothing, if it is good.
    pub verified: VerifyReport,
}

/// Copies the newest commit of the index `from` to the directory `to`, and reads the copy back in full.
///
/// The commit is pinned meanwhile, so writers may go on: add, delete, compact, collect. The copy is an index of
/// its own, durable when this returns, with everything but the history before this commit.
/// `progress` is told after each file how many bytes are copied.
///
/// # Errors
/// [`IndexError::AlreadyExists`] if there is an index at `to`; [`IndexError::Io`], [`IndexError::SyncFailed`],
/// [`IndexError::Format`]. What was begun at `to` is then no index, and is collected when one is made there.
pub fn backup(from: &Path, to: &Path, progress: &mut dyn FnMut(u64)) -> Result<BackupReport, IndexError> {
    backup_in(&FileDirectory::new(from), &FileDirectory::new(to), progress)
}

/// As [`backup`], between any directories.
///
/// # Errors
/// As [`backup`].
pub fn backup_in(
    from: &dyn Directory,
    to: &dyn Directory,
    progress: &mut dyn FnMut(u64),
) -> Result<BackupReport, IndexError> {
    let snapshot = Snapshot::load_newest(from, IndexOptions::default(), None)?;
    to.make().map_err(|source| IndexError::Io {
        action: "create the directory",
        path: to.path().to_owned(),
        source,
    })?;
    let _lock = lock(to)?;
    if newest_generation(to)?.is_some() {
        return Err(IndexError::AlreadyExists { dir: to.path().to_owned() });
    }
    let (mut files, mut bytes) = (0, 0);
    let manifest = FileName::Manifest(snapshot.generation());
    let rest = named_by(snapshot.manifest()).into_iter().filter(|&name| name != manifest);
    for name in rest {
        bytes += copy(from, to, name)?;
        files += 1;
        progress(bytes);
    }
    // As in a commit: everything that it names before the manifest.
    sync_names(to)?;
    bytes += copy(from, to, manifest)?;
    sync_names(to)?;
    let verified = verify_manifest(to, snapshot.manifest(), VerifyLevel::Full);
    let (generation, documents) = (snapshot.generation(), snapshot.documents());
    Ok(BackupReport { generation, documents, files: files + 1, bytes, verified })
}

fn copy(from: &dyn Directory, to: &dyn Directory, name: FileName) -> Result<u64, IndexError> {
    let name = file_name(name);
    let bytes =
        from.read(&name, ReadMode::Auto, u64::MAX).map_err(|source| io_error(from, "read", &name, source))?;
    let mut file = Publication::start(to, &name)?;
    file.write_all(&bytes).map_err(|source| io_error(to, "write", &name, source))?;
    file.finish()
}
