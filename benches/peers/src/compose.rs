//! Collections of a wanted size, made of encoded ones.
//!
//! Documents are taken whole, one folder after another, until there are enough tokens. Where the folders do not hold
//! enough, synthetic documents follow: the first half of one real document and the second half of another, both drawn
//! at random, each vector moved by noise of a quarter of its length and scaled to 1 again. They have the lengths, the
//! vocabulary and the neighbourhoods of real text, and repeat it: say so wherever a figure rests on them.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use half::f16;
use lateen::types::normalize;
use serde_json::{Value, json};

use crate::collection::{Collection, numbers_of};

/// The length of the noise, of the vector's.
const NOISE: f32 = 0.25;

/// Writes a collection of at least `tokens` tokens into `out`, unless it is there; says what it is made of.
pub fn compose(sources: &[PathBuf], tokens: u64, out: &Path) -> anyhow::Result<Value> {
    let about = out.join("made_of.json");
    if let Ok(text) = std::fs::read_to_string(&about) {
        return Ok(serde_json::from_str(&text)?);
    }
    std::fs::create_dir_all(out)?;
    let first = sources.first().context("no folder of vectors was named")?;
    for name in ["query_tokens.npy", "query_lengths.npy", "query_ids.txt", "qrels.tsv"] {
        std::fs::copy(first.join(name), out.join(name))
            .with_context(|| format!("{name} of {}", first.display()))?;
    }
    let mut writer = Writer::create(out, Collection::open(first)?.dim)?;
    let mut parts = Vec::new();
    for source in sources {
        let (documents, before) = (writer.lengths.len(), writer.tokens);
        copy(source, tokens, &mut writer)?;
        parts.push(json!({
            "source": source.file_name().map(|name| name.to_string_lossy()),
            "documents": writer.lengths.len() - documents, "tokens": writer.tokens - before,
        }));
    }
    let (real, real_tokens) = (writer.lengths.len(), writer.tokens);
    if writer.tokens < tokens {
        synthesize(sources, tokens, &mut writer)?;
        parts.push(json!({
            "source": "synthetic", "documents": writer.lengths.len() - real, "tokens": writer.tokens - real_tokens,
        }));
    }
    writer.finish()?;
    let report = json!(parts);
    std::fs::write(about, serde_json::to_string_pretty(&report)?)?;
    Ok(report)
}

fn copy(source: &Path, tokens: u64, writer: &mut Writer) -> anyhow::Result<()> {
    let collection = Collection::open(source)?;
    ensure!(collection.dim == writer.dim, "{} has vectors of another dimension", source.display());
    for document in collection.documents()? {
        if writer.tokens >= tokens {
            break;
        }
        let document = document?;
        writer.add(&document.id, &document.rows, &document.token_ids)?;
    }
    Ok(())
}

/// A real collection whose documents are read out of order.
struct Pool {
    collection: Collection,
    /// The token each document begins at.
    starts: Vec<u64>,
    rows: File,
    token_ids: File,
}

impl Pool {
    /// What precedes the numbers in the files that `encode_collection` and this module write.
    const HEADER: u64 = Writer::HEADER as u64;

    fn open(folder: &Path) -> anyhow::Result<Self> {
        let collection = Collection::open(folder)?;
        let starts = collection.lengths.iter().scan(0, |end, &length| {
            let start = *end;
            *end += u64::from(length);
            Some(start)
        });
        Ok(Self {
            starts: starts.collect(),
            rows: File::open(folder.join("tokens.npy"))?,
            token_ids: File::open(folder.join("token_ids.npy"))?,
            collection,
        })
    }

