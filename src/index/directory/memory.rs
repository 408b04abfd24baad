//! A directory in memory: for tests and for indexes too small to be worth a disk.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Directory, FileBytes, LockGuard, OutputFile, ReadMode, too_long};
use crate::format::AlignedBytes;

/// Files on the heap, gone with the last clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryDirectory {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Arc<AlignedBytes>>,
    locks: HashSet<String>,
    pins: BTreeMap<String, usize>,
}

impl MemoryDirectory {
    /// An empty directory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a whole file there, replacing one of that name.
    pub fn put(&self, name: &str, content: &[u8]) {
        self.state().files.insert(name.to_owned(), Arc::new(AlignedBytes::from_slice(content)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No operation leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory for MemoryDirectory {
    fn path(&self) -> &Path {
        Path::new("(memory)")
    }

    fn make(&self) -> io::Result<()> {
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().files.keys().cloned().collect())
    }

    fn read(&self, name: &str, _mode: ReadMode, limit: u64) -> io::Result<FileBytes> {
        let bytes = self.state().files.get(name).cloned().ok_or_else(|| missing(name))?;
        if bytes.len() as u64 > limit {
            return Err(too_long(name, bytes.len() as u64, limit));
        }
        Ok(FileBytes::Memory(bytes))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn OutputFile>> {
        self.put(name, &[]);
        Ok(Box::new(MemoryFile { name: name.to_owned(), content: Vec::new(), directory: self.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = state.files.remove(from).ok_or_else(|| missing(from))?;
        state.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state().files.remove(name).map(drop).ok_or_else(|| missing(name))
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        if !self.state().locks.insert(name.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryLock { name: name.to_owned(), directory: self.clone() })))
    }

    fn pin(&self, name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        let mut state = self.state();
        if !state.files.contains_key(name) {
            return Err(missing(name));
        }
        *state.pins.entry(name.to_owned()).or_default() += 1;
        Ok(Some(Box::new(MemoryPin { name: name.to_owned(), directory: self.clone() })))
    }

    fn remove_unpinned(&self, name: &str) -> io::Result<bool> {
        let mut state = self.state();
        if state.pins.contains_key(name) {
            return Ok(false);
        }
        state.files.remove(name).map(|_| true).ok_or_else(|| missing(name))
    }
}

fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {name}"))
}

/// What is written becomes readable when it is synced.
struct MemoryFile {
    name: String,
    content: Vec<u8>,
    directory: MemoryDirectory,
}

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.content.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OutputFile for MemoryFile {
    fn sync(&mut self) -> io::Result<()> {
        self.directory.put(&self.name, &self.content);
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryLock {
    name: String,
    directory: MemoryDirectory,
}

impl LockGuard for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.directory.state().locks.remove(&self.name);
    }
}

#[derive(Debug)]
struct MemoryPin {
    name: String,
    directory: MemoryDirectory,
}

impl LockGuard for MemoryPin {}

impl Drop for MemoryPin {
    fn drop(&mut self) {
        let mut state = self.directory.state();
        if let Some(count) = state.pins.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                state.pins.remove(&self.name);
            }
        }
    }
}
