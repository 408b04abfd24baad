use std::collections::BTreeMap;

use serde::Deserialize;

use super::sentence_transformers::{Module, Modules};
use super::{Expansion, Head, Recipe, TokenRules, checked_length, graph, punctuation};
use crate::encode::directory::ModelDirectory;
use crate::encode::layer::Layer;
use crate::encode::projection::Projection;
use crate::encode::{EncodeError, ModelOptions};

const SETTINGS: &str = "config_sentence_transformers.json";

/// The keys that PyLate writes into `config_sentence_transformers.json`, and next-plaid into `onnx_config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    model_type: Option<String>,
    similarity_fn_name: Option<String>,
    query_prefix: Option<String>,
    document_prefix: Option<String>,
    query_length: Option<i64>,
    document_length: Option<i64>,
    do_query_expansion: Option<bool>,
    attend_to_expansion_tokens: Option<bool>,
    skiplist_words: Option<Vec<String>>,
    prompts: BTreeMap<String, Option<String>>,
    default_prompt_name: Option<String>,
    do_lower_case: bool,
}

impl Settings {
    fn has_pylate_key(&self) -> bool {
        self.query_prefix.is_some()
            || self.document_prefix.is_some()
            || self.do_query_expansion.is_some()
            || self.attend_to_expansion_tokens.is_some()
            || self.skiplist_words.is_some()
            || self.model_type.as_deref() == Some("ColBERT")
    }

    /// PyLate's defaults: prefixes `[Q] ` and `[D] `, expansion on, attention to it off, ASCII punctuation skipped.
    fn rules(&self, query_length: usize) -> TokenRules {
        let expansion = self.do_query_expansion.unwrap_or(true).then(|| Expansion {
            length: query_length,
            attend: self.attend_to_expansion_tokens.unwrap_or(false),
            token: None,
            fixed: true,
        });
        TokenRules {
            query_prefix: self.query_prefix.clone().unwrap_or_else(|| "[Q] ".to_owned()),
            document_prefix: self.document_prefix.clone().unwrap_or_else(|| "[D] ".to_owned()),
            expansion,
            skip_words: self.skiplist_words.clone().unwrap_or_else(punctuation),
            skip_in_queries: false,
            skip_in_documents: true,
            skip_unknown: true,
        }
    }

    /// The prompt of that name, else the default one.
    fn prompt(&self, name: &str) -> String {
        let mut names = [Some(name), self.default_prompt_name.as_deref()].into_iter().flatten();
        names.find_map(|name| self.prompts.get(name).cloned().flatten()).unwrap_or_default()
    }
}

/// Whether a directory was written by PyLate.
pub(super) fn is_pylate(directory: &ModelDirectory) -> Result<bool, EncodeError> {
    let modules: Vec<Module> = directory.optional_json("modules.json")?.unwrap_or_default();
    if modules.iter().any(|module| module.is("MultiVectorMask") || module.is("Pooling")) {
        return Ok(false);
    }
    let settings: Settings = directory.optional_json(SETTINGS)?.unwrap_or_default();
    let similarity = settings.similarity_fn_name.as_deref().map(str::to_ascii_lowercase);
    Ok(settings.has_pylate_key() || similarity.as_deref() == Some("maxsim"))
}

/// The recipe of a PyLate directory: lengths 32 and 180 unless it says otherwise.
pub(super) fn pylate(directory: &ModelDirectory, options: &ModelOptions) -> Result<Recipe, EncodeError> {
    let modules = Modules::read(directory)?;
    let settings: Settings = directory.optional_json(SETTINGS)?.unwrap_or_default();
    let query = checked_length(directory, SETTINGS, "query_length", settings.query_length)?.unwrap_or(32);
    let document =
        checked_length(directory, SETTINGS, "document_length", settings.document_length)?.unwrap_or(180);
    Ok(Recipe {
        graph: graph(&[&modules.transformer, directory], options)?,
        lowercase: modules.lowercase() || settings.do_lower_case,
        max_query: Some(query),
        max_document: Some(document),
        query_prompt: settings.prompt("query"),
        document_prompt: settings.prompt("document"),
        head: Head::Tokens(settings.rules(query)),
        normalize: true,
        transformer: modules.transformer,
        layers: modules.layers,
        layer_bytes: modules.layer_bytes,
        notes: Vec::new(),
    })
}

