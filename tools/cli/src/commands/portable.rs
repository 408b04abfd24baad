//! Documents with vectors as JSON lines: what `export` writes and `import` reads.

use anyhow::{Context as _, bail, ensure};
use lateen::format::{DenseStorage, IndexSettings, ModelIdentity, StoredDocument, TokenStorage, Words};
use lateen::index::{NewDocument, Snapshot};
use lateen::types::{EncodedTokens, TokenMatrixBuf};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of the header.
const VERSION: u32 = 1;

/// The first line: what an index has to be created with to take the rest.
#[derive(Debug, Serialize, Deserialize)]
pub struct Header {
    lateen_export: u32,
    settings: Settings,
    model: Model,
}

#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    token_dim: u32,
    token_storage: String,
    dense_dim: u32,
    dense_storage: String,
    store_documents: bool,
    seed: u64,
    /// Exports written before words were kept have none.
    #[serde(default)]
    words: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Model {
    name: String,
    location: String,
    fingerprint: String,
    description: String,
}

const TOKEN_STORAGES: &[(&str, TokenStorage)] = &[
    ("none", TokenStorage::None),
    ("2-bit codes", TokenStorage::Residual2),
    ("4-bit codes", TokenStorage::Residual4),
    ("1-bit codes", TokenStorage::Residual1),
    ("ternary codes", TokenStorage::ResidualTernary),
    ("f16", TokenStorage::F16),
    ("f32", TokenStorage::F32),
];
const DENSE_STORAGES: &[(&str, DenseStorage)] = &[
    ("none", DenseStorage::None),
    ("f32", DenseStorage::F32),
    ("f16", DenseStorage::F16),
    ("i8", DenseStorage::I8),
];

const WORDS: &[(&str, Words)] = &[
    ("none", Words::None),
    ("english", Words::English),
    ("cjk", Words::CjkBigrams),
    ("jieba", Words::Jieba),
];

fn name_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> String {
    table.iter().find(|(_, known)| known == value).map_or("unknown", |(name, _)| name).to_owned()
}

fn value_of<T: Copy>(table: &[(&str, T)], name: &str) -> anyhow::Result<T> {
    match table.iter().find(|(known, _)| *known == name) {
        Some(&(_, value)) => Ok(value),
        None => bail!("{name:?} is no storage; known are {}", names(table)),
    }
}

fn names<T>(table: &[(&str, T)]) -> String {
    table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl Header {
    pub fn of(snapshot: &Snapshot) -> Self {
        let (settings, model) = (snapshot.settings(), snapshot.model());
        let fingerprint = model.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            lateen_export: VERSION,
            settings: Settings {
                token_dim: settings.token_dim,
                token_storage: name_of(TOKEN_STORAGES, &settings.token_storage),
                dense_dim: settings.dense_dim,
                dense_storage: name_of(DENSE_STORAGES, &settings.dense_storage),
                store_documents: settings.store_documents,
                seed: settings.seed,
                words: Some(name_of(WORDS, &settings.words)),
            },
            model: Model {
                name: model.name.clone(),
                location: model.location.clone(),
                fingerprint,
                description: model.description.clone(),
            },
        }
    }

    /// Whether a line is a header rather than a document.
    pub fn is_header(line: &str) -> bool {
        line.trim_start().starts_with("{\"lateen_export\"")
    }

    pub fn settings(&self) -> anyhow::Result<IndexSettings> {
        ensure!(
            self.lateen_export == VERSION,
            "the export has version {}, this program reads {VERSION}",
            self.lateen_export
        );
        Ok(IndexSettings {
            token_dim: self.settings.token_dim,
            token_storage: value_of(TOKEN_STORAGES, &self.settings.token_storage)?,
            dense_dim: self.settings.dense_dim,
            dense_storage: value_of(DENSE_STORAGES, &self.settings.dense_storage)?,
            store_documents: self.settings.store_documents,
            seed: self.settings.seed,
            words: match &self.settings.words {
                Some(words) => value_of(WORDS, words)?,
                None => Words::None,
            },
        })
    }

    pub fn model(&self) -> anyhow::Result<ModelIdentity> {
        let hex = &self.model.fingerprint;
        ensure!(hex.len() == 32 && hex.is_ascii(), "a fingerprint has 32 hexadecimal digits, not {hex:?}");
        let mut fingerprint = [0; 16];
        for (at, byte) in fingerprint.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16)
                .with_context(|| format!("a fingerprint has 32 hexadecimal digits, not {hex:?}"))?;
        }
        Ok(ModelIdentity {
            name: self.model.name.clone(),
            location: self.model.location.clone(),
            fingerprint,
            description: self.model.description.clone(),
        })
    }
}

/// A document.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
    /// Sixteen hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<Vec<f32>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vector: Option<Vec<f32>>,
}

impl Line {
    pub fn of(document: NewDocument, vectors: bool) -> anyhow::Result<Self> {
        let stored = document.stored.unwrap_or_default();
        let metadata = match stored.metadata.as_str() {
            "" => Map::new(),
            json => serde_json::from_str(json)
                .with_context(|| format!("document {:?}: its metadata is no JSON object", document.id))?,
        };
        let rows = document.tokens.map(|tokens| tokens.matrix.view().iter().map(<[f32]>::to_vec).collect());
        Ok(Self {
            id: document.id,
            title: stored.title,
            text: stored.text,
            metadata,
            content_hash: Some(format!("{:016x}", document.content_hash)),
            tokens: rows.filter(|_| vectors),
            vector: document.dense.filter(|_| vectors),
        })
    }

    /// The document for an index of these settings.
    pub fn into_document(self, settings: &IndexSettings) -> anyhow::Result<NewDocument> {
        let dim = settings.token_dim as usize;
        let tokens = match self.tokens {
            None => None,
            Some(rows) => {
                if let Some(row) = rows.iter().find(|row| row.len() != dim) {
                    bail!("a token vector has {} dimensions, the index has {dim}", row.len());
                }
                let matrix = TokenMatrixBuf::new(rows.concat(), dim.max(1))?;
                Some(EncodedTokens { matrix, token_ids: Vec::new(), spans: Vec::new() })
            }
        };
        let metadata = match self.metadata.is_empty() {
            true => String::new(),
            false => Value::Object(self.metadata).to_string(),
        };
        let content_hash = match self.content_hash {
            None => 0,
            Some(hex) => u64::from_str_radix(&hex, 16)
                .with_context(|| format!("a content hash has 16 hexadecimal digits, not {hex:?}"))?,
        };
        Ok(NewDocument {
            id: self.id,
            tokens,
            dense: self.vector,
            stored: settings.store_documents.then_some(StoredDocument {
                title: self.title,
                text: self.text,
                metadata,
            }),
            content_hash,
        })
    }
}
