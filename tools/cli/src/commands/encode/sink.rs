use super::rows::Rows;
use crate::output::{Output, SCHEMA_VERSION};
use anyhow::Context as _;
use lateen::encode::arrays::{Array, Number, write_safetensors};
use lateen::encode::quantise::{Precision, Quantised, Ranges};
use lateen::types::TokenMatrix;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Lines,
    Npy,
    Safetensors,
}

#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    kind: &'static str,
    id: &'a str,
    dim: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<Numbers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<Numbers>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_ids: Option<&'a [u32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spans: Option<&'a [(u32, u32)]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<&'a [f32]>,
}

/// Where vectors go: lines at once, arrays when all are there.
pub struct Sink {
    path: Option<PathBuf>,
    written: Written,
    precision: Precision,
    lines: Option<BufWriter<File>>,
    bytes: Vec<u8>,
    lengths: Vec<u32>,
    dim: usize,
    tokens: bool,
    ranges: Option<Ranges>,
}

impl Sink {
    pub fn new(path: Option<&Path>, written: Written, precision: Precision) -> Self {
        Self {
            path: path.map(Path::to_owned),
            written,
            precision,
            lines: None,
            bytes: Vec::new(),
            lengths: Vec::new(),
            dim: 1,
            tokens: false,
            ranges: None,
        }
    }

    pub fn add(
        &mut self,
        output: &mut Output,
        all: Vec<Rows>,
        ranges: Option<&Ranges>,
    ) -> anyhow::Result<()> {
        for rows in all {
            let codes = Quantised::new(TokenMatrix::new(&rows.values, rows.dim)?, self.precision, ranges)?;
            if self.written == Written::Lines {
                self.line(output, &rows, &codes)?;
                continue;
            }
            self.lengths.push(u32::try_from(codes.rows())?);
            self.bytes.extend_from_slice(codes.as_bytes());
            self.dim = rows.dim;
            self.tokens |= rows.tokens.is_some();
            self.ranges = ranges.cloned();
        }
        Ok(())
    }

    fn line(&mut self, output: &mut Output, rows: &Rows, codes: &Quantised) -> anyhow::Result<()> {
        let all = || {
            let width = self.precision.bytes(rows.dim).max(1);
            codes.as_bytes().chunks_exact(width).map(|row| numbers(self.precision, row))
        };
        let (token_ids, spans) = match (&rows.tokens, &rows.sparse) {
            (Some((ids, spans)), _) => (Some(ids.as_slice()), Some(spans.as_slice())),
            (None, Some(sparse)) => (Some(sparse.ids.as_slice()), None),
            (None, None) => (None, None),
        };
        let line = Line {
            v: SCHEMA_VERSION,
            kind: "vectors",
            id: &rows.id,
            dim: rows.dim,
            precision: (self.precision != Precision::Float32).then(|| name(self.precision)),
            vector: (rows.tokens.is_none() && rows.sparse.is_none()).then(|| all().next()).flatten(),
            tokens: rows.tokens.is_some().then(|| all().collect()),
            token_ids,
            spans,
            weights: rows.sparse.as_ref().map(|sparse| sparse.weights.as_slice()),
        };
        match &self.path {
            None => {
                serde_json::to_writer(output.raw(), &line).map_err(std::io::Error::from)?;
                output.raw().write_all(b"\n")?;
            }
            Some(path) => {
                let out = match &mut self.lines {
                    Some(out) => out,
                    none => none.insert(create(path)?),
                };
                serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    pub fn finish(mut self, output: &mut Output) -> anyhow::Result<()> {
        if let Some(mut lines) = self.lines.take() {
            lines.flush()?;
        }
        let Some(path) = self.path.clone() else { return Ok(()) };
        if self.written == Written::Lines {
            output.note(format_args!("{}: written", path.display()));
            return Ok(());
        }
        let width = match self.precision {
            Precision::Float32 => self.dim,
            precision => precision.bytes(self.dim),
        };
        let count = self.lengths.iter().map(|&length| length as usize).sum::<usize>();
        let number = match self.precision {
            Precision::Float32 => Number::F32,
            Precision::Int8 | Precision::Binary => Number::I8,
            Precision::Uint8 | Precision::Ubinary => Number::U8,
        };
        let vectors = Array::new(number, vec![count, width], std::mem::take(&mut self.bytes))
            .context("vectors of different lengths")?;
        let mut arrays = BTreeMap::from([("vectors".to_owned(), vectors)]);
        if self.tokens {
            arrays.insert("lengths".to_owned(), Array::list(&self.lengths));
        }
        if let Some(ranges) = &self.ranges {
            let both = Array::rows(&[ranges.low(), ranges.high()].concat(), self.dim);
            arrays.extend(both.map(|both| ("ranges".to_owned(), both)));
        }
        self.save(&path, &arrays)?;
        output.note(format_args!("{}: {count} rows of {}", path.display(), self.dim));
        Ok(())
    }

    fn save(&self, path: &Path, arrays: &BTreeMap<String, Array>) -> anyhow::Result<()> {
        if self.written == Written::Safetensors {
            let metadata = BTreeMap::from([
                ("dim".to_owned(), self.dim.to_string()),
                ("precision".to_owned(), name(self.precision).to_owned()),
            ]);
            let mut file = create(path)?;
            write_safetensors(&mut file, arrays, &metadata)?;
            return Ok(file.flush()?);
        }
        for (name, array) in arrays {
            let path =
                if name == "vectors" { path.to_owned() } else { path.with_extension(format!("{name}.npy")) };
            let mut file = create(&path)?;
            array.write_npy(&mut file)?;
            file.flush()?;
        }
        Ok(())
    }
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(path).with_context(|| format!("making {}", path.display()))?))
}

fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::Float32 => "float32",
        Precision::Int8 => "int8",
        Precision::Uint8 => "uint8",
        Precision::Binary => "binary",
        Precision::Ubinary => "ubinary",
    }
}

/// A row as JSON shows it.
#[derive(Serialize)]
#[serde(untagged)]
enum Numbers {
    Floats(Vec<f32>),
    Signed(Vec<i8>),
    Bytes(Vec<u8>),
}

fn numbers(precision: Precision, row: &[u8]) -> Numbers {
    match precision {
        Precision::Float32 => {
            Numbers::Floats(row.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        }
        Precision::Int8 | Precision::Binary => Numbers::Signed(row.iter().map(|&byte| byte as i8).collect()),
        Precision::Uint8 | Precision::Ubinary => Numbers::Bytes(row.to_vec()),
    }
}