    /// The tokens `from..to` of a document.
    fn read(&mut self, document: usize, from: u64, to: u64) -> anyhow::Result<(Vec<f32>, Vec<u32>)> {
        let (start, count, width) =
            (self.starts[document] + from, (to - from) as usize, self.collection.dim as u64 * 2);
        let mut bytes = vec![0; count * width as usize];
        self.rows.seek(SeekFrom::Start(Self::HEADER + start * width))?;
        self.rows.read_exact(&mut bytes)?;
        let rows = bytes.as_chunks().0.iter().map(|x| f16::from_le_bytes(*x).to_f32()).collect();
        let mut bytes = vec![0; count * 4];
        self.token_ids.seek(SeekFrom::Start(Self::HEADER + start * 4))?;
        self.token_ids.read_exact(&mut bytes)?;
        Ok((rows, numbers_of(&bytes)))
    }
}

fn synthesize(sources: &[PathBuf], tokens: u64, writer: &mut Writer) -> anyhow::Result<()> {
    let mut pools = sources.iter().map(|source| Pool::open(source)).collect::<anyhow::Result<Vec<_>>>()?;
    let documents: usize = pools.iter().map(|pool| pool.starts.len()).sum();
    let mut random = Random(42);
    let mut made = 0;
    while writer.tokens < tokens {
        let (mut rows, mut token_ids) = (Vec::new(), Vec::new());
        for half in 0..2 {
            let mut at = random.below(documents as u64) as usize;
            let pool = pools.iter_mut().find(|pool| {
                let here = at < pool.starts.len();
                at -= if here { 0 } else { pool.starts.len() };
                here
            });
            let pool = pool.context("a document past the last")?;
            let length = u64::from(pool.collection.lengths[at]);
            let (from, to) = if half == 0 { (0, length / 2) } else { (length / 2, length) };
            let (own, ids) = pool.read(at, from, to)?;
            rows.extend(own);
            token_ids.extend(ids);
        }
        let sigma = NOISE / (writer.dim as f32).sqrt();
        for row in rows.chunks_exact_mut(writer.dim) {
            row.iter_mut().for_each(|x| *x += sigma * random.normal());
            normalize(row);
        }
        writer.add(&format!("synthetic-{made}"), &rows, &token_ids)?;
        made += 1;
    }
    Ok(())
}

/// Numbers that are the same on every run: SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// Nearly normal, of variance 1: eight uniform bytes summed (the central limit theorem).
    pub fn normal(&mut self) -> f32 {
        let sum: u32 = self.next().to_le_bytes().iter().map(|&byte| u32::from(byte)).sum();
        // Eight times 255/2, and the root of eight times (256² − 1)/12.
        (sum as f32 - 1020.0) / 209.022
    }
}

/// A folder in the making, as `encode_collection` writes them.
struct Writer {
    dim: usize,
    tokens: u64,
    lengths: Vec<u32>,
    rows: BufWriter<File>,
    token_ids: BufWriter<File>,
    ids: BufWriter<File>,
    folder: PathBuf,
}

impl Writer {
    const HEADER: usize = 128;

    fn create(folder: &Path, dim: usize) -> anyhow::Result<Self> {
        let file = |name: &str| Ok::<_, std::io::Error>(BufWriter::new(File::create(folder.join(name))?));
        let (mut rows, mut token_ids) = (file("tokens.npy")?, file("token_ids.npy")?);
        rows.write_all(&[0; Self::HEADER])?;
        token_ids.write_all(&[0; Self::HEADER])?;
        let (ids, lengths) = (file("ids.txt")?, Vec::new());
        Ok(Self { dim, tokens: 0, lengths, rows, token_ids, ids, folder: folder.to_owned() })
    }

    fn add(&mut self, id: &str, rows: &[f32], token_ids: &[u32]) -> anyhow::Result<()> {
        rows.iter().try_for_each(|&x| self.rows.write_all(&f16::from_f32(x).to_le_bytes()))?;
        token_ids.iter().try_for_each(|id| self.token_ids.write_all(&id.to_le_bytes()))?;
        writeln!(self.ids, "{id}")?;
        self.lengths.push(u32::try_from(token_ids.len())?);
        self.tokens += token_ids.len() as u64;
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        header(&mut self.rows, "<f2", &format!("({}, {})", self.tokens, self.dim))?;
        header(&mut self.token_ids, "<u4", &format!("({},)", self.tokens))?;
        self.ids.flush()?;
        write_numbers(&self.folder.join("lengths.npy"), &self.lengths)
    }
}

