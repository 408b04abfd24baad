use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;

use super::directory::{self, ModelDirectory, TOKENIZER_LIMIT};
use super::fingerprint::Fingerprint;
use super::table::TokenTable;
use super::text::{TextTokenizer, Tokens};
use super::weights::Weights;
use super::{EncodeError, ModelOptions};
use crate::types::{EncodedTokens, MAX_DIM, TokenMatrixBuf};

/// `config.json` of a directory in Lateen's own static layout.
///
/// | field | meaning |
/// |---|---|
/// | `model_type` | `lateen-static` |
/// | `version` | 1 |
/// | `name` | for people; the directory's name if absent |
/// | `dim` | length of a vector |
/// | `max_query_tokens`, `max_document_tokens` | rows kept of a text |
/// | `skip_ids` | tokens left out of documents |
/// | `unique_document_tokens` | keep a document's repeated tokens once (default true): equal tokens have equal vectors here, so MaxSim is the same |
///
/// Beside it, `model.safetensors` holds `embeddings` (`i8 [vocabulary, dim]`), `scales` (`f32 [vocabulary]`: vector =
/// scale × row) and `weights` (`f32 [vocabulary]`, ≥ 0), and `tokenizer.json` the tokenizer.
#[derive(Debug, Clone, Deserialize)]
struct Config {
    version: u32,
    name: Option<String>,
    dim: usize,
    max_query_tokens: usize,
    max_document_tokens: usize,
    #[serde(default)]
    skip_ids: Vec<u32>,
    #[serde(default = "yes")]
    unique_document_tokens: bool,
}

fn yes() -> bool {
    true
}

/// The three files of the layout.
pub(super) struct Files<'a> {
    pub(super) directory: &'a Path,
    pub(super) config: Cow<'static, [u8]>,
    pub(super) weights: Cow<'static, [u8]>,
    pub(super) tokenizer: Cow<'static, [u8]>,
}

/// Late interaction by table look-up: one vector per token, whatever its context.
pub(super) struct StaticTokens {
    pub(super) name: String,
    table: TokenTable,
    tokenizer: TextTokenizer,
    skip: HashSet<u32>,
    unique: bool,
    max_query: usize,
    max_document: usize,
    pub(super) fingerprint: [u8; 16],
}

impl StaticTokens {
    pub(super) fn load(directory: &ModelDirectory, options: &ModelOptions) -> Result<Self, EncodeError> {
        let config_file = directory.path("config.json");
        let files = Files {
            directory: directory.root(),
            config: directory::read(&config_file, "the configuration", 1 << 20)?.into(),
            weights: directory::read(
                &directory.path("model.safetensors"),
                "the token table",
                directory::WEIGHTS_LIMIT,
            )?
            .into(),
            tokenizer: directory::read(&directory.path("tokenizer.json"), "the tokenizer", TOKENIZER_LIMIT)?
                .into(),
        };
        Self::new(files, &directory.name(), options)
    }

    pub(super) fn new(files: Files<'_>, name: &str, options: &ModelOptions) -> Result<Self, EncodeError> {
        let config_path = files.directory.join("config.json");
        let config: Config = serde_json::from_slice(&files.config)
            .map_err(|source| EncodeError::Json { path: config_path.clone(), source })?;
        check(&config, &config_path)?;
        let tokenizer = TextTokenizer::new(&files.directory.join("tokenizer.json"), &files.tokenizer, false)?;
        let max_query = options.max_query_tokens.unwrap_or(config.max_query_tokens).max(1);
        let max_document = options.max_document_tokens.unwrap_or(config.max_document_tokens).max(1);
        let mut fingerprint = Fingerprint::new("lateen-static");
        fingerprint.add("weights", &files.weights);
        fingerprint.add("tokenizer", &files.tokenizer);
        fingerprint.add_numbers("lengths", &[max_query as u64, max_document as u64]);
        fingerprint.add_numbers("skip", &config.skip_ids.iter().map(|&id| u64::from(id)).collect::<Vec<_>>());
        fingerprint.add_numbers("unique", &[u64::from(config.unique_document_tokens)]);
        let table = table(&files.directory.join("model.safetensors"), files.weights, &config)?;
        let largest = tokenizer.largest_id();
        if largest as usize >= table.len() {
            let directory = files.directory.to_owned();
            return Err(EncodeError::VocabularyMismatch { directory, token: largest, rows: table.len() });
        }
        Ok(Self {
            name: config.name.unwrap_or_else(|| name.to_owned()),
            table,
            tokenizer,
            skip: config.skip_ids.into_iter().collect(),
            unique: config.unique_document_tokens,
            max_query,
            max_document,
            fingerprint: fingerprint.finish(),
        })
    }

    pub(super) fn dim(&self) -> usize {
        self.table.dim()
    }

    pub(super) fn limits(&self) -> (usize, usize) {
        (self.max_query, self.max_document)
    }