/// The recipe of `model.onnx` with `onnx_config.json`: lengths 48 and 300, nothing skipped unless it says so.
pub(super) fn onnx_colbert(
    directory: &ModelDirectory,
    options: &ModelOptions,
) -> Result<Recipe, EncodeError> {
    const FILE: &str = "onnx_config.json";
    let mut settings: Settings = directory.json(FILE, "the configuration")?;
    settings.skiplist_words.get_or_insert_default();
    let query = checked_length(directory, FILE, "query_length", settings.query_length)?.unwrap_or(48);
    let document =
        checked_length(directory, FILE, "document_length", settings.document_length)?.unwrap_or(300);
    Ok(Recipe {
        transformer: directory.clone(),
        graph: graph(&[directory], options)?,
        lowercase: settings.do_lower_case,
        max_query: Some(query),
        max_document: Some(document),
        query_prompt: String::new(),
        document_prompt: String::new(),
        head: Head::Tokens(settings.rules(query)),
        layers: Vec::new(),
        layer_bytes: Vec::new(),
        normalize: true,
        notes: Vec::new(),
    })
}

/// `artifact.metadata` of a Stanford ColBERT checkpoint.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    query_token_id: Option<String>,
    doc_token_id: Option<String>,
    query_maxlen: Option<i64>,
    doc_maxlen: Option<i64>,
    attend_to_mask_tokens: bool,
    mask_punctuation: Option<bool>,
}

/// The recipe of a Stanford ColBERT checkpoint (Santhanam et al., "ColBERTv2", NAACL 2022): lengths 32 and 220,
/// prefixes `[unused0]` and `[unused1]`, punctuation skipped unless it says otherwise.
pub(super) fn stanford(directory: &ModelDirectory, options: &ModelOptions) -> Result<Recipe, EncodeError> {
    const FILE: &str = "artifact.metadata";
    let metadata: Metadata = directory.optional_json(FILE)?.unwrap_or_default();
    let query = checked_length(directory, FILE, "query_maxlen", metadata.query_maxlen)?.unwrap_or(32);
    let document = checked_length(directory, FILE, "doc_maxlen", metadata.doc_maxlen)?.unwrap_or(220);
    let graph = graph(&[directory], options)?;
    let projection = Projection::stanford(&directory.path("model.safetensors"))?;
    let (layers, layer_bytes) =
        projection.map(|(dense, bytes)| (Layer::Dense(dense), bytes)).into_iter().unzip();
    let expansion =
        Expansion { length: query, attend: metadata.attend_to_mask_tokens, token: None, fixed: true };
    let skip = metadata.mask_punctuation.unwrap_or(true);
    let rules = TokenRules {
        query_prefix: metadata.query_token_id.unwrap_or_else(|| "[unused0]".to_owned()),
        document_prefix: metadata.doc_token_id.unwrap_or_else(|| "[unused1]".to_owned()),
        expansion: Some(expansion),
        skip_words: if skip { punctuation() } else { Vec::new() },
        skip_in_queries: false,
        skip_in_documents: true,
        skip_unknown: false,
    };
    Ok(Recipe {
        transformer: directory.clone(),
        graph,
        lowercase: false,
        max_query: Some(query),
        max_document: Some(document),
        query_prompt: String::new(),
        document_prompt: String::new(),
        head: Head::Tokens(rules),
        layers,
        layer_bytes,
        normalize: true,
        notes: Vec::new(),
    })
}
