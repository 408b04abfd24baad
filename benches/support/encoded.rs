//! Collections as token vectors, as the example `encode_collection` writes them.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use half::f16;
use lateen::types::{EncodedTokens, TokenMatrixBuf};

/// A collection as token vectors.
pub struct Encoded {
    pub dim: usize,
    pub ids: Vec<String>,
    pub documents: Vec<EncodedTokens>,
    pub query_ids: Vec<String>,
    pub queries: Vec<TokenMatrixBuf>,
}

impl Encoded {
    /// Reads at most `most` documents, and the queries if there are any.
    pub fn open(folder: &Path, most: usize) -> anyhow::Result<Self> {
        let (dim, rows) = npy(&folder.join("tokens.npy"))?;
        let rows: Vec<f32> =
            rows.chunks_exact(2).map(|x| f16::from_le_bytes([x[0], x[1]]).to_f32()).collect();
        let token_ids = list(&folder.join("token_ids.npy"))?;
        let lengths = list(&folder.join("lengths.npy"))?;
        let mut at = 0;
        let mut documents = Vec::new();
        for &length in lengths.iter().take(most) {
            let end = at + length as usize;
            let mut matrix = TokenMatrixBuf::new(rows[at * dim..end * dim].to_vec(), dim)?;
            // Half precision moves lengths by up to 0.05 %.
            matrix.normalize_rows();
            documents.push(EncodedTokens {
                matrix,
                token_ids: token_ids[at..end].to_vec(),
                spans: Vec::new(),
            });
            at = end;
        }
        let mut ids = lines(&folder.join("ids.txt"))?;
        ids.truncate(most);
        let (query_ids, queries) = if folder.join("query_tokens.npy").is_file() {
            (lines(&folder.join("query_ids.txt"))?, queries(folder)?)
        } else {
            (Vec::new(), Vec::new())
        };
        Ok(Self { dim, ids, documents, query_ids, queries })
    }

    pub fn tokens(&self) -> usize {
        self.documents.iter().map(|document| document.token_ids.len()).sum()
    }
}

fn queries(folder: &Path) -> anyhow::Result<Vec<TokenMatrixBuf>> {
    let (dim, rows) = npy(&folder.join("query_tokens.npy"))?;
    let mut rows = rows.as_slice();
    let lengths = list(&folder.join("query_lengths.npy"))?;
    let mut queries = Vec::with_capacity(lengths.len());
    for length in lengths {
        let (own, rest) = rows.split_at(length as usize * dim * 4);
        rows = rest;
        queries.push(TokenMatrixBuf::new(
            own.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect(),
            dim,
        )?);
    }
    Ok(queries)
}

fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn list(path: &Path) -> anyhow::Result<Vec<u32>> {
    let (_, bytes) = npy(path)?;
    Ok(bytes.as_chunks().0.iter().map(|x| u32::from_le_bytes(*x)).collect())
}

/// The last dimension of an array and its bytes.
fn npy(path: &Path) -> anyhow::Result<(usize, Vec<u8>)> {
    let mut file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let mut head = [0; 10];
    file.read_exact(&mut head)?;
    anyhow::ensure!(head.starts_with(b"\x93NUMPY\x01"), "{} is no NumPy file", path.display());
    let mut header = vec![0; usize::from(u16::from_le_bytes([head[8], head[9]]))];
    file.read_exact(&mut header)?;
    let header = String::from_utf8(header)?;
    let (_, shape) = header.split_once("'shape': (").context("an array without a shape")?;
    let (shape, _) = shape.split_once(')').context("an array without a shape")?;
    let last = shape.split(',').map(str::trim).rfind(|number| !number.is_empty());
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((last.context("an array without a shape")?.parse()?, bytes))
}