    pub(super) fn description(&self) -> String {
        let (rows, dim) = (self.table.len(), self.table.dim());
        format!(
            "{}: static token table, {rows} × {dim} int8, {} document tokens",
            self.name, self.max_document
        )
    }

    /// The rows of `text` as a query: vectors carry their weights as lengths.
    pub(super) fn query(&self, text: &str) -> Result<(EncodedTokens, bool), EncodeError> {
        let kept = self.query_tokens(text)?;
        let truncated = kept.truncated;
        Ok((self.matrix(kept, |token| self.table.weight(token))?, truncated))
    }

    /// The rows of `text` as a document: unit vectors.
    pub(super) fn document(&self, text: &str) -> Result<(EncodedTokens, bool), EncodeError> {
        let kept = self.document_tokens(text)?;
        let truncated = kept.truncated;
        Ok((self.matrix(kept, |_| 1.0)?, truncated))
    }

    pub(super) fn query_tokens(&self, text: &str) -> Result<Tokens, EncodeError> {
        self.kept(text, self.max_query, |_| true)
    }

    pub(super) fn document_tokens(&self, text: &str) -> Result<Tokens, EncodeError> {
        let mut seen = HashSet::new();
        self.kept(text, self.max_document, |id| !self.skip.contains(&id) && (!self.unique || seen.insert(id)))
    }

    /// The weighted mean of the tokens of `text`.
    pub(super) fn dense(&self, text: &str, query: bool) -> Result<(Vec<f32>, bool), EncodeError> {
        let max = if query { self.max_query } else { self.max_document };
        let kept = self.kept(text, max, |id| query || !self.skip.contains(&id))?;
        Ok((self.table.mean(&kept.ids), kept.truncated))
    }

    /// The first `max` tokens of `text` that count and that `keep` lets pass.
    fn kept(&self, text: &str, max: usize, mut keep: impl FnMut(u32) -> bool) -> Result<Tokens, EncodeError> {
        // Skipped and repeated tokens take no row, so more tokens than rows are read, within the cut of the text.
        let read = if self.unique || !self.skip.is_empty() { max.saturating_mul(4) } else { max };
        let all = self.tokenizer.tokens("", text, read, false)?;
        let mut kept = Tokens { truncated: all.truncated, ..Tokens::default() };
        for (&id, &span) in all.ids.iter().zip(&all.spans) {
            if self.table.weight(id) <= 0.0 || !keep(id) {
                continue;
            }
            if kept.ids.len() == max {
                kept.truncated = true;
                break;
            }
            kept.ids.push(id);
            kept.spans.push(span);
        }
        Ok(kept)
    }

    fn matrix(&self, tokens: Tokens, factor: impl Fn(u32) -> f32) -> Result<EncodedTokens, EncodeError> {
        let mut rows = Vec::with_capacity(tokens.ids.len() * self.dim());
        for &id in &tokens.ids {
            self.table.push_row(id, factor(id), &mut rows);
        }
        let matrix = TokenMatrixBuf::new(rows, self.dim())?;
        Ok(EncodedTokens { matrix, token_ids: tokens.ids, spans: tokens.spans })
    }
}

fn check(config: &Config, path: &Path) -> Result<(), EncodeError> {
    let field =
        |field, found: String, expected| EncodeError::Field { path: path.to_owned(), field, found, expected };
    if config.version != 1 {
        return Err(field("version", config.version.to_string(), "1; update Lateen for newer ones"));
    }
    if config.dim == 0 || config.dim > MAX_DIM {
        return Err(field("dim", config.dim.to_string(), "1 to 8192"));
    }
    for (name, length) in
        [("max_query_tokens", config.max_query_tokens), ("max_document_tokens", config.max_document_tokens)]
    {
        if length == 0 || length > MAX_TOKENS {
            return Err(field(name, length.to_string(), "1 to 1048576"));
        }
    }
    Ok(())
}

/// The largest length a configuration may ask for.
const MAX_TOKENS: usize = 1 << 20;

fn table(path: &Path, bytes: Cow<'static, [u8]>, config: &Config) -> Result<TokenTable, EncodeError> {
    let weights = Weights::new(path, bytes)?;
    let (rows, vocabulary) = weights.bytes_matrix("embeddings", config.dim)?;
    // Rows are scaled to length 1, so a scale says only whether a row has a direction; it must still be sound.
    let scales = weights.shaped("scales", &[vocabulary])?;
    let mut token_weights = weights.shaped("weights", &[vocabulary])?;
    if let Some(index) = token_weights.iter().position(|&weight| weight < 0.0) {
        let path = path.to_owned();
        let found = format!("{} for token {index}", token_weights[index]);
        return Err(EncodeError::Field { path, field: "weights", found, expected: "numbers ≥ 0" });
    }
    for (weight, scale) in token_weights.iter_mut().zip(&scales) {
        if *scale == 0.0 {
            *weight = 0.0;
        }
    }
    Ok(TokenTable::new(weights.into_bytes(), rows, config.dim, token_weights))
}
