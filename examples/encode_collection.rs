//! Encodes a collection with a late-interaction model once, to plain NumPy files that benches and other programs read.
//!
//! ```text
//! cargo run --release --example encode_collection -- MODEL OUT_DIR CORPUS... [--beir DIR] [--split NAME] [--documents N]
//! ```
//!
//! `CORPUS`: files of documents; with `--beir`, the folder's corpus and its judged queries. Written are
//!
//! | file | content |
//! |---|---|
//! | `tokens.npy` | `[tokens, dim]` f16, unit rows, one document after another |
//! | `token_ids.npy` | `[tokens]` u32, the vocabulary id of each |
//! | `lengths.npy` | `[documents]` u32, tokens of each |
//! | `ids.txt` | the documents' ids, a line each |
//! | `query_tokens.npy`, `query_lengths.npy`, `query_ids.txt`, `qrels.tsv` | the same for queries (f32), and the judgements; with `--beir` |

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use half::f16;
use lateen::corpus::{Document, Queries, ReadOptions, Source};
use lateen::encode::{Model, ModelOptions};
use lateen::eval::beir::Collection;

/// Documents encoded together.
const BATCH: usize = 256;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse()?;
    let model = Model::load(&arguments.model, &ModelOptions::default())?;
    let dim = model.token_dim().context("the model makes no token vectors")?;
    std::fs::create_dir_all(&arguments.out)?;
    let mut corpora = arguments.corpora.clone();
    if let Some(folder) = &arguments.beir {
        let collection = Collection::open(folder)?;
        let split = arguments.split.as_deref().unwrap_or(collection.default_split());
        let qrels = collection.splits.get(split).with_context(|| format!("no split {split}"))?;
        std::fs::copy(qrels, arguments.out.join("qrels.tsv"))?;
        queries(&model, &collection, split, &arguments.out)?;
        corpora.push(collection.corpus);
    }
    documents(&model, &corpora, arguments.documents, &arguments.out, dim)
}

struct Arguments {
    model: PathBuf,
    out: PathBuf,
    corpora: Vec<PathBuf>,
    beir: Option<PathBuf>,
    split: Option<String>,
    documents: usize,
}

impl Arguments {
    fn parse() -> anyhow::Result<Self> {
        let (mut paths, mut beir, mut split, mut documents) = (Vec::new(), None, None, usize::MAX);
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--beir" => beir = Some(value()?.into()),
                "--split" => split = Some(value()?),
                "--documents" => documents = value()?.parse()?,
                _ => paths.push(PathBuf::from(word)),
            }
        }
        anyhow::ensure!(paths.len() >= 2, "usage: encode_collection MODEL OUT_DIR CORPUS... [--beir DIR]");
        let (model, out) = (paths.remove(0), paths.remove(0));
        Ok(Self { model, out, corpora: paths, beir, split, documents })
    }
}

fn queries(model: &Model, collection: &Collection, split: &str, out: &Path) -> anyhow::Result<()> {
    let qrels = collection.qrels(split)?;
    let judged: std::collections::HashSet<&str> = qrels.queries().collect();
    let mut ids = BufWriter::new(File::create(out.join("query_ids.txt"))?);
    let (mut rows, mut lengths, mut dim) = (Vec::new(), Vec::new(), 0);
    for (id, text) in Queries::open(&collection.queries, ReadOptions::default())?.read_all()? {
        if judged.contains(id.as_str()) {
            let encoded = model.encode_query_tokens(&text)?;
            let view = encoded.matrix.view();
            dim = view.dim();
            lengths.push(u32::try_from(view.rows())?);
            rows.extend_from_slice(view.as_slice());
            writeln!(ids, "{id}")?;
        }
    }
    let mut tokens = Npy::create(&out.join("query_tokens.npy"), "<f4", dim)?;
    rows.iter().try_for_each(|x| tokens.write(&x.to_le_bytes()))?;
    tokens.finish()?;
    write_u32(&out.join("query_lengths.npy"), &lengths)?;
    Ok(ids.flush()?)
}

fn documents(model: &Model, corpora: &[PathBuf], most: usize, out: &Path, dim: usize) -> anyhow::Result<()> {
    let mut ids = BufWriter::new(File::create(out.join("ids.txt"))?);
    let mut tokens = Npy::create(&out.join("tokens.npy"), "<f2", dim)?;
    let (mut lengths, mut token_ids) = (Vec::new(), Vec::new());
    for corpus in corpora {
        let mut source = Source::open(corpus, ReadOptions::default())?;
        loop {
            let batch: Vec<Document> = source.by_ref().take(BATCH).collect::<Result<_, _>>()?;
            let left = most - lengths.len().min(most);
            let batch = &batch[..batch.len().min(left)];
            if batch.is_empty() {
                break;
            }
            let texts: Vec<_> = batch.iter().map(Document::full_text).collect();
            let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            for (document, encoded) in batch.iter().zip(model.encode_document_tokens(&texts)?) {
                lengths.push(u32::try_from(encoded.matrix.view().rows())?);
                token_ids.extend_from_slice(&encoded.token_ids);
                let rows = encoded.matrix.view().as_slice();
                rows.iter().try_for_each(|&x| tokens.write(&f16::from_f32(x).to_le_bytes()))?;
                writeln!(ids, "{}", document.id)?;
            }
            eprint!("\r{} documents, {} tokens", lengths.len(), token_ids.len());
        }
    }
    eprintln!();
    tokens.finish()?;
    write_u32(&out.join("lengths.npy"), &lengths)?;
    write_u32(&out.join("token_ids.npy"), &token_ids)?;
    Ok(ids.flush()?)
}

fn write_u32(path: &Path, values: &[u32]) -> anyhow::Result<()> {
    let mut file = Npy::create(path, "<u4", 0)?;
    values.iter().try_for_each(|value| file.write(&value.to_le_bytes()))?;
    file.finish()
}

/// A `.npy` file whose number of rows is known at its end.
struct Npy {
    file: BufWriter<File>,
    descr: &'static str,
    /// 0 for a list.
    dim: usize,
    numbers: usize,
}

impl Npy {
    const HEADER: usize = 128;

    fn create(path: &Path, descr: &'static str, dim: usize) -> anyhow::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&[0; Self::HEADER])?;
        Ok(Self { file, descr, dim, numbers: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.numbers += 1;
        self.file.write_all(bytes)
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let shape = match self.dim {
            0 => format!("({},)", self.numbers),
            dim => format!("({}, {dim})", self.numbers / dim),
        };
        let text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {shape}, }}", self.descr);
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(b"\x93NUMPY\x01\x00")?;
        self.file.write_all(&u16::try_from(Self::HEADER - 10)?.to_le_bytes())?;
        writeln!(self.file, "{text:width$}", width = Self::HEADER - 11)?;
        Ok(self.file.flush()?)
    }
}
