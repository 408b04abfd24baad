//! Where the files of an index live, behind a face narrow enough to be simulated.
//!
//! An index needs few things of a file system: to list names, to read a file whole, to write a new file from
//! front to back, to sync it, to rename it, to remove it, to sync the directory, and one lock. Crash safety
//! rests on how these are ordered, and a simulated directory that fails at each call in turn shows that the
//! order is right (`src/index/tests/crash.rs`).

mod file;
mod file_system;
mod memory;

use std::fmt;
use std::io::{self, Write};
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

pub use file::FileDirectory;
pub use memory::MemoryDirectory;

use super::mmap::MappedFile;
use crate::format::AlignedBytes;

/// How the bytes of a segment come into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadMode {
    /// Mapped on local disks; in memory on file systems of other machines, of user-space programs and of removable
    /// media, where a page that cannot be read ends the process. The kernel says which (Linux; elsewhere: mapped).
    #[default]
    Auto,
    /// Mapped: opening costs nothing, and the operating system pages in what is touched and drops what is
    /// not. A stranger who truncates a mapped file in place ends the process.
    Mmap,
    /// Read whole into the heap when opened, by ordinary reads: an error is an error, and what was read stays.
    InMemory,
}

/// The bytes of a whole file, 64-byte aligned, constant.
#[derive(Debug, Clone)]
pub enum FileBytes {
    /// Paged in on demand.
    Mapped(Arc<MappedFile>),
    /// On the heap.
    Memory(Arc<AlignedBytes>),
}

impl FileBytes {
    /// Begins to read some bytes that will be wanted soon, if they are mapped.
    pub(super) fn will_need(&self, range: Range<usize>) {
        if let Self::Mapped(map) = self {
            map.will_need(range);
        }
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Memory(bytes) => bytes,
        }
    }
}

/// A file being written, front to back.
pub trait OutputFile: Write {
    /// Waits until everything written is on stable storage.
    ///
    /// # Errors
    /// After one, it is unknown what reached the disk: the file must not be published.
    fn sync(&mut self) -> io::Result<()>;
}

/// A lock or a pin; frees it when dropped, and the kernel does so when the process ends.
pub trait LockGuard: fmt::Debug + Send + Sync {}

/// One directory of files. Names are plain file names.
pub trait Directory: fmt::Debug + Send + Sync + 'static {
    /// Where it is, for messages.
    fn path(&self) -> &Path;

    /// Makes sure that the directory exists, durably.
    ///
    /// # Errors
    /// If it cannot be made.
    fn make(&self) -> io::Result<()>;

    /// All names, in any order.
    ///
    /// # Errors
    /// If the directory cannot be read.
    fn names(&self) -> io::Result<Vec<String>>;

    /// The bytes of a file.
    ///
    /// # Errors
    /// If the file is missing or cannot be read, or is longer than `limit` bytes.
    fn read(&self, name: &str, mode: ReadMode, limit: u64) -> io::Result<FileBytes>;

    /// Starts a new file; one of that name is replaced.
    ///
    /// # Errors
    /// If it cannot be made.
    fn create(&self, name: &str) -> io::Result<Box<dyn OutputFile>>;

    /// Gives a file another name, atomically, replacing what had it.
    ///
    /// # Errors
    /// If the operating system refuses.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Readers that have it open keep it.
    ///
    /// # Errors
    /// If the operating system refuses.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Waits until all creations, renames and removals are on stable storage.
    ///
    /// # Errors
    /// After one, it is unknown which names are durable.
    fn sync(&self) -> io::Result<()>;

    /// Takes the exclusive lock on `name` if nobody has it.
    ///
    /// # Errors
    /// If locks cannot be had here at all.
    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn LockGuard>>>;

    /// Marks a file as in use, by whom else does not matter, for as long as the guard lives or its process does.
    /// Writes nothing. `None` where such marks cannot be had.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if the file is not there, or was removed in the meantime.
    fn pin(&self, _name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        Ok(None)
    }

    /// Removes a file unless it is [pinned](Self::pin), in any process; returns whether it is gone.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] where nobody can know, otherwise as [`Directory::remove`].
    fn remove_unpinned(&self, _name: &str) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The error of a file longer than the reader allows.
fn too_long(name: &str, length: u64, limit: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("{name} has {length} bytes, more than the {limit} that such a file can have"),
    )
}
