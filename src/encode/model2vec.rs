use std::path::Path;

use serde::Deserialize;

use super::directory::{self, ModelDirectory, TOKENIZER_LIMIT};
use super::fingerprint::Fingerprint;
use super::text::TextTokenizer;
use super::weights::Weights;
use super::{EncodeError, ModelOptions};
use crate::types::{MAX_DIM, normalize};

/// Tokens of a text that count, as Model2Vec has it.
const MAX_TOKENS: usize = 512;

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    normalize: Option<bool>,
}

/// A Model2Vec checkpoint: a dense vector is the mean of the vectors of a text's tokens.
///
/// `v(text) = mean over tokens t of weights[t] · embeddings[mapping[t]]`, scaled to length 1 if the configuration says
/// so; without `weights` every token counts 1, without `mapping` each token has its own row. No marks are added,
/// unknown tokens are dropped, then at most 512 are kept (<https://github.com/MinishLab/model2vec>).
pub(super) struct Model2Vec {
    pub(super) name: String,
    tokenizer: TextTokenizer,
    table: Table,
    normalize: bool,
    max_document: usize,
    max_query: usize,
    pub(super) fingerprint: [u8; 16],
}

/// The tensors of a checkpoint, checked against each other.
struct Table {
    embeddings: Vec<f32>,
    dim: usize,
    weights: Option<Vec<f32>>,
    mapping: Option<Vec<u32>>,
}

impl Table {
    fn read(file: &Weights, path: &Path) -> Result<Self, EncodeError> {
        let wrong = |field, found, expected| {
            Err(EncodeError::Field { path: path.to_owned(), field, found, expected })
        };
        let name = ["embeddings", "embedding.weight", "0"].into_iter().find(|name| file.has(name));
        let (rows, dim, embeddings) = file.matrix(name.unwrap_or("embeddings"))?;
        if dim > MAX_DIM {
            return wrong("embeddings", dim.to_string(), "1 to 8192 columns");
        }
        let mapping = file.has("mapping").then(|| file.indices("mapping")).transpose()?;
        let tokens = mapping.as_ref().map_or(rows, Vec::len);
        let weights = file.has("weights").then(|| file.shaped("weights", &[tokens])).transpose()?;
        if let Some(&row) = mapping.iter().flatten().find(|&&row| row as usize >= rows) {
            return wrong("mapping", format!("row {row}"), "rows of `embeddings`");
        }
        Ok(Self { embeddings, dim, weights, mapping })
    }

    /// How many tokens have a row.
    fn tokens(&self) -> usize {
        self.mapping.as_ref().map_or(self.embeddings.len() / self.dim, Vec::len)
    }

    /// The vector of `token`, and how much it counts.
    fn row(&self, token: u32) -> (&[f32], f64) {
        let row = self.mapping.as_ref().map_or(token, |mapping| mapping[token as usize]) as usize;
        let weight = self.weights.as_ref().map_or(1.0, |weights| f64::from(weights[token as usize]));
        (&self.embeddings[row * self.dim..(row + 1) * self.dim], weight)
    }
}

impl Model2Vec {
    pub(super) fn load(directory: &ModelDirectory, options: &ModelOptions) -> Result<Self, EncodeError> {
        let config: Config =
            directory.optional_json("config.json")?.unwrap_or(Config { normalize: Some(true) });
        let tokenizer_path = directory.path("tokenizer.json");
        let tokenizer_bytes = directory::read(&tokenizer_path, "the tokenizer", TOKENIZER_LIMIT)?;
        let tokenizer = TextTokenizer::new(&tokenizer_path, &tokenizer_bytes, false)?;
        let weights_path = directory.path("model.safetensors");
        if !weights_path.exists()
            && let Some(path) = directory.pickle()
        {
            return Err(EncodeError::Pickle { path });
        }
        let file = Weights::open(&weights_path)?;
        let table = Table::read(&file, &weights_path)?;
        let largest = tokenizer.largest_id();
        if largest as usize >= table.tokens() {
            let (directory, rows) = (directory.root().to_owned(), table.tokens());
            return Err(EncodeError::VocabularyMismatch { directory, token: largest, rows });
        }
        let normalize = config.normalize.unwrap_or(true);
        let max_document = options.max_document_tokens.unwrap_or(MAX_TOKENS).max(1);
        let max_query = options.max_query_tokens.unwrap_or(MAX_TOKENS).max(1);
        let mut fingerprint = Fingerprint::new("model2vec");
        fingerprint.add("weights", file.as_bytes());
        fingerprint.add("tokenizer", &tokenizer_bytes);
        fingerprint.add_numbers("recipe", &[max_query as u64, max_document as u64, u64::from(normalize)]);
        Ok(Self {
            name: directory.name(),
            tokenizer,
            table,
            normalize,
            max_document,
            max_query,
            fingerprint: fingerprint.finish(),
        })
    }

    pub(super) fn dim(&self) -> usize {
        self.table.dim
    }

    pub(super) fn limits(&self) -> (usize, usize) {
        (self.max_query, self.max_document)
    }

    pub(super) fn description(&self) -> String {
        format!("{}: Model2Vec table, {} tokens × {}", self.name, self.table.tokens(), self.table.dim)
    }

    /// The vector of `text`, and whether tokens were cut off; zeros if the text has no known token.
    pub(super) fn dense(&self, text: &str, query: bool) -> Result<(Vec<f32>, bool), EncodeError> {
        let max = if query { self.max_query } else { self.max_document };
        // Unknown tokens are dropped before the limit is applied, so one per kept token is allowed for.
        let tokens = self.tokenizer.tokens("", text, max.saturating_mul(2), false)?;
        let unknown = self.tokenizer.unknown();
        let mut known = tokens.ids.iter().filter(|&&id| Some(id) != unknown);
        let mut sum = vec![0.0_f64; self.table.dim];
        let mut count = 0_u32;
        for &id in known.by_ref().take(max) {
            let (row, weight) = self.table.row(id);
            for (total, &x) in sum.iter_mut().zip(row) {
                *total += f64::from(x) * weight;
            }
            count += 1;
        }
        let truncated = tokens.truncated || known.next().is_some();
        let mut vector: Vec<f32> = sum.iter().map(|x| (x / f64::from(count.max(1))) as f32).collect();
        if self.normalize {
            normalize(&mut vector);
        }
        Ok((vector, truncated))
    }
}
