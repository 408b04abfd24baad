//! Collections as token vectors, as the example `encode_collection` writes them, read as a stream.
//!
//! A builder that works within a memory budget must not be measured with the whole collection in memory beside it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use half::f16;
use half::slice::HalfFloatSliceExt;
use lateen::types::{TokenMatrixBuf, normalize};

/// A folder of token vectors.
pub struct Collection {
    pub folder: PathBuf,
    pub dim: usize,
    /// Tokens of each document.
    pub lengths: Vec<u32>,
}

/// One document; rows are of unit length.
pub struct Document {
    pub id: String,
    pub rows: Vec<f32>,
    pub token_ids: Vec<u32>,
}

impl Collection {
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let (dim, _) = npy(&folder.join("tokens.npy"), "<f2")?;
        let lengths = list(&folder.join("lengths.npy"))?;
        Ok(Self { folder: folder.to_owned(), dim, lengths })
    }

    pub fn tokens(&self) -> u64 {
        self.lengths.iter().copied().map(u64::from).sum()
    }

    /// The documents in their order, read as they are asked for.
    pub fn documents(&self) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Document>>> {
        let dim = self.dim;
        let mut rows = npy(&self.folder.join("tokens.npy"), "<f2")?.1;
        let mut token_ids = npy(&self.folder.join("token_ids.npy"), "<u4")?.1;
        let mut ids = reader(&self.folder.join("ids.txt"))?.lines();
        Ok(self.lengths.iter().map(move |&length| {
            let mut halves = vec![0; length as usize * dim * 2];
            rows.read_exact(&mut halves)?;
            let mut numbers = vec![0; length as usize * 4];
            token_ids.read_exact(&mut numbers)?;
            let id = ids.next().context("fewer ids than documents")??;
            Ok(Document { id, rows: unit_rows(&halves, dim), token_ids: numbers_of(&numbers) })
        }))
    }

    /// The queries' token vectors; empty if the folder has none.
    pub fn queries(&self) -> anyhow::Result<Vec<TokenMatrixBuf>> {
        queries(&self.folder)
    }
}

/// Half precision moves the length of a row by up to 0.05 %, which is undone here.
fn unit_rows(halves: &[u8], dim: usize) -> Vec<f32> {
    let halves: Vec<f16> = halves.as_chunks().0.iter().map(|x| f16::from_le_bytes(*x)).collect();
    let mut rows = vec![0.0; halves.len()];
    halves.convert_to_f32_slice(&mut rows);
    rows.chunks_exact_mut(dim).for_each(|row| {
        normalize(row);
    });
    rows
}

/// The queries of a folder, a matrix each.
pub fn queries(folder: &Path) -> anyhow::Result<Vec<TokenMatrixBuf>> {
    let path = folder.join("query_tokens.npy");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let (dim, mut file) = npy(&path, "<f4")?;
    let mut queries = Vec::new();
    for length in list(&folder.join("query_lengths.npy"))? {
        let mut bytes = vec![0; length as usize * dim * 4];
        file.read_exact(&mut bytes).with_context(|| path.display().to_string())?;
        queries.push(TokenMatrixBuf::new(floats_of(&bytes), dim)?);
    }
    Ok(queries)
}

/// All numbers of a matrix in single precision, and its row length.
pub fn matrix(path: &Path) -> anyhow::Result<(usize, Vec<f32>)> {
    let (dim, mut file) = npy(path, "<f4")?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((dim, floats_of(&bytes)))
}

pub fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    Ok(reader(path)?.lines().collect::<Result<_, _>>()?)
}

/// All numbers of a list.
pub fn list(path: &Path) -> anyhow::Result<Vec<u32>> {
    let (_, mut file) = npy(path, "<u4")?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(numbers_of(&bytes))
}

fn floats_of(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect()
}

pub fn numbers_of(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|x| u32::from_le_bytes(*x)).collect()
}

fn reader(path: &Path) -> anyhow::Result<BufReader<File>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(BufReader::with_capacity(1 << 20, file))
}

/// The last dimension of an array of the type `descr`, and its bytes from the first on.
pub fn npy(path: &Path, descr: &str) -> anyhow::Result<(usize, BufReader<File>)> {
    let mut file = reader(path)?;
    let mut head = [0; 10];
    file.read_exact(&mut head)?;
    ensure!(head.starts_with(b"\x93NUMPY\x01"), "{} is no NumPy file of version 1", path.display());
    let mut header = vec![0; usize::from(u16::from_le_bytes([head[8], head[9]]))];
    file.read_exact(&mut header)?;
    let header = String::from_utf8(header)?;
    ensure!(header.contains(descr), "{}: expected numbers of type {descr}, found {header}", path.display());
    let shape = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')'));
    let (shape, _) = shape.with_context(|| format!("{} has no shape", path.display()))?;
    let last = shape.split(',').map(str::trim).rfind(|number| !number.is_empty());
    Ok((last.context("an array without a shape")?.parse()?, file))
}
