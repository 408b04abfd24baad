//! TensorBoard's event files.
//!
//! A record is
//!
//! | bytes | meaning |
//! |---|---|
//! | 8 | length of the data, little-endian |
//! | 4 | masked CRC-32C of the length |
//! | length | a protocol buffer `Event` |
//! | 4 | masked CRC-32C of the data |
//!
//! and of `Event` only these fields are written: `wall_time` (1, double), `step` (2, varint), `file_version` (3, text) or
//! `summary` (5), which holds `value` (1) with `tag` (1, text) and `simple_value` (2, float).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::crc32c::masked;

/// A file that is being appended to.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// Begins a new file in `folder`, named after `time` (seconds since 1970) as TensorBoard expects.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(folder: &Path, time: f64) -> io::Result<Self> {
        // Two runs within a second must not write to one file.
        for count in 0u32.. {
            let path = folder.join(format!("events.out.tfevents.{:010}.{count}.lateen", time as u64));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(&record(&version(time)))?;
                    return Ok(Self { file, path });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends numbers of one step.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn scalars(&mut self, time: f64, step: u64, scalars: &[(&str, f64)]) -> io::Result<()> {
        self.file.write_all(&record(&event(time, step, scalars)))
    }
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked(data).to_le_bytes());
    record
}

const VARINT: u8 = 0;
const DOUBLE: u8 = 1;
const BYTES: u8 = 2;
const FLOAT: u8 = 5;

fn version(time: f64) -> Vec<u8> {
    let mut event = vec![1 << 3 | DOUBLE];
    event.extend(time.to_le_bytes());
    bytes(&mut event, 3, b"brain.Event:2");
    event
}

fn event(time: f64, step: u64, scalars: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in scalars {
        let mut one = Vec::new();
        bytes(&mut one, 1, tag.as_bytes());
        one.push(2 << 3 | FLOAT);
        one.extend((*value as f32).to_le_bytes());
        bytes(&mut summary, 1, &one);
    }
    let mut event = vec![1 << 3 | DOUBLE];
    event.extend(time.to_le_bytes());
    // A field that is 0 is left out, as protocol buffers have it.
    if step > 0 {
        event.push(2 << 3 | VARINT);
        varint(&mut event, step);
    }
    bytes(&mut event, 5, &summary);
    event
}

fn bytes(to: &mut Vec<u8>, field: u8, content: &[u8]) {
    to.push(field << 3 | BYTES);
    varint(to, content.len() as u64);
    to.extend(content);
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by TensorBoard's own writer (`tests/event_file.py`).
    const GOLDEN: &[u8] = include_bytes!("testdata/events.bin");

    #[test]
    fn bytes_are_those_of_tensorboard() {
        let mut ours = record(&version(1_700_000_000.5));
        ours.extend(record(&event(1_700_000_001.25, 0, &[("train/loss", 2.5)])));
        ours.extend(record(&event(1_700_000_002.0, 300, &[("train/loss", 0.125), ("train/rate", 2e-5)])));
        assert_eq!(ours, GOLDEN);
    }

    #[test]
    fn files_do_not_collide() {
        let folder = tempfile::tempdir().unwrap();
        let first = EventFile::create(folder.path(), 1.0).unwrap();
        let mut second = EventFile::create(folder.path(), 1.0).unwrap();
        assert_ne!(first.path(), second.path());
        second.scalars(2.0, 1, &[("a", 1.0)]).unwrap();
        assert!(
            std::fs::metadata(second.path()).unwrap().len() > std::fs::metadata(first.path()).unwrap().len()
        );
    }
}
