//! Texts to vectors, on standard output or in a file.

mod rows;
mod sink;

use super::model_choice::{ModelChoice, tell};
use crate::exit::{Outcome, usage};
use crate::output::Output;
use crate::progress::Progress;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lateen::corpus::{Queries, ReadOptions};
use lateen::encode::Model;
use lateen::encode::arrays::read_npy_f32;
use lateen::encode::quantise::{Precision, Ranges};
use lateen::types::TokenMatrix;
use rows::{Rows, encode};
use sink::{Sink, Written};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen encode 'ebb and flow' --as query
  lateen encode --from texts.txt --model models/minilm --out vectors.npy
  lateen encode --from texts.txt --model models/minilm --dim 128 --precision int8 --calibrate sample.txt --out v.safetensors

A .npy file holds token vectors one text after another; the number of rows of each text goes to NAME.lengths.npy
beside it, and the ranges of bytes to NAME.ranges.npy. A .safetensors file holds all of them as vectors, lengths and
ranges. A .jsonl file holds what standard output would.";

/// Texts that are encoded together.
const BATCH: usize = 64;

/// Turn texts into vectors
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Encode {
    /// Texts, each encoded by itself
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    texts: Vec<String>,
    /// Texts from a file (JSONL, TSV, or one per line), or `-` for standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Models may treat queries and documents differently
    #[arg(long = "as", value_enum, default_value_t, value_name = "ROLE")]
    role: Role,
    /// A vector for each token, one for the text, or weights of its tokens [default: what the model is made for]
    #[arg(long, value_enum, value_name = "KIND")]
    vectors: Option<Vectors>,
    /// Keep the first N dimensions, scaled to length 1 again
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    dim: Option<u32>,
    /// Keep each dimension as a float, a byte or a bit
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    precision: PrecisionName,
    /// Take the ranges of bytes from these texts instead of those that are encoded
    #[arg(long, value_name = "FILE", conflicts_with = "ranges")]
    calibrate: Option<PathBuf>,
    /// Take the ranges of bytes from a NAME.ranges.npy
    #[arg(long, value_name = "FILE.npy")]
    ranges: Option<PathBuf>,
    /// A .npy, .safetensors or .jsonl file instead of JSON lines on standard output
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    model: ModelChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Role {
    Query,
    #[default]
    Document,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Vectors {
    Tokens,
    Dense,
    Sparse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum PrecisionName {
    #[default]
    Float32,
    Int8,
    Uint8,
    Binary,
    Ubinary,
}

impl PrecisionName {
    fn precision(self) -> Precision {
        match self {
            Self::Float32 => Precision::Float32,
            Self::Int8 => Precision::Int8,
            Self::Uint8 => Precision::Uint8,
            Self::Binary => Precision::Binary,
            Self::Ubinary => Precision::Ubinary,
        }
    }

    fn has_ranges(self) -> bool {
        matches!(self, Self::Int8 | Self::Uint8)
    }
}

/// What is done to vectors before they are written.
pub struct Form {
    pub role: Role,
    pub vectors: Vectors,
    pub dim: Option<usize>,
}

impl Encode {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let written = self.written()?;
        let texts = self.texts()?;
        let model = self.model.load()?;
        tell(output, &model);
        let form = self.form(&model, written)?;
        let precision = self.precision.precision();
        let ranges = self.known_ranges(&model, &form)?;
        let progress = Progress::start(output, Some(texts.len() as u64));
        // Bytes whose ranges are those of the texts themselves wait until all are encoded.
        let waits = self.precision.has_ranges() && ranges.is_none();
        let mut sink = Sink::new(self.out.as_deref(), written, precision);
        let mut waiting = Vec::new();
        let mut done = 0;
        for batch in texts.chunks(BATCH) {
            let rows = encode(&model, batch, &form)?;
            match waits {
                true => waiting.extend(rows),
                false => sink.add(output, rows, ranges.as_ref())?,
            }
            done += batch.len() as u64;
            progress.set(done, done, "text");
        }
        drop(progress);
        if waits {
            output.note(
                "ranges are those of these texts; --calibrate takes them from others, --ranges from a file",
            );
            let ranges = ranges_of(&waiting)?;
            sink.add(output, waiting, Some(&ranges))?;
        }
        sink.finish(output)?;
        Ok(Outcome::Done)
    }

    /// The form that the output file's name asks for.
    fn written(&self) -> anyhow::Result<Written> {
        let Some(path) = &self.out else { return Ok(Written::Lines) };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Ok(Written::Npy),
            Some("safetensors") => Ok(Written::Safetensors),
            Some("jsonl") => Ok(Written::Lines),
            _ => usage("--out writes .npy, .safetensors and .jsonl files; end its name in one of them"),
        }
    }

    fn form(&self, model: &Model, written: Written) -> anyhow::Result<Form> {
        let default = if model.token_dim().is_some() { Vectors::Tokens } else { Vectors::Dense };
        let vectors = self.vectors.unwrap_or(default);
        let numbers = self.dim.is_none() && self.precision == PrecisionName::Float32;
        if vectors == Vectors::Sparse && !(numbers && written == Written::Lines) {
            return usage("sparse vectors are written as JSON lines, whole and as floats");
        }
        if vectors == Vectors::Sparse && !model.gives_sparse() {
            return usage(format!("{} gives no weights of tokens; see `lateen model inspect`", model.name()));
        }
        if !self.precision.has_ranges() && (self.calibrate.is_some() || self.ranges.is_some()) {
            return usage("only bytes have ranges: add --precision int8 or uint8");
        }
        Ok(Form { role: self.role, vectors, dim: self.dim.map(|dim| dim as usize) })
    }

    fn texts(&self) -> anyhow::Result<Vec<(String, String)>> {
        match &self.from {
            Some(path) => read(path),
            None => Ok(self
                .texts
                .iter()
                .enumerate()
                .map(|(at, text)| ((at + 1).to_string(), text.clone()))
                .collect()),
        }
    }

    /// Ranges from a file or from other texts.
    fn known_ranges(&self, model: &Model, form: &Form) -> anyhow::Result<Option<Ranges>> {
        if let Some(path) = &self.ranges {
            let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
            let (dim, numbers) = read_npy_f32(&mut BufReader::new(file))
                .with_context(|| format!("reading {}", path.display()))?;
            let (low, high) = numbers.split_at(dim.min(numbers.len()));
            return Ok(Some(Ranges::new(low.to_vec(), high.to_vec())?));
        }
        let Some(path) = &self.calibrate else { return Ok(None) };
        let mut all = Vec::new();
        for batch in read(path)?.chunks(BATCH) {
            all.extend(encode(model, batch, form)?);
        }
        ranges_of(&all).map(Some)
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    Ok(Queries::open(path, ReadOptions::default())?.read_all()?)
}

fn ranges_of(all: &[Rows]) -> anyhow::Result<Ranges> {
    let dim = all.first().map_or(1, |rows| rows.dim);
    let numbers: Vec<f32> = all.iter().flat_map(|rows| rows.values.iter().copied()).collect();
    Ok(Ranges::of(TokenMatrix::new(&numbers, dim)?)?)
}
