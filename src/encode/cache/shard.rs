//! One append-only file of a cache.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::{CacheError, MAX_PAYLOAD};

const MAGIC: [u8; 8] = *b"LTNENC\x01\x00";
/// Bytes before a payload.
pub(super) const HEAD: u64 = 32;

/// Where a payload lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    offset: u64,
    length: u64,
}

/// What a shard holds, by its heads.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub whole: Vec<(u128, Span)>,
    /// The end is torn, or all of it is foreign.
    pub torn: bool,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub number: u64,
    pub bytes: u64,
    /// Made by this process: what others left behind is only read, since its end may be torn.
    pub is_growing: bool,
    path: PathBuf,
    file: File,
}

fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.enc"))
}

/// The number of the shard with this name.
pub(super) fn number_of(name: &OsStr) -> Option<u64> {
    let digits = name.to_str()?.strip_suffix(".enc")?;
    (digits.len() == 10).then(|| digits.parse().ok()).flatten()
}

fn checksum(key: u128, payload: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&key.to_le_bytes());
    hash.update(&(payload.len() as u64).to_le_bytes());
    hash.update(payload);
    hash.digest()
}

impl Shard {
    pub fn create(folder: &Path, number: u64) -> Result<Self, CacheError> {
        let path = path_of(folder, number);
        let made = || -> io::Result<File> {
            let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
            file.write_all(&MAGIC)?;
            Ok(file)
        };
        let file = made().map_err(|source| CacheError::Io { path: path.clone(), source })?;
        Ok(Self { number, bytes: MAGIC.len() as u64, is_growing: true, path, file })
    }

    /// Opens a shard for reading and lists its records by their heads.
    pub fn open(folder: &Path, number: u64) -> Result<(Self, Records), CacheError> {
        let path = path_of(folder, number);
        let opened = || -> io::Result<(File, u64)> {
            let file = File::open(&path)?;
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        };
        let (file, bytes) = opened().map_err(|source| CacheError::Io { path: path.clone(), source })?;
        let records = list(&file, bytes);
        Ok((Self { number, bytes, is_growing: false, path, file }, records))
    }

    /// The payload at `span`, if it is whole and belongs to `key`.
    pub fn read(&mut self, key: u128, span: Span) -> io::Result<Option<Vec<u8>>> {
        self.file.seek(SeekFrom::Start(span.offset - HEAD))?;
        let mut head = [0; HEAD as usize];
        self.file.read_exact(&mut head)?;
        // `span` was held against the file's length when it was made.
        let mut payload = vec![0; span.length as usize];
        self.file.read_exact(&mut payload)?;
        let stored = u64::from_le_bytes(field(&head, 24));
        let is_whole = head[..16] == key.to_le_bytes() && stored == checksum(key, &payload);
        Ok(is_whole.then_some(payload))
    }

    pub fn append(&mut self, key: u128, payload: &[u8]) -> Result<Span, CacheError> {
        let length = payload.len() as u64;
        let mut record = Vec::with_capacity(payload.len() + HEAD as usize);
        record.extend(key.to_le_bytes());
        record.extend(length.to_le_bytes());
        record.extend(checksum(key, payload).to_le_bytes());
        record.extend(payload);
        let written = self.file.seek(SeekFrom::Start(self.bytes)).and_then(|_| self.file.write_all(&record));
        if let Err(source) = written {
            // What was written of it would be read as a record.
            self.is_growing = false;
            return Err(CacheError::Io { path: self.path.clone(), source });
        }
        let span = Span { offset: self.bytes + HEAD, length };
        self.bytes += record.len() as u64;
        Ok(span)
    }

    pub fn remove(self) -> Result<(), CacheError> {
        let Self { path, file, .. } = self;
        drop(file);
        fs::remove_file(&path).map_err(|source| CacheError::Io { path, source })
    }
}

fn field<const N: usize>(head: &[u8; HEAD as usize], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&head[at..at + N]);
    bytes
}

/// The records of a file of `bytes` bytes, up to the first that cannot be one.
fn list(file: &File, bytes: u64) -> Records {
    let mut records = Records { whole: Vec::new(), torn: true };
    let mut reader = BufReader::new(file);
    let mut magic = [0; MAGIC.len()];
    if reader.read_exact(&mut magic).is_err() || magic != MAGIC {
        return records;
    }
    let mut at = MAGIC.len() as u64;
    while at < bytes {
        let mut head = [0; HEAD as usize];
        if bytes - at < HEAD || reader.read_exact(&mut head).is_err() {
            return records;
        }
        let length = u64::from_le_bytes(field(&head, 16));
        let offset = at + HEAD;
        if length > MAX_PAYLOAD || length > bytes - offset || reader.seek_relative(length as i64).is_err() {
            return records;
        }
        records.whole.push((u128::from_le_bytes(field(&head, 0)), Span { offset, length }));
        at = offset + length;
    }
    records.torn = false;
    records
}
