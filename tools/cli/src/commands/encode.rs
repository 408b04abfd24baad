use super::model_choice::{ModelChoice, tell};
use crate::exit::{Outcome, usage};
use crate::npy;
use crate::output::Output;
use crate::progress::Progress;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lateen::corpus::{Queries, ReadOptions};
use lateen::encode::Model;
use lateen::types::EncodedTokens;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen encode 'ebb and flow' --as query
  lateen encode --from texts.txt --model models/minilm --out vectors.npy

Token vectors go to a .npy file one text after another; the number of rows of each text goes to
NAME.lengths.npy beside it.";

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
    /// A vector for each token, or one for the text [default: what the model is made for]
    #[arg(long, value_enum, value_name = "KIND")]
    vectors: Option<Vectors>,
    /// A .npy file instead of JSON lines on standard output
    #[arg(long, short, value_name = "FILE.npy")]
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
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    dim: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<&'a [f32]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_ids: Option<&'a [u32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spans: Option<&'a [(u32, u32)]>,
}

/// Vectors of several texts, one after another.
#[derive(Default)]
struct Gathered {
    rows: Vec<f32>,
    lengths: Vec<u32>,
}

impl Encode {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        if self.out.as_ref().is_some_and(|path| path.extension().is_none_or(|extension| extension != "npy")) {
            return usage("--out writes NumPy files; end its name in .npy");
        }
        let texts = self.texts()?;
        let model = self.model.load()?;
        tell(output, &model);
        let vectors = self.vectors.unwrap_or(if model.token_dim().is_some() {
            Vectors::Tokens
        } else {
            Vectors::Dense
        });
        let dim = if vectors == Vectors::Tokens { model.token_dim() } else { model.dense_dim() }
            .unwrap_or_default();
        let progress = Progress::start(output, Some(texts.len() as u64));
        let mut gathered = Gathered::default();
        let mut done = 0;
        for batch in texts.chunks(BATCH) {
            match vectors {
                Vectors::Dense => self.dense(output, &model, batch, &mut gathered)?,
                Vectors::Tokens => self.tokens(output, &model, batch, &mut gathered)?,
            }
            done += batch.len() as u64;
            progress.set(done, done, "text");
        }
        drop(progress);
        if let Some(path) = &self.out {
            gathered.save(path, dim, vectors)?;
            output.note(format_args!(
                "{}: {} rows of {dim}",
                path.display(),
                gathered.rows.len() / dim.max(1)
            ));
        }
        Ok(Outcome::Done)
    }

    fn texts(&self) -> anyhow::Result<Vec<(String, String)>> {
        match &self.from {
            Some(path) => Ok(Queries::open(path, ReadOptions::default())?.read_all()?),
            None => Ok(self
                .texts
                .iter()
                .enumerate()
                .map(|(at, text)| ((at + 1).to_string(), text.clone()))
                .collect()),
        }
    }

    fn dense(
        &self,
        output: &mut Output,
        model: &Model,
        batch: &[(String, String)],
        all: &mut Gathered,
    ) -> anyhow::Result<()> {
        let texts: Vec<&str> = batch.iter().map(|(_, text)| text.as_str()).collect();
        let vectors = match self.role {
            Role::Query => model.encode_queries_dense(&texts)?,
            Role::Document => model.encode_documents_dense(&texts)?,
        };
        for ((id, _), vector) in batch.iter().zip(&vectors) {
            if self.out.is_some() {
                all.rows.extend_from_slice(vector);
                continue;
            }
            let (dim, vector) = (vector.len(), Some(vector.as_slice()));
            output
                .document("vectors", &Line { id, dim, vector, tokens: None, token_ids: None, spans: None })?;
        }
        Ok(())
    }

    fn tokens(
        &self,
        output: &mut Output,
        model: &Model,
        batch: &[(String, String)],
        all: &mut Gathered,
    ) -> anyhow::Result<()> {
        let texts: Vec<&str> = batch.iter().map(|(_, text)| text.as_str()).collect();
        let encoded: Vec<EncodedTokens> = match self.role {
            Role::Query => {
                texts.iter().map(|text| model.encode_query_tokens(text)).collect::<Result<_, _>>()?
            }
            Role::Document => model.encode_document_tokens(&texts)?,
        };
        for ((id, _), encoded) in batch.iter().zip(&encoded) {
            let matrix = encoded.matrix.view();
            if self.out.is_some() {
                all.rows.extend_from_slice(matrix.as_slice());
                all.lengths.push(u32::try_from(matrix.rows())?);
                continue;
            }
            let (dim, tokens) = (matrix.dim(), Some(matrix.iter().collect()));
            let (token_ids, spans) = (Some(encoded.token_ids.as_slice()), Some(encoded.spans.as_slice()));
            output.document("vectors", &Line { id, dim, vector: None, tokens, token_ids, spans })?;
        }
        Ok(())
    }
}

impl Gathered {
    fn save(&self, path: &Path, dim: usize, vectors: Vectors) -> anyhow::Result<()> {
        let create = |path: &Path| -> anyhow::Result<BufWriter<File>> {
            Ok(BufWriter::new(File::create(path).with_context(|| format!("making {}", path.display()))?))
        };
        let mut file = create(path)?;
        npy::write_f32(&mut file, dim, &self.rows)?;
        file.flush()?;
        if vectors == Vectors::Tokens {
            let mut file = create(&path.with_extension("lengths.npy"))?;
            npy::write_u32(&mut file, &self.lengths)?;
            file.flush()?;
        }
        Ok(())
    }
}