/// A list of numbers.
pub fn write_numbers(path: &Path, numbers: &[u32]) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&[0; Writer::HEADER])?;
    numbers.iter().try_for_each(|number| file.write_all(&number.to_le_bytes()))?;
    header(&mut file, "<u4", &format!("({},)", numbers.len()))
}

/// A matrix in single precision.
pub fn write_matrix(path: &Path, dim: usize, rows: &[f32]) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&[0; Writer::HEADER])?;
    rows.iter().try_for_each(|x| file.write_all(&x.to_le_bytes()))?;
    header(&mut file, "<f4", &format!("({}, {dim})", rows.len() / dim))
}

/// Fills in the head of a NumPy file whose numbers are written.
fn header(file: &mut BufWriter<File>, descr: &str, shape: &str) -> anyhow::Result<()> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    file.seek(SeekFrom::Start(0))?;
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(Writer::HEADER - 10)?.to_le_bytes())?;
    writeln!(file, "{text:width$}", width = Writer::HEADER - 11)?;
    Ok(file.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of `documents` documents of three tokens.
    fn source(folder: &Path, documents: u32) {
        std::fs::create_dir_all(folder).unwrap();
        let mut writer = Writer::create(folder, 4).unwrap();
        for document in 0..documents {
            let rows = [0.0, 1.0, 0.0, 0.0, 0.6, 0.0, 0.8, 0.0, 1.0, 0.0, 0.0, 0.0];
            writer.add(&format!("d{document}"), &rows, &[document, 7, 8]).unwrap();
        }
        writer.finish().unwrap();
        write_matrix(&folder.join("query_tokens.npy"), 4, &[1.0, 0.0, 0.0, 0.0]).unwrap();
        write_numbers(&folder.join("query_lengths.npy"), &[1]).unwrap();
        std::fs::write(folder.join("query_ids.txt"), "q\n").unwrap();
        std::fs::write(folder.join("qrels.tsv"), "query-id\tcorpus-id\tscore\nq\td0\t1\n").unwrap();
    }

    #[test]
    fn real_documents_come_first_and_synthetic_ones_fill_up() {
        let folder = tempfile::tempdir().unwrap();
        let sources = [folder.path().join("a"), folder.path().join("b")];
        source(&sources[0], 2);
        source(&sources[1], 3);
        let out = folder.path().join("small");
        let made = compose(&sources, 7, &out).unwrap();
        assert_eq!(
            made,
            json!([
                { "source": "a", "documents": 2, "tokens": 6 }, { "source": "b", "documents": 1, "tokens": 3 },
            ])
        );
        let out = folder.path().join("large");
        let made = compose(&sources, 100, &out).unwrap();
        assert_eq!(made[2]["source"], "synthetic");
        assert_eq!(compose(&sources, 100, &out).unwrap(), made);
        let collection = Collection::open(&out).unwrap();
        assert!((100..103).contains(&collection.tokens()));
        let documents: Vec<_> = collection.documents().unwrap().map(Result::unwrap).collect();
        assert_eq!((documents[1].id.as_str(), &documents[4].token_ids), ("d1", &vec![2, 7, 8]));
        assert_eq!(documents[5].id, "synthetic-0");
        for row in documents.iter().flat_map(|document| document.rows.chunks_exact(4)) {
            assert!((row.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        }
        let truth = crate::quality::exact(&collection, 3, &out.join("truth.json")).unwrap();
        assert_eq!(truth[0][..2], [0, 1]);
    }

    #[test]
    fn noise_is_of_the_stated_size() {
        let mut random = Random(1);
        let numbers: Vec<f32> = (0..100_000).map(|_| random.normal()).collect();
        let mean = numbers.iter().sum::<f32>() / 1e5;
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        assert!((0..1000).all(|_| random.below(3) < 3));
    }
}
