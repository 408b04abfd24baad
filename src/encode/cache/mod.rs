//! Encodings kept on disk, so that the same text is not encoded twice by the same model.
//!
//! ```text
//! text ─ CachedModel ─ key: 128 bits of (fingerprint, side, text) ─┬─ found, checksum right ─ vectors
//!                                                                  └─ else: Model ─ vectors ─ appended to the newest shard
//! ```
//!
//! A cache is a folder of shards, append-only files of records. Vectors come back bit for bit as the model gave them. A record
//! that was torn or damaged is one that is not there: its text is encoded again. When the folder would grow past its limit, the oldest
//! shard goes. One process at a time has a cache open; a lock of the kernel says so. It is a cache: nothing is synced, and deleting the
//! folder loses nothing but time.
//!
//! # Shard
//!
//! | offset | size | field | meaning |
//! |-------:|-----:|-------|---------|
//! | 0 | 8 | magic | `LTNENC` and the version, 1, in two bytes |
//! | then, for each record: | | | |
//! | 0 | 16 | key | XXH3-128 of the model's fingerprint, the side, and the text |
//! | 16 | 8 | length | of the payload, at most 640 MiB |
//! | 24 | 8 | checksum | XXH3-64 of key, length and payload |
//! | 32 | … | payload | kind, counts, vectors, ids, spans; see `payload.rs` |
//!
//! Integers are little-endian.

mod cached_model;
mod payload;
mod shard;

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use cached_model::{CachedModel, CachedModelError};
use payload::Encoding;
use shard::{Shard, Span};

/// No sound record is larger: a document of a million tokens of 128 dimensions.
const MAX_PAYLOAD: u64 = 640 << 20;
const LOCK: &str = "lock";

/// Why a cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// Check the folder's permissions and the room on its disk.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Wait for the other process, or name another folder.
    #[error("{}: another process is using this cache", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
}

/// What a cache has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Encodings found.
    pub hits: u64,
    /// Encodings that had to be made.
    pub misses: u64,
    /// Records whose checksum was wrong, and torn ends of shards.
    pub damaged: u64,
    /// Bytes of all shards.
    pub bytes: u64,
    /// Records that can be found.
    pub records: u64,
}

/// Encodings by model and text; see [the module](self).
#[derive(Debug)]
pub struct EncodingCache {
    folder: PathBuf,
    limit: u64,
    state: Mutex<State>,
    _lock: File,
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first; the last one grows.
    shards: VecDeque<Shard>,
    /// Key to shard number and place.
    places: HashMap<u128, (u64, Span)>,
    statistics: CacheStatistics,
}

impl EncodingCache {
    /// The default limit, 8 GiB.
    pub const DEFAULT_LIMIT: u64 = 8 << 30;

    /// Opens the cache in `folder`, which is made if it is not there. It will take at most about `limit` bytes: an
    /// encoding larger than that by itself is not kept.
    ///
    /// Cost: reading the heads of all records.
    ///
    /// # Errors
    /// [`CacheError::Locked`] while another process has it open, [`CacheError::Io`].
    pub fn open(folder: &Path, limit: u64) -> Result<Self, CacheError> {
        let fail = |source| CacheError::Io { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(fail)?;
        let lock = File::create(folder.join(LOCK)).map_err(fail)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => CacheError::Locked { path: folder.to_owned() },
            TryLockError::Error(source) => fail(source),
        })?;
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder).map_err(fail)? {
            numbers.extend(shard::number_of(&entry.map_err(fail)?.file_name()));
        }
        numbers.sort_unstable();
        let mut state = State::default();
        for number in numbers {
            state.take(folder, number)?;
        }
        let cache = Self { folder: folder.to_owned(), limit, state: Mutex::new(state), _lock: lock };
        cache.make_room(&mut cache.state(), 0)?;
        Ok(cache)
    }

    /// What was found and what not.
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        let state = self.state();
        let bytes = state.shards.iter().map(|shard| shard.bytes).sum();
        CacheStatistics { bytes, records: state.places.len() as u64, ..state.statistics }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves the state whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The encoding with this key, if it is there and whole.
    fn get(&self, key: u128) -> Option<Encoding> {
        let mut state = self.state();
        let found = state.places.get(&key).copied().and_then(|(number, span)| {
            let at = state.shards.iter_mut().find(|shard| shard.number == number)?;
            Some(at.read(key, span).ok().flatten().and_then(|payload| Encoding::decode(&payload)))
        });
        match found {
            Some(Some(encoding)) => {
                state.statistics.hits += 1;
                return Some(encoding);
            }
            Some(None) => {
                state.places.remove(&key);
                state.statistics.damaged += 1;
            }
            None => {}
        }
        state.statistics.misses += 1;
        None
    }

    fn put(&self, key: u128, encoding: &Encoding) -> Result<(), CacheError> {
        let payload = encoding.encode();
        let bytes = payload.len() as u64 + shard::HEAD;
        if bytes > self.limit || payload.len() as u64 > MAX_PAYLOAD {
            return Ok(());
        }
        let mut state = self.state();
        if state.places.contains_key(&key) {
            return Ok(());
        }
        self.make_room(&mut state, bytes)?;
        let full = (self.limit / 16).clamp(1 << 16, 64 << 20);
        if state.shards.back().is_none_or(|shard| !shard.is_growing || shard.bytes >= full) {
            let number = state.shards.back().map_or(1, |shard| shard.number + 1);
            state.shards.push_back(Shard::create(&self.folder, number)?);
        }
        if let Some(shard) = state.shards.back_mut() {
            let span = shard.append(key, &payload)?;
            let number = shard.number;
            state.places.insert(key, (number, span));
        }
        Ok(())
    }

    /// Removes the oldest shards until `bytes` more fit.
    fn make_room(&self, state: &mut State, bytes: u64) -> Result<(), CacheError> {
        let mut total: u64 = state.shards.iter().map(|shard| shard.bytes).sum();
        while total.saturating_add(bytes) > self.limit {
            let Some(oldest) = state.shards.pop_front() else { break };
            total -= oldest.bytes;
            state.places.retain(|_, (number, _)| *number != oldest.number);
            oldest.remove()?;
        }
        Ok(())
    }
}

impl State {
    fn take(&mut self, folder: &Path, number: u64) -> Result<(), CacheError> {
        let (shard, records) = Shard::open(folder, number)?;
        self.statistics.damaged += u64::from(records.torn);
        self.places.extend(records.whole.into_iter().map(|(key, span)| (key, (number, span))));
        self.shards.push_back(shard);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
