//! A simulated disk: it knows what is on stable storage and what is not, fails on demand, and loses power.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::index::MemoryDirectory;
use crate::index::directory::{Directory, FileBytes, LockGuard, OutputFile, ReadMode};

/// What happens at the chosen call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// This and every later call fails: the process is gone.
    Crash,
    /// This call fails, with nothing done.
    Error(io::ErrorKind),
    /// This call fails after it was done.
    ErrorAfter(io::ErrorKind),
    /// Half of what this call writes is written, then it fails.
    ShortWrite,
}

/// What a power cut leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PowerCut {
    /// Nothing.
    DropAll,
    /// Everything: as when only the process was killed.
    KeepAll,
    /// Any names, in any order, and any beginning of any file.
    Subset,
    /// All names, but the last sectors of files are missing or zero.
    Torn,
}

type FileId = usize;

#[derive(Debug, Clone)]
enum NameChange {
    Create(String, FileId),
    Rename(String, String),
    Remove(String),
}

#[derive(Debug, Default, Clone)]
struct Content {
    bytes: Vec<u8>,
    synced: usize,
}

#[derive(Debug, Default)]
struct State {
    calls: u64,
    fault: Option<(u64, Fault)>,
    crashed: bool,
    names: BTreeMap<String, FileId>,
    durable: BTreeMap<String, FileId>,
    pending: Vec<NameChange>,
    files: HashMap<FileId, Content>,
    locked: bool,
}

impl State {
    /// Counts a call; `Ok(true)` if it is to fail after it was done.
    fn call(&mut self) -> Result<Option<Fault>, io::Error> {
        if self.crashed {
            return Err(io::Error::other("the machine is off"));
        }
        let number = self.calls;
        self.calls += 1;
        match self.fault {
            Some((at, Fault::Crash)) if at == number => {
                self.crashed = true;
                Err(io::Error::other("the power fails"))
            }
            Some((at, Fault::Error(kind))) if at == number => Err(kind.into()),
            Some((at, fault)) if at == number => Ok(Some(fault)),
            _ => Ok(None),
        }
    }

    fn change(&mut self, change: NameChange) {
        apply(&mut self.names, &change);
        self.pending.push(change);
    }
}

fn apply(names: &mut BTreeMap<String, FileId>, change: &NameChange) {
    match change {
        NameChange::Create(name, file) => {
            names.insert(name.clone(), *file);
        }
        NameChange::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        NameChange::Remove(name) => {
            names.remove(name);
        }
    }
}

fn after(fault: Option<Fault>) -> io::Result<()> {
    match fault {
        Some(Fault::ErrorAfter(kind)) => Err(kind.into()),
        Some(Fault::ShortWrite) => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    }
}

#[derive(Debug, Clone, Default)]
pub struct FaultyDirectory {
    state: Arc<Mutex<State>>,
}

impl FaultyDirectory {
    /// Fails at call `at`, counted from 0.
    pub fn failing(at: u64, fault: Fault) -> Self {
        let directory = Self::default();
        directory.set_fault(at, fault);
        directory
    }

    pub fn set_fault(&self, at: u64, fault: Fault) {
        self.state.lock().unwrap().fault = Some((at, fault));
    }

    pub fn calls(&self) -> u64 {
        self.state.lock().unwrap().calls
    }

    /// What a machine finds when it starts again.
    pub fn after_power_cut(&self, cut: PowerCut, seed: u64) -> MemoryDirectory {
        let state = self.state.lock().unwrap();
        let mut random = StdRng::seed_from_u64(seed);
        let mut names = match cut {
            PowerCut::KeepAll | PowerCut::Torn => state.names.clone(),
            _ => state.durable.clone(),
        };
        if cut == PowerCut::Subset {
            state
                .pending
                .iter()
                .filter(|_| random.random_bool(0.5))
                .for_each(|change| apply(&mut names, change));
        }
        let disk = MemoryDirectory::new();
        for (name, file) in names {
            let content = &state.files[&file];
            let (synced, len) = (content.synced, content.bytes.len());
            let kept = match cut {
                PowerCut::KeepAll => len,
                PowerCut::DropAll => synced,
                PowerCut::Subset => random.random_range(synced..=len),
                PowerCut::Torn => synced + (len - synced) / 512 * 512,
            };
            let mut bytes = content.bytes[..kept].to_vec();
            if cut == PowerCut::Torn && random.random_bool(0.5) {
                bytes.resize(len, 0);
            }
            disk.put(&name, &bytes);
        }
        disk
    }
}

impl Directory for FaultyDirectory {
    fn path(&self) -> &Path {
        Path::new("(simulated)")
    }

    fn make(&self) -> io::Result<()> {
        let fault = self.state.lock().unwrap().call()?;
        after(fault)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut state = self.state.lock().unwrap();
        after(state.call()?)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn read(&self, name: &str, mode: ReadMode, limit: u64) -> io::Result<FileBytes> {
        let mut state = self.state.lock().unwrap();
        after(state.call()?)?;
        let disk = MemoryDirectory::new();
        if let Some(file) = state.names.get(name) {
            disk.put(name, &state.files[file].bytes);
        }
        disk.read(name, mode, limit)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn OutputFile>> {
        let mut state = self.state.lock().unwrap();
        let fault = state.call()?;
        let file = state.files.len();
        state.files.insert(file, Content::default());
        state.change(NameChange::Create(name.to_owned(), file));
        after(fault)?;
        Ok(Box::new(FaultyFile { directory: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let fault = state.call()?;
        assert!(state.names.contains_key(from), "renames what is not there");
        assert!(!state.names.contains_key(to), "{to} was used before");
        state.change(NameChange::Rename(from.to_owned(), to.to_owned()));
        after(fault)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let fault = state.call()?;
        state.change(NameChange::Remove(name.to_owned()));
        after(fault)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let fault = state.call()?;
        state.durable = state.names.clone();
        state.pending.clear();
        after(fault)
    }

    fn try_lock(&self, _name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        let mut state = self.state.lock().unwrap();
        after(state.call()?)?;
        if std::mem::replace(&mut state.locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(FaultyLock(self.clone()))))
    }
}

struct FaultyFile {
    directory: FaultyDirectory,
    file: FileId,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.directory.state.lock().unwrap();
        let fault = state.call()?;
        let count = if fault == Some(Fault::ShortWrite) { bytes.len() / 2 } else { bytes.len() };
        state.files.get_mut(&self.file).unwrap().bytes.extend_from_slice(&bytes[..count]);
        after(fault)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OutputFile for FaultyFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.directory.state.lock().unwrap();
        let fault = state.call()?;
        let content = state.files.get_mut(&self.file).unwrap();
        content.synced = content.bytes.len();
        after(fault)
    }
}

#[derive(Debug)]
struct FaultyLock(FaultyDirectory);

impl LockGuard for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().locked = false;
    }
}
