use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Expansion, Head, Recipe, TokenRules, checked_length, graph};
use crate::encode::directory::ModelDirectory;
use crate::encode::layer::{Layer, LayerNorm};
use crate::encode::pooling::Pooling;
use crate::encode::projection::Projection;
use crate::encode::{EncodeError, ModelOptions};

/// One line of `modules.json`. The type's module path differs between releases; its last part is what counts.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Module {
    pub(super) fn is(&self, name: &str) -> bool {
        self.kind.rsplit('.').next() == Some(name)
    }
}

/// `config_sentence_transformers.json`, as far as dense models use it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    prompts: BTreeMap<String, Option<String>>,
    default_prompt_name: Option<String>,
}

/// `sentence_bert_config.json` in the transformer's directory.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TransformerSettings {
    max_seq_length: Option<i64>,
    do_lower_case: bool,
    query_length: Option<i64>,
    document_length: Option<i64>,
    query_expansion: Option<ExpansionSettings>,
}

#[derive(Debug, Deserialize)]
struct ExpansionSettings {
    strategy: Option<String>,
    #[serde(default)]
    attend: bool,
    token: Option<String>,
    length: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PoolingSettings {
    pooling_mode: Option<Value>,
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
    include_prompt: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MaskSettings {
    skiplist_words: Vec<String>,
    skiplist_tasks: Option<Vec<String>>,
    keep_only_token_ids: Option<Vec<u32>>,
}

/// The modules of a directory and what stands in them; the start for the layouts built on sentence-transformers.
pub(super) struct Modules {
    pub(super) transformer: ModelDirectory,
    pub(super) layers: Vec<Layer>,
    pub(super) layer_bytes: Vec<Vec<u8>>,
    pub(super) normalize: bool,
    pooling: Option<ModelDirectory>,
    mask: Option<ModelDirectory>,
    settings: TransformerSettings,
}

impl Modules {
    pub(super) fn read(directory: &ModelDirectory) -> Result<Self, EncodeError> {
        let modules: Vec<Module> = directory.optional_json("modules.json")?.unwrap_or_default();
        let mut this = Self {
            transformer: directory.clone(),
            layers: Vec::new(),
            layer_bytes: Vec::new(),
            normalize: false,
            pooling: None,
            mask: None,
            settings: TransformerSettings::default(),
        };
        for module in modules {
            this.add(directory, module)?;
        }
        for name in
            ["sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json"]
        {
            if let Some(settings) = this.transformer.optional_json(name)? {
                this.settings = settings;
                break;
            }
        }
        Ok(this)
    }

    /// Takes in one module of `modules.json`.
    fn add(&mut self, directory: &ModelDirectory, module: Module) -> Result<(), EncodeError> {
        let place = directory.part("modules.json", &module.path)?;
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" => self.transformer = place,
            "Pooling" if self.layers.is_empty() => self.pooling = Some(place),
            "Pooling" => {
                return Err(EncodeError::Field {
                    path: directory.path("modules.json"),
                    field: "type",
                    found: format!("{} after a layer", module.kind),
                    expected: "the pooling before the layers",
                });
            }
            "Dense" => {
                let (dense, bytes) = Projection::load(&place)?;
                self.push(&place, "in_features", Layer::Dense(dense), bytes)?;
            }
            "LayerNorm" => {
                let (norm, bytes) = LayerNorm::load(&place)?;
                self.push(&place, "dimension", Layer::Norm(norm), bytes)?;
            }
            "Normalize" => self.normalize = true,
            "MultiVectorMask" => self.mask = Some(place),
            "Dropout" => {}
            _ => {
                return Err(EncodeError::Field {
                    path: directory.path("modules.json"),
                    field: "type",
                    found: module.kind,
                    expected: "Transformer, Pooling, Dense, LayerNorm, Normalize, MultiVectorMask or Dropout",
                });
            }
        }
        Ok(())
    }

    /// Adds a layer that fits behind those there are.
    fn push(
        &mut self,
        place: &ModelDirectory,
        field: &'static str,
        layer: Layer,
        bytes: Vec<u8>,
    ) -> Result<(), EncodeError> {
        let before = self.layers.iter().rev().find_map(Layer::widths);
        if let (Some((_, gives)), Some((takes, _))) = (before, layer.widths())
            && gives != takes
        {
            return Err(EncodeError::Field {
                path: place.path("config.json"),
                field,
                found: format!("{takes} after a layer that gives {gives}"),
                expected: "as many as the layer before gives",
            });
        }
        if std::mem::take(&mut self.normalize) {
            self.layers.push(Layer::Unit);
            self.layer_bytes.push(b"unit".to_vec());
        }
        self.layers.push(layer);
        self.layer_bytes.push(bytes);
        Ok(())
    }

    /// The rules for tokens, and the lengths of queries and documents.
    fn multi_vector(
        &self,
        mask: &ModelDirectory,
        max: Option<usize>,
    ) -> Result<(Head, Option<usize>, Option<usize>), EncodeError> {
        let place = mask;
        let mask: MaskSettings = place.optional_json("config.json")?.unwrap_or_default();
        if let Some(kept) = mask.keep_only_token_ids.filter(|kept| !kept.is_empty()) {
            return Err(EncodeError::Field {
                path: place.path("config.json"),
                field: "keep_only_token_ids",
                found: format!("{} tokens", kept.len()),
                expected: "null: it keeps the parts of images, which are not read",
            });
        }
        let tasks = mask.skiplist_tasks.unwrap_or_else(|| vec!["document".to_owned()]);
        let expansion = self.expansion()?;
        let query = match &expansion {
            Some(expansion) if expansion.fixed => Some(expansion.length),
            _ => self.length("query_length", self.settings.query_length)?.or(max),
        };
        let document = self.length("document_length", self.settings.document_length)?.or(max);
        let rules = TokenRules {
            query_prefix: String::new(),
            document_prefix: String::new(),
            expansion,
            skip_words: mask.skiplist_words,
            skip_in_queries: tasks.iter().any(|task| task == "query"),
            skip_in_documents: tasks.iter().any(|task| task == "document"),
            skip_unknown: false,
        };
        Ok((Head::Tokens(rules), query, document))
    }

    pub(super) fn lowercase(&self) -> bool {
        self.settings.do_lower_case
    }

    pub(super) fn max_length(&self) -> Result<Option<usize>, EncodeError> {
        self.length("max_seq_length", self.settings.max_seq_length)
    }

    fn length(&self, field: &'static str, length: Option<i64>) -> Result<Option<usize>, EncodeError> {
        checked_length(&self.transformer, "sentence_bert_config.json", field, length)
    }

    fn expansion(&self) -> Result<Option<Expansion>, EncodeError> {
        let Some(settings) = &self.settings.query_expansion else { return Ok(None) };
        let length = self.length("query_expansion.length", settings.length)?.unwrap_or(32);
        let (attend, token) = (settings.attend, settings.token.clone());
        Ok(Some(Expansion { length, attend, token, fixed: settings.strategy.as_deref() != Some("min") }))
    }
}

/// The recipe of a sentence-transformers directory: dense, or multi-vector if it has a mask and no pooling.
pub(super) fn recipe(directory: &ModelDirectory, options: &ModelOptions) -> Result<Recipe, EncodeError> {
    let modules = Modules::read(directory)?;
    let settings: Settings =
        directory.optional_json("config_sentence_transformers.json")?.unwrap_or_default();
    let graph = graph(&[&modules.transformer, directory], options)?;
    let prompt = |names: &[&str]| {
        let default = settings.default_prompt_name.as_deref();
        let mut names = names.iter().copied().chain(default);
        names.find_map(|name| settings.prompts.get(name).cloned().flatten()).unwrap_or_default()
    };
    let query_prompt = prompt(&["query"]);
    let document_prompt = prompt(&["document", "passage", "corpus"]);
    let max = modules.max_length()?;
    let mut notes = Vec::new();
    let (head, max_query, max_document) = match (&modules.pooling, &modules.mask) {
        (None, Some(mask)) => modules.multi_vector(mask, max)?,
        (pooling, _) => {
            if pooling.is_none() {
                notes.push("modules.json has no pooling: the mean is assumed".to_owned());
            }
            (pooled(pooling.as_ref())?, max, max)
        }
    };
    Ok(Recipe {
        graph,
        lowercase: modules.lowercase(),
        max_query,
        max_document,
        query_prompt,
        document_prompt,
        head,
        normalize: modules.normalize,
        transformer: modules.transformer,
        layers: modules.layers,
        layer_bytes: modules.layer_bytes,
        notes,
    })
}

fn pooled(directory: Option<&ModelDirectory>) -> Result<Head, EncodeError> {
    let Some(directory) = directory else {
        return Ok(Head::Pooled { modes: vec![Pooling::Mean], include_prompt: true });
    };
    let settings: PoolingSettings = directory.json("config.json", "the configuration of the pooling")?;
    let wrong = |found: String| EncodeError::Field {
        path: directory.path("config.json"),
        field: "pooling_mode",
        found,
        expected: "cls, mean, max, lasttoken, weightedmean or mean_sqrt_len_tokens",
    };
    let named =
        |value: &Value| value.as_str().and_then(Pooling::named).ok_or_else(|| wrong(value.to_string()));
    let modes = match &settings.pooling_mode {
        Some(Value::Array(all)) => all.iter().map(named).collect::<Result<_, _>>()?,
        Some(one) => vec![named(one)?],
        // Vectors of several modes are joined in this order.
        None => [
            (settings.pooling_mode_cls_token, Pooling::Cls),
            (settings.pooling_mode_max_tokens, Pooling::Max),
            (settings.pooling_mode_mean_tokens, Pooling::Mean),
            (settings.pooling_mode_mean_sqrt_len_tokens, Pooling::MeanSqrtLength),
            (settings.pooling_mode_weightedmean_tokens, Pooling::WeightedMean),
            (settings.pooling_mode_lasttoken, Pooling::LastToken),
        ]
        .into_iter()
        .filter_map(|(on, mode)| on.then_some(mode))
        .collect::<Vec<_>>(),
    };
    // As sentence-transformers: a configuration that turns no mode on means the mean.
    let modes = if modes.is_empty() { vec![Pooling::Mean] } else { modes };
    Ok(Head::Pooled { modes, include_prompt: settings.include_prompt.unwrap_or(true) })
}
