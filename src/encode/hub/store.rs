//! Files on their way into the cache: begun ones go on where they ended, whole ones are checked before they count.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::list::{Checksum, RemoteFile};

/// A checksum as it grows.
enum Hasher {
    Sha256(Sha256),
    GitSha1(Sha1),
}

impl Hasher {
    fn new(file: &RemoteFile) -> Self {
        match file.checksum {
            Checksum::Sha256(_) => Self::Sha256(Sha256::new()),
            Checksum::GitSha1(_) => {
                let mut sum = Sha1::new();
                sum.update(format!("blob {}\0", file.size));
                Self::GitSha1(sum)
            }
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sum) => sum.update(bytes),
            Self::GitSha1(sum) => sum.update(bytes),
        }
    }

    fn finish(self) -> String {
        let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Sha256(sum) => hexadecimal(&sum.finalize()),
            Self::GitSha1(sum) => hexadecimal(&sum.finalize()),
        }
    }
}

/// A file that is being written, locked against other processes.
pub(super) struct Incomplete {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    /// Bytes that are there.
    pub(super) length: u64,
}

impl Incomplete {
    /// Opens what is there of a blob, maybe nothing.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another process writes it.
    pub(super) fn open(blobs: &Path, remote: &RemoteFile) -> io::Result<Self> {
        fs::create_dir_all(blobs)?;
        let path = blobs.join(format!("{}.incomplete", remote.checksum.name()));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        file.try_lock().map_err(io::Error::from)?;
        let mut this = Self { path, file, hasher: Hasher::new(remote), length: 0 };
        if this.file.metadata()?.len() > remote.size {
            this.restart(remote)?;
        }
        let mut part = vec![0; 1 << 16];
        loop {
            match this.file.read(&mut part)? {
                0 => return Ok(this),
                read => {
                    this.hasher.update(&part[..read]);
                    this.length += read as u64;
                }
            }
        }
    }

    /// Throws away what is there.
    pub(super) fn restart(&mut self, remote: &RemoteFile) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.hasher, self.length) = (Hasher::new(remote), 0);
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes it the blob if its bytes are those promised; else it is removed, and the checksum found is given.
    pub(super) fn finish(self, blobs: &Path, remote: &RemoteFile) -> io::Result<Result<(), String>> {
        let found = self.hasher.finish();
        if self.length != remote.size || found != remote.checksum.name() {
            fs::remove_file(&self.path)?;
            return Ok(Err(found));
        }
        self.file.sync_all()?;
        fs::rename(&self.path, blobs.join(remote.checksum.name()))?;
        Ok(Ok(()))
    }
}

/// Puts a link to a blob, or the blob's bytes where there are no links, into a snapshot.
pub(super) fn link(blob: &Path, snapshot: &Path, name: &str) -> io::Result<()> {
    let target = snapshot.join(name);
    if target.exists() {
        return Ok(());
    }
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = target.with_file_name(format!(".{}.new", std::process::id()));
    let _ = fs::remove_file(&beside);
    #[cfg(unix)]
    {
        let up = "../".repeat(name.split('/').count() + 1);
        let blob = blob.file_name().unwrap_or_default();
        std::os::unix::fs::symlink(Path::new(&up).join("blobs").join(blob), &beside)?;
    }
    #[cfg(not(unix))]
    fs::copy(blob, &beside)?;
    fs::rename(&beside, &target)
}

/// Writes a reference so that a reader sees the old commit or the new one.
pub(super) fn refer(folder: &Path, revision: &str, commit: &str) -> io::Result<()> {
    let target = folder.join("refs").join(revision);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let beside = target.with_file_name(format!(".{}.new", std::process::id()));
    fs::write(&beside, commit)?;
    fs::rename(&beside, &target)
}
