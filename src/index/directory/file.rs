//! A directory of the operating system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file_system::may_be_mapped;
use super::{Directory, FileBytes, LockGuard, OutputFile, ReadMode, too_long};
use crate::format::AlignedBytes;
use crate::index::mmap::MappedFile;

/// Files on disk.
#[derive(Debug, Clone)]
pub struct FileDirectory {
    path: PathBuf,
}

impl FileDirectory {
    /// Uses the directory at `path`, which need not exist yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

impl Directory for FileDirectory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn make(&self) -> io::Result<()> {
        let missing: Vec<&Path> = self.path.ancestors().take_while(|path| !path.is_dir()).collect();
        fs::create_dir_all(&self.path)?;
        // A new name is durable once the directory that holds it is synced.
        missing.into_iter().rev().try_for_each(|path| sync_directory(parent(path)))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is not Unicode is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&self, name: &str, mode: ReadMode, limit: u64) -> io::Result<FileBytes> {
        let mut file = File::open(self.path.join(name))?;
        let length = file.metadata()?.len();
        if length > limit {
            return Err(too_long(name, length, limit));
        }
        let mapped = match mode {
            ReadMode::Auto => may_be_mapped(&file),
            ReadMode::Mmap => true,
            ReadMode::InMemory => false,
        };
        // An empty file cannot be mapped everywhere.
        if mapped && length > 0 {
            return Ok(FileBytes::Mapped(Arc::new(MappedFile::map(&file)?)));
        }
        let length = usize::try_from(length).map_err(|_| too_long(name, length, usize::MAX as u64))?;
        let mut bytes = AlignedBytes::zeroed(length);
        file.read_exact(&mut bytes)?;
        Ok(FileBytes::Memory(Arc::new(bytes)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn OutputFile>> {
        Ok(Box::new(DiskFile(File::create(self.path.join(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        sync_directory(&self.path)
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        let path = self.path.join(name);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(FileLock(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn pin(&self, name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        let path = self.path.join(name);
        let file = File::open(&path)?;
        match file.try_lock_shared() {
            // Names are never used twice: what is still there was not removed before it was locked.
            Ok(()) if path.try_exists()? => Ok(Some(Box::new(FileLock(file)))),
            // The one who holds it alone is about to remove it.
            Ok(()) | Err(TryLockError::WouldBlock) => Err(io::ErrorKind::NotFound.into()),
            // Some file systems have no locks, and some locks of read-only files are refused.
            Err(TryLockError::Error(error)) => {
                tracing::debug!(file = %path.display(), %error, "cannot be marked as in use");
                Ok(None)
            }
        }
    }

    fn remove_unpinned(&self, name: &str) -> io::Result<bool> {
        let path = self.path.join(name);
        // Where locks are those of a server, an exclusive one needs a file open for writing.
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => fs::remove_file(&path).map(|()| true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(io::Error::new(io::ErrorKind::Unsupported, error)),
        }
    }
}

/// The directory that holds the name `path`.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Where directories cannot be synced, renames are durable by themselves or not at all.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

struct DiskFile(File);

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl OutputFile for DiskFile {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// The lock lives as long as the open file.
#[derive(Debug)]
struct FileLock(#[expect(dead_code, reason = "held for its lock, which closing frees")] File);

impl LockGuard for FileLock {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_exclusive_and_freed_by_dropping() {
        let dir = tempfile::tempdir().unwrap();
        let directory = FileDirectory::new(dir.path());
        let lock = directory.try_lock("lock").unwrap();
        assert!(lock.is_some());
        assert!(directory.try_lock("lock").unwrap().is_none());
        drop(lock);
        assert!(directory.try_lock("lock").unwrap().is_some());
    }

    #[test]
    fn what_is_pinned_stays() {
        let dir = tempfile::tempdir().unwrap();
        let directory = FileDirectory::new(dir.path());
        directory.create("a").unwrap();
        let (first, second) = (directory.pin("a").unwrap(), directory.pin("a").unwrap());
        assert!(first.is_some() && second.is_some());
        assert!(!directory.remove_unpinned("a").unwrap());
        drop(first);
        assert!(!directory.remove_unpinned("a").unwrap());
        drop(second);
        assert!(directory.remove_unpinned("a").unwrap());
        assert_eq!(directory.pin("a").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn both_read_modes_read_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let directory = FileDirectory::new(&dir.path().join("a/b"));
        directory.make().unwrap();
        directory.make().unwrap();
        for content in [&b""[..], b"x", &[7; 5000]] {
            let mut file = directory.create("f.tmp").unwrap();
            file.write_all(content).unwrap();
            file.sync().unwrap();
            directory.rename("f.tmp", "f").unwrap();
            directory.sync().unwrap();
            for mode in [ReadMode::Auto, ReadMode::Mmap, ReadMode::InMemory] {
                assert_eq!(&directory.read("f", mode, 5000).unwrap()[..], content);
            }
            assert_eq!(directory.names().unwrap(), ["f"]);
        }
        let error = directory.read("f", ReadMode::InMemory, 4999).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        directory.remove("f").unwrap();
        let error = directory.read("f", ReadMode::Mmap, 5000).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
