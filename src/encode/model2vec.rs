use std::path::PathBuf;

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
    embeddings: Vec<f32>,
    dim: usize,
    weights: Option<Vec<f32>>,
    mapping: Option<Vec<u32>>,
    normalize: bool,
    max_document: usize,
    max_query: usize,
    pub(super) fingerprint: [u8; 16],
}

impl Model2Vec {
    pub(super) fn load(directory: &ModelDirectory, options: &ModelOptions) -> Result<Self, EncodeError> {
        let config: Config =
            directory.optional_json("config.json")?.unwrap_or(Config { normalize: Some(true) });
        let tokenizer_path = directory.path("tokenizer.json");
        let tokenizer_bytes = directory::read(&tokenizer_path, "the tokenizer", TOKENIZER_LIMIT)?;
        let tokenizer = TextTokenizer::new(&tokenizer_path, &tokenizer_bytes, false)?;
        let weights_path: PathBuf = directory.path("model.safetensors");
        if !weights_path.exists()
            && let Some(path) = directory.pickle()
        {
            return Err(EncodeError::Pickle { path });
        }
        let file = Weights::open(&weights_path)?;
        let name = ["embeddings", "embedding.weight", "0"].into_iter().find(|name| file.has(name));
        let (rows, dim, embeddings) = file.matrix(name.unwrap_or("embeddings"))?;
        if dim > MAX_DIM {
            let found = dim.to_string();
            let path = weights_path;
            return Err(EncodeError::Field {
                path,
                field: "embeddings",
                found,
                expected: "1 to 8192 columns",
            });
        }
        let mapping = file.has("mapping").then(|| file.indices("mapping")).transpose()?;
        let tokens = mapping.as_ref().map_or(rows, Vec::len);
        let weights = file.has("weights").then(|| file.shaped("weights", &[tokens])).transpose()?;
        if let Some(&row) = mapping.iter().flatten().find(|&&row| row as usize >= rows) {
            let path = weights_path;
            let found = format!("row {row}");
            return Err(EncodeError::Field {
                path,
                field: "mapping",
                found,
                expected: "rows of `embeddings`",
            });
        }
        let largest = tokenizer.largest_id();
        if largest as usize >= tokens {
            let directory = directory.root().to_owned();
            return Err(EncodeError::VocabularyMismatch { directory, token: largest, rows: tokens });
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
            embeddings,
            dim,
            weights,
            mapping,
            normalize,
            max_document,
            max_query,
            fingerprint: fingerprint.finish(),
        })
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    pub(super) fn limits(&self) -> (usize, usize) {
        (self.max_query, self.max_document)
    }

    pub(super) fn description(&self) -> String {
        let rows = self.embeddings.len() / self.dim;
        format!("{}: Model2Vec table, {rows} × {}", self.name, self.dim)
    }

    /// The vector of `text`, and whether tokens were cut off; zeros if the text has no known token.
    pub(super) fn dense(&self, text: &str, query: bool) -> Result<(Vec<f32>, bool), EncodeError> {
        let max = if query { self.max_query } else { self.max_document };
        // Unknown tokens are dropped before the limit is applied, so one per kept token is allowed for.
        let tokens = self.tokenizer.tokens("", text, max.saturating_mul(2), false)?;
        let unknown = self.tokenizer.unknown();
        let mut known = tokens.ids.iter().filter(|&&id| Some(id) != unknown);
        let mut sum = vec![0.0_f64; self.dim];
        let mut count = 0_u32;
        for &id in known.by_ref().take(max) {
            let row = self.mapping.as_ref().map_or(id, |mapping| mapping[id as usize]) as usize;
            let weight = self.weights.as_ref().map_or(1.0, |weights| f64::from(weights[id as usize]));
            for (total, &x) in sum.iter_mut().zip(&self.embeddings[row * self.dim..]) {
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
